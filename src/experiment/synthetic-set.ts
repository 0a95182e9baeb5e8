/** The synthetic set of runs: `--data synthetic`, and the playground. */

import { ConfigError } from "../core/errors.ts";
import type { ByteDataset } from "../data/dataset.ts";
import { paintSynthetic } from "../data/synthetic.ts";
import { syntheticStatistics } from "./data-facts.ts";
import type { Settings } from "./setting-rules.ts";

/** The size of the set where no limit is given, and its seed. The set does not change with the seed of the run, as CIFAR does not. */
export const syntheticSize = { trainCount: 10_000, testCount: 2_000, seed: 0 } as const;

/** The most images in a split. Painting them takes seconds. */
const mostSynthetic = 100_000;

/**
 * Paints the set, whose size the limits decide, and pauses from time to time.
 * @throws ConfigError for a limit above 100,000.
 */
export function* paintSyntheticSet({ limitTrain, limitTest }: Pick<Settings, "limitTrain" | "limitTest">): Generator<void, ByteDataset> {
  const [trainCount, testCount] = [limitTrain ?? syntheticSize.trainCount, limitTest ?? syntheticSize.testCount];
  for (const [option, wanted] of [
    ["--limit-train", trainCount],
    ["--limit-test", testCount],
  ] as const)
    if (wanted > mostSynthetic) throw new ConfigError(`data: ${option} must be at most ${mostSynthetic} synthetic images, got ${wanted}`);
  const dataset = yield* paintSynthetic({ ...syntheticSize, trainCount, testCount });
  return { ...dataset, ...syntheticStatistics };
}
