/** The results of a run, read from its folder: a line of the results of a sweep, and a point in a report. */

import { basename, join } from "node:path";
import { largest } from "../../../core/extent.ts";
import { splitModule } from "../../../structured/convolution-text.ts";
import { RunFolder } from "../../../train/node/run-folder.ts";
import type { EpochMetrics } from "../../../train/progress.ts";
import { countSpec } from "../../count-spec.ts";
import { imageFacts } from "../../data-facts.ts";
import { formatArchitecture } from "../../network-spec.ts";
import { checkRunConfig, type RunConfig } from "../../run-config.ts";
import { isDataName, type Settings } from "../../setting-rules.ts";
import { networkOf } from "../../settings.ts";
import { checkRecordedFamily } from "../load-family.ts";

export interface RunSummary {
  readonly network: string;
  readonly convolution: string;
  readonly seed: number;
  readonly data: string;
  /** The name of the teacher's network; null for a run without a teacher. */
  readonly teacher: string | null;
  readonly parameters: number;
  readonly paperMultAdds: number;
  readonly multAdds: number;
  readonly compressionRatio: number;
  readonly epochs: number;
  readonly trainLoss: number;
  readonly testLoss: number | null;
  readonly testAccuracy: number | null;
  readonly bestTestAccuracy: number | null;
  /** The time of training and testing. */
  readonly seconds: number;
}

export interface OpenedRun {
  readonly path: string;
  readonly config: RunConfig;
  readonly metrics: readonly EpochMetrics[];
}

/** Reads a run. @throws DataError when there is no run at `path`, ConfigError when it names a module that has not been loaded. */
export async function openRun(path: string): Promise<OpenedRun> {
  const folder = await RunFolder.open(path);
  const config = checkRunConfig(await folder.config(), join(path, "config.json"));
  await checkRecordedFamily(config);
  return { path, config, metrics: folder.metrics };
}

/** The facts of a summary that follow from the settings of the run. */
export const networkFacts = (settings: Settings) => ({
  network: formatArchitecture(networkOf(settings)),
  convolution: splitModule(settings.conv).form,
  seed: settings.seed,
});

/** Summarises a run, which must have finished one epoch. */
export function summarise({ config, metrics }: OpenedRun): RunSummary {
  const { settings, teacher } = config;
  const spec = networkOf(settings);
  const { classes, size } = imageFacts(config);
  const { params, paperMultAdds, multAdds, compressionRatio } = countSpec(spec, classes.length, size, settings.mode);
  const last = metrics.at(-1)!;
  const accuracies = metrics.flatMap(({ testAccuracy }) => (testAccuracy === null ? [] : [testAccuracy]));
  return {
    ...networkFacts(settings),
    data: isDataName(settings.data) ? settings.data : basename(settings.data),
    teacher: teacher?.network ?? null,
    parameters: params,
    paperMultAdds,
    multAdds,
    compressionRatio,
    epochs: metrics.length,
    trainLoss: last.trainLoss,
    testLoss: last.testLoss,
    testAccuracy: last.testAccuracy,
    bestTestAccuracy: accuracies.length === 0 ? null : largest(accuracies),
    seconds: metrics.reduce((total, { seconds, testSeconds }) => total + seconds + testSeconds, 0),
  };
}
