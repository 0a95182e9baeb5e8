/** The trained network that a path names: a run's folder, or a file. */

import { stat } from "node:fs/promises";
import { join } from "node:path";
import { DataError } from "../core/errors.ts";
import { errorCode } from "../data/node/system-error.ts";
import type { Checkpoint } from "../train/checkpoint.ts";
import { RunFolder, readCheckpointFile } from "../train/node/run-folder.ts";
import { checkRunConfig, type RunConfig } from "./run-config.ts";

/** Of a run, the checkpoint that did best on the test images, or the last where none was tested. @throws DataError when there is none. */
export async function findCheckpoint(source: string): Promise<Checkpoint> {
  const found = await stat(source).catch((error: unknown) => {
    throw new DataError(
      `run: ${source} must be readable, got ${errorCode(error) ?? error}; name a run or a checkpoint that train has written`,
      { cause: error },
    );
  });
  if (found.isFile()) return readCheckpointFile(source);
  const folder = await RunFolder.open(source);
  return folder.readCheckpoint(folder.metrics.some(({ testAccuracy }) => testAccuracy !== null) ? "best" : "checkpoint");
}

/** How the checkpoint was trained; undefined of a file that holds a network only. @throws DataError for a configuration of no use. */
export const configOf = ({ config, source }: Checkpoint): RunConfig | undefined =>
  config === undefined ? undefined : checkRunConfig(config, join(source, "config"));

/** Where each network keeps its classifier. */
const classifiers = ["fc.bias", "classifier.bias"];

/** One bias of the classifier for each class. @throws DataError for a state without one. */
export function classesOf({ source, model }: Checkpoint): number {
  const name =
    classifiers.find((candidate) => model.has(candidate)) ?? [...model.keys()].find((key) => /^classifier(\.1|_conv)\..*bias$/.test(key));
  const classes = name === undefined ? undefined : model.get(name)?.shape[0];
  if (classes !== undefined) return classes;
  throw new DataError(`checkpoint: ${source} must hold the bias of a classifier, got none; name a network's checkpoint`);
}
