/** Writes files that are complete or absent, even when the disk is full or the power fails. */

import { basename, dirname, join } from "node:path";
import { DataError } from "../../core/errors.ts";
import { OutputFile, remove, renameFile, syncFolder } from "../../core/node/files.ts";
import { errorCode } from "../../core/node/system-error.ts";
import { removeLeftovers, temporaryName } from "../../core/node/temporary-names.ts";

/** The folders that this process has freed of what killed processes left. */
const cleaned = new Set<string>();

/**
 * Replaces the content of `path`. The new content is written to a new file beside it, flushed to the disk, and renamed over it. A symbolic
 * link at `path` is replaced and not followed.
 * @throws DataError when any of this fails. The file at `path` is then as it was before, and no other file is left.
 */
export async function writeFileAtomic(path: string, content: Uint8Array | string): Promise<void> {
  const folder = dirname(path);
  if (!cleaned.has(folder)) await removeLeftovers(folder);
  cleaned.add(folder);
  await replaceFile(path, (partial) => writeNewFile(partial, content));
}

/** Writes a file that does not exist yet, and waits until it is on the disk. @throws the errors of the system. */
export async function writeNewFile(path: string, content: Uint8Array | string): Promise<void> {
  const file = await OutputFile.create(path);
  try {
    await file.write(content);
    await file.sync();
  } finally {
    await file.close();
  }
}

/**
 * Replaces the file at `path` by the one that `make` puts at the path that it is given. That file must be on the disk already.
 * @throws DataError when any of this fails. The file at `path` is then as it was before, or is replaced and not safe from a power failure.
 * No other file is left.
 */
export async function replaceFile(path: string, make: (partial: string) => Promise<void>): Promise<void> {
  const folder = dirname(path);
  const partial = join(folder, temporaryName());
  try {
    await make(partial);
    await renameFile(partial, path);
  } catch (error) {
    await remove(partial).catch(() => undefined);
    throw writeError(path, error);
  }
  await syncFolder(folder).catch((error: unknown) => {
    throw writeError(path, error);
  });
}

const remedies: Readonly<Record<string, string>> = {
  ENOSPC: "free some room on that disk",
  EDQUOT: "free some of your quota on that disk",
  EACCES: "change its permissions or write elsewhere",
  EPERM: "change its permissions or write elsewhere",
  EROFS: "that disk is read-only, write elsewhere",
  ENOTDIR: "a part of the path is a file, write elsewhere",
  EEXIST: "a part of the path is a file, write elsewhere",
  ENAMETOOLONG: "choose a shorter name",
};

/** A DataError for an error of the operating system while `path` was written. */
export function writeError(path: string, error: unknown): DataError {
  if (error instanceof DataError) return error;
  const code = errorCode(error) ?? String(error);
  return new DataError(
    `write: ${join(basename(dirname(path)), basename(path))} must be writable, got ${code} for ${path}; ` +
      `${remedies[code] ?? "check that disk"}. What was saved before is untouched`,
    { cause: error },
  );
}
