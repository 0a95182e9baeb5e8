/** Groups runs that differ in nothing but the seed. */

import { maximumOf, minimumOf } from "../core/extremes.ts";
import type { ReportRun } from "./report-run.ts";

export interface Configuration {
  readonly network: string;
  readonly convolution: string;
  readonly teacher: string | undefined;
  readonly parameters: number;
  readonly paperMultAdds: number;
  readonly multAdds: number;
  /** Test error after the last epoch: mean over the seeds. */
  readonly error: number;
  /** The smallest test error of a seed. */
  readonly least: number;
  /** The largest test error of a seed. */
  readonly largest: number;
  /** One run for each seed. */
  readonly runs: readonly ReportRun[];
}

/** The configurations of the runs that are finished and have a test error, in the order of each configuration's first run. */
export function configurationsOf(runs: readonly ReportRun[]): Configuration[] {
  const groups = new Map<string, ReportRun[]>();
  for (const run of runs) {
    if (run.error === undefined || !run.finished) continue;
    const key = [run.data, run.network, run.convolution, run.teacher].join(" ");
    groups.set(key, [...(groups.get(key) ?? []), run]);
  }
  return [...groups.values()].map((members) => {
    const { network, convolution, teacher, parameters, paperMultAdds, multAdds } = members[0]!;
    const errors = members.map(({ error }) => error!);
    const error = errors.reduce((a, b) => a + b) / errors.length;
    const bounds = { least: minimumOf(errors), largest: maximumOf(errors) };
    return { network, convolution, teacher, parameters, paperMultAdds, multAdds, error, ...bounds, runs: members };
  });
}
