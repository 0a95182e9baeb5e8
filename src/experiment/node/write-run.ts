/** A run before its first step, made of a network that was not trained here: `eval` tests it, `train --resume` trains it on. */

import { encodeCheckpoint } from "../../train/checkpoint.ts";
import type { AttentiveClassifier } from "../../train/evaluate.ts";
import { RunFolder } from "../../train/node/run-folder.ts";
import type { RunConfig } from "../run-config.ts";
import { createTrainer } from "./session.ts";
import type { Settings } from "../settings.ts";
import type { BackendReport } from "./start-backend.ts";
import { packageVersion } from "./version.ts";

export interface UntrainedRun extends Pick<RunConfig, "preset" | "fallback" | "compressed" | "converted"> {
  readonly settings: Settings;
  readonly network: AttentiveClassifier;
  readonly classes: number;
  readonly backend: BackendReport;
}

/** @throws ConfigError when something is at `path`, DataError when it cannot be written; nothing is left then. */
export async function writeUntrainedRun(
  path: string,
  { settings: wanted, network, classes, backend, ...origin }: UntrainedRun,
): Promise<void> {
  const threads = backend.name === "wasm" ? backend.threads : undefined;
  const settings: Settings = { ...wanted, backend: backend.name, threads };
  const environment = { node: process.versions.node, platform: `${process.platform}-${process.arch}`, backend };
  const config: RunConfig = { separable: packageVersion(), ...origin, settings, environment };
  // Neither shape nor number of the images is part of a checkpoint before its first step.
  const trainer = createTrainer(settings, network, { shape: [3, 32, 32], count: settings.batchSize, classes });
  const bytes = await encodeCheckpoint(trainer, config);
  const folder = await RunFolder.create(path, config);
  try {
    await folder.writeCheckpoint("checkpoint", bytes);
  } catch (error) {
    await folder.discard();
    throw error;
  }
}
