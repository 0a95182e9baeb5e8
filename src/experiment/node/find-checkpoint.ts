/** Finds the trained network that a path names: a run's folder, or a file. */

import { stat } from "node:fs/promises";
import { DataError } from "../../core/errors.ts";
import { errorCode } from "../../core/node/system-error.ts";
import type { Checkpoint } from "../../train/checkpoint.ts";
import { readCheckpointFile } from "../../train/node/checkpoint-files.ts";
import { RunFolder } from "../../train/node/run-folder.ts";
import { checkRecordedFamily } from "./load-family.ts";

/**
 * Reads the checkpoint at `source`. Of a run's folder this is the checkpoint with the best test accuracy, or the last one of a run without
 * tests. When its file is damaged, the copy of the best one or the checkpoint before is read, and a note of the checkpoint says so.
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
  if (folder.metrics.some(({ testAccuracy }) => testAccuracy !== null)) return folder.readBest();
  const newest = await folder.findNewest();
  if (newest === undefined)
    throw new DataError(
      `run: ${source} must hold a checkpoint, got none: it was stopped before its first one; continue it with train --resume`,
    );
  const { checkpoint, insteadOf } = newest;
  return insteadOf === undefined
    ? checkpoint
    : { ...checkpoint, notes: [...checkpoint.notes, `${insteadOf}. ${checkpoint.source} is used`] };
}
