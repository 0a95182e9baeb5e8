/** Writes files that are complete or absent, even when the disk is full or the power fails. */

import { open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { DataError } from "../../core/errors.ts";
import { errorCode } from "../../data/node/system-error.ts";

/** A part of the name of every file that is being written. It identifies the files that a killed process leaves. */
export const partialMark = ".partial-";

/**
 * Replaces the content of `path`. The new content is written to a file beside it, flushed to the disk, and renamed over it.
 * @throws DataError when any of this fails. The file at `path` is then as it was before, and no other file is left.
 */
export async function writeFileAtomic(path: string, content: Uint8Array | string): Promise<void> {
  const partial = `${path}${partialMark}${process.pid}`;
  try {
    const file = await open(partial, "w");
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true }).catch(() => undefined);
    throw writeError(path, error);
  }
  await syncFolder(dirname(path));
}

/** Flushes a folder, so that a rename in it survives a power failure. Platforms that cannot flush a folder are left alone. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r").catch(() => undefined);
  await folder?.sync().catch(() => undefined);
  await folder?.close();
}

const remedies: Readonly<Record<string, string>> = {
  ENOSPC: "free some room on that disk",
  EDQUOT: "free some of your quota on that disk",
  EACCES: "change its permissions or write elsewhere",
  EPERM: "change its permissions or write elsewhere",
  EROFS: "that disk is read-only, write elsewhere",
  ENOTDIR: "a part of the path is a file, write elsewhere",
  EEXIST: "a part of the path is a file, write elsewhere",
};

/** A DataError for an error of the operating system while `path` was written. */
export function writeError(path: string, error: unknown): DataError {
  const code = errorCode(error) ?? String(error);
  return new DataError(
    `write: ${join(basename(dirname(path)), basename(path))} must be writable, got ${code} for ${path}; ` +
      `${remedies[code] ?? "check that disk"}. What was saved before is untouched`,
    { cause: error },
  );
}
