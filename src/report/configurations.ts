/** Groups runs that differ in nothing but the seed. */

import type { ReportRun } from "./report-run.ts";
import { type Estimate, estimate } from "./statistics.ts";

/** What the runs of a configuration have in common. */
export interface ConfigurationKey {
  readonly data: string;
  readonly network: string;
  readonly convolution: string;
  readonly teacher: string | undefined;
}

export interface Configuration extends ConfigurationKey {
  readonly parameters: number;
  readonly paperMultAdds: number;
  readonly multAdds: number;
  readonly milliseconds: number | undefined;
  /** Test error after the last epoch. */
  readonly error: Estimate;
  /** One run for each seed. */
  readonly runs: readonly ReportRun[];
}

/** The runs of each configuration, in the order of each configuration's first run. */
export function groupBySeed(runs: readonly ReportRun[]): ReportRun[][] {
  const groups = new Map<string, ReportRun[]>();
  for (const run of runs) {
    const key = JSON.stringify([run.data, run.network, run.convolution, run.teacher]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [run]);
    else group.push(run);
  }
  return [...groups.values()];
}

/** The configurations of the runs that are finished and have a test error. */
export const configurationsOf = (runs: readonly ReportRun[]): Configuration[] =>
  groupBySeed(runs.filter(({ error, finished }) => finished && error !== undefined)).map((members) => {
    const { data, network, convolution, teacher, parameters, paperMultAdds, multAdds, milliseconds } = members[0]!;
    const error = estimate(members.map((run) => run.error!));
    return { data, network, convolution, teacher, parameters, paperMultAdds, multAdds, milliseconds, error, runs: members };
  });
