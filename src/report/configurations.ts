/** Groups runs that differ in nothing but the seed. */

import type { ReportRun } from "./report-run.ts";
import { type Estimate, estimate } from "./statistics.ts";

/** What a configuration is called by. */
export interface ConfigurationName {
  readonly network: string;
  readonly convolution: string;
  readonly teacher: string | undefined;
}

export interface Configuration extends ConfigurationName {
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
    const { network, convolution, teacher, parameters, paperMultAdds, multAdds, milliseconds } = members[0]!;
    const error = estimate(members.map((run) => run.error!));
    return { network, convolution, teacher, parameters, paperMultAdds, multAdds, milliseconds, error, runs: members };
  });

/** The name of a configuration or a run. AT stands for attention transfer from a teacher. */
export const nameOf = ({ convolution, teacher }: Pick<ConfigurationName, "convolution" | "teacher">): string =>
  teacher === undefined ? convolution : `${convolution} + AT`;

/** Names runs so that different ones have different names: by convolution and teacher, and by network and seed where these differ. */
export function namerOf(runs: readonly ReportRun[]): {
  configuration: (named: ConfigurationName) => string;
  run: (run: ReportRun) => string;
} {
  const severalNetworks = new Set(runs.map(({ network }) => network)).size > 1;
  const severalSeeds = new Set(runs.map(({ seed }) => seed)).size > 1;
  const configuration = (named: ConfigurationName): string => (severalNetworks ? `${named.network} ${nameOf(named)}` : nameOf(named));
  return { configuration, run: (run) => (severalSeeds ? `${configuration(run)}, seed ${run.seed}` : configuration(run)) };
}
