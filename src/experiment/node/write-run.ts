/**
 * Writes a run before its first step, of a network that was not trained here. `eval` tests such a run, and `train --resume` trains it
 * further.
 */

import { encodeCheckpoint } from "../../train/checkpoint.ts";
import type { AttentiveClassifier } from "../../train/evaluate.ts";
import { RunFolder } from "../../train/node/run-folder.ts";
import { type ImageFacts, recordOf } from "../data-facts.ts";
import type { RunConfig } from "../run-config.ts";
import { createRunConfig } from "./create-run-config.ts";
import { createTrainer } from "./session.ts";
import type { BackendReport } from "./start-backend.ts";

export interface UntrainedRun extends Pick<RunConfig, "preset" | "settings" | "fallback" | "compressed" | "converted"> {
  readonly network: AttentiveClassifier;
  /** The facts of the images that the network was trained on. */
  readonly facts: ImageFacts;
  readonly backend: BackendReport;
}

/** @throws ConfigError when `path` exists, DataError when it cannot be written. Nothing is left on the disk then. */
export async function writeUntrainedRun(path: string, { network, facts, ...run }: UntrainedRun): Promise<void> {
  const config = createRunConfig({ ...run, ...recordOf(facts) });
  const { settings } = config;
  // A checkpoint before the first step does not depend on the shape of the images or on their number.
  const trainer = createTrainer(settings, network, {
    shape: [3, facts.size, facts.size],
    count: settings.batchSize,
    classes: facts.classes.length,
  });
  const bytes = await encodeCheckpoint(trainer, config);
  const folder = await RunFolder.create(path, config);
  try {
    await folder.writeCheckpoint(bytes);
  } catch (error) {
    await folder.discard();
    throw error;
  } finally {
    await folder.close();
  }
}
