/** What a finished run came to, read off its folder: a line of a sweep's results, a point of a report. */

import { join } from "node:path";
import { countSpec } from "../../cli/count-command.ts";
import { maximumOf } from "../../core/extremes.ts";
import { RunFolder } from "../../train/node/run-folder.ts";
import type { EpochMetrics } from "../../train/trainer.ts";
import { formatArchitecture } from "../network-spec.ts";
import { checkRunConfig, type RunConfig } from "../run-config.ts";
import { networkOf } from "../settings.ts";

export interface RunSummary {
  readonly network: string;
  readonly convolution: string;
  readonly seed: number;
  readonly data: string;
  /** The teacher's network, where there was one. */
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
  /** Of training and testing. */
  readonly seconds: number;
}

/** Pixels on a side of an image of each data set, and how many classes. */
const images = { cifar10: [32, 10], cifar100: [32, 100], synthetic: [32, 10] } as const;

export interface OpenedRun {
  readonly path: string;
  readonly config: RunConfig;
  readonly metrics: readonly EpochMetrics[];
}

/** @throws DataError when there is no run at `path`. */
export async function openRun(path: string): Promise<OpenedRun> {
  const folder = await RunFolder.open(path);
  return { path, config: checkRunConfig(await folder.config(), join(path, "config.json")), metrics: folder.metrics };
}

/** Of a run with one epoch at least. */
export function summarise({ config, metrics }: OpenedRun): RunSummary {
  const { settings, teacher } = config;
  const spec = networkOf(settings);
  const [input, classes] = images[settings.data];
  const { params, paperMultAdds, multAdds, compressionRatio } = countSpec(spec, classes, input, settings.mode);
  const last = metrics.at(-1)!;
  const accuracies = metrics.flatMap(({ testAccuracy }) => (testAccuracy === null ? [] : [testAccuracy]));
  return {
    network: formatArchitecture(spec),
    convolution: settings.conv,
    seed: settings.seed,
    data: settings.data,
    teacher: teacher?.network ?? null,
    parameters: params,
    paperMultAdds,
    multAdds,
    compressionRatio,
    epochs: metrics.length,
    trainLoss: last.trainLoss,
    testLoss: last.testLoss,
    testAccuracy: last.testAccuracy,
    bestTestAccuracy: accuracies.length === 0 ? null : maximumOf(accuracies),
    seconds: metrics.reduce((total, { seconds, testSeconds }) => total + seconds + testSeconds, 0),
  };
}
