/** Files that are whole or absent, also when the disk is full or the power fails. */

import { open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { DataError } from "../../core/errors.ts";

/** Marks what is being written; a leftover of a process that was killed can be told by it. */
export const partialMark = ".partial-";

/**
 * Replaces `path` by `content`: written beside it, flushed to the disk, and renamed over it.
 * @throws DataError when any of it fails; what was at `path` before is untouched then, and nothing is left beside it.
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

/** Makes a rename last through a power failure, where the platform can flush a folder. */
async function syncFolder(path: string): Promise<void> {
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

/** The system's error as one of ours. */
export function writeError(path: string, error: unknown): DataError {
  const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
  return new DataError(
    `write: ${join(basename(dirname(path)), basename(path))} must be writable, got ${code} for ${path}; ${remedies[code] ?? "check that disk"}` +
      ". What was saved before is untouched",
    { cause: error },
  );
}
