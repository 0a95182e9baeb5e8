/** Finds the trained network that a path names: a run's folder, or a file. */

import { stat } from "node:fs/promises";
import { DataError } from "../../core/errors.ts";
import { errorCode } from "../../data/node/system-error.ts";
import type { Checkpoint } from "../../train/checkpoint.ts";
import { RunFolder, readCheckpointFile } from "../../train/node/run-folder.ts";
import { checkRecordedFamily } from "./load-family.ts";

/**
 * Reads the checkpoint at `source`. Of a run's folder this is the checkpoint with the best test accuracy, or the last one of a run without
 * tests.
 * @throws DataError when there is no checkpoint, ConfigError when it names a module that has not been loaded.
 */
export async function findCheckpoint(source: string): Promise<Checkpoint> {
  const checkpoint = await readCheckpoint(source);
  await checkRecordedFamily(checkpoint.config);
  return checkpoint;
}

async function readCheckpoint(source: string): Promise<Checkpoint> {
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
