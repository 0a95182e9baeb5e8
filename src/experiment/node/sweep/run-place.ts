/**
 * The folder in which a sweep trains a run. The folder lies within the folder of the sweep, and only files of a run are removed from it.
 */

import { lstat, readdir } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { DataError } from "../../../core/errors.ts";
import { remove } from "../../../core/node/files.ts";
import { errorCode } from "../../../core/node/system-error.ts";
import { isTemporaryName } from "../../../core/node/temporary-names.ts";
import { visible } from "../../../core/quote.ts";
import { isLockName } from "../../../train/node/folder-lock.ts";

/**
 * Checks that every folder from `root` down to `path` is a folder of its own or is absent. A symbolic link could lead out of `root`.
 * @throws DataError for a link, for a file, and for a path outside `root`.
 */
export async function checkWithin(root: string, path: string): Promise<void> {
  const names = relative(root, path).split(sep);
  if (names.some((name) => name === "" || name === ".."))
    throw new DataError(`sweep: ${visible(path, 1000)} must be within ${visible(root, 1000)}; correct the name of the run`);
  let place = root;
  for (const name of names) {
    place = join(place, name);
    const found = await lstat(place).catch((error: unknown) => {
      if (errorCode(error) === "ENOENT") return undefined;
      throw new DataError(`sweep: ${visible(place, 1000)} must be readable, got ${errorCode(error) ?? error}`, { cause: error });
    });
    if (found === undefined) return;
    if (!found.isDirectory())
      throw new DataError(
        `sweep: ${visible(place, 1000)} must be a folder, got ${found.isSymbolicLink() ? "a symbolic link" : "something else"}; ` +
          "remove it, or choose another --out",
      );
  }
}

/** Whether a run that was killed before its configuration was written may have a file of this name: its lock, or a half-written file. */
const isOwnFile = (name: string): boolean => isLockName(name) || isTemporaryName(name);

/**
 * Removes the files of a run that was killed before it had a configuration. Such a run cannot be resumed.
 * @throws DataError when the folder holds anything else. Nothing is removed then.
 */
export async function removeUnbegunRun(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true });
  const foreign = entries.filter((entry) => entry.isDirectory() || !isOwnFile(entry.name)).map(({ name }) => visible(name));
  if (foreign.length > 0) {
    const [shown, more] = [foreign.slice(0, 3).join(", "), foreign.length - 3];
    throw new DataError(
      `sweep: ${visible(folder, 1000)} must hold nothing but a run, got ${shown}${more > 0 ? ` and ${more} more` : ""}; ` +
        "the sweep removes no file of yours, so move them elsewhere",
    );
  }
  // The lock of this process goes with its release.
  for (const { name } of entries) if (isTemporaryName(name)) await remove(join(folder, name));
}
