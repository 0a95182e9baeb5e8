/** The names of a report's networks: different networks have different names, which are as short as this allows. */

import type { ConfigurationKey } from "./configurations.ts";
import type { ReportRun } from "./report-run.ts";

export interface Names {
  /** The name of a network, with or without a teacher: `Sep`, or `wrn-16-2 Sep` where several networks have `Sep`. */
  readonly network: (named: ConfigurationKey) => string;
  /** The name with the teaching: `Sep + AT`. AT stands for attention transfer. Where there are several teachers, the name has the teacher. */
  readonly configuration: (named: ConfigurationKey) => string;
  /** The name with the seed, where the runs have several seeds. */
  readonly run: (run: ReportRun) => string;
}

/** The names that tell the given runs or configurations apart. */
export function namesAmong(all: readonly (ConfigurationKey & Partial<Pick<ReportRun, "seed">>)[]): Names {
  const several = (key: "data" | "network" | "teacher", { convolution }: ConfigurationKey): boolean =>
    new Set(all.flatMap((each) => (each.convolution === convolution ? (each[key] ?? []) : []))).size > 1;
  const network = (named: ConfigurationKey): string =>
    [several("data", named) ? named.data : [], several("network", named) ? named.network : [], named.convolution].flat().join(" ");
  const configuration = (named: ConfigurationKey): string => {
    if (named.teacher === undefined) return network(named);
    return `${network(named)} + AT${several("teacher", named) ? ` from ${named.teacher}` : ""}`;
  };
  const severalSeeds = new Set(all.map(({ seed }) => seed)).size > 1;
  return { network, configuration, run: (run) => (severalSeeds ? `${configuration(run)}, seed ${run.seed}` : configuration(run)) };
}
