/**
 * Names of files and folders that are being written. They are random, so that nobody can put a link there before. They are short, so that
 * they fit beside a name of any length. Each name says which process made it, so that another process can remove what a killed one left.
 */

import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { remove } from "./files.ts";
import { isRunning, ownedName, ownerOf } from "./process-identity.ts";

const prefix = ".partial-";

/** A name that no other file has or will have. */
export const temporaryName = (): string => ownedName(prefix);

export const isTemporaryName = (name: string): boolean => ownerOf(prefix, name) !== undefined;

/**
 * Removes the temporary files and folders in `folder` whose process has ended. Those of another machine or container are removed when they
 * are a day old. What cannot be removed stays: a leftover does no harm.
 */
export async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const owner = ownerOf(prefix, name);
    if (owner === undefined) continue;
    const path = join(folder, name);
    const abandoned = !((await isRunning(owner)) ?? !(await isOlderThanADay(path)));
    if (abandoned) await remove(path).catch(() => undefined);
  }
}

const dayMs = 24 * 60 * 60 * 1000;

async function isOlderThanADay(path: string): Promise<boolean> {
  const modified = await stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => undefined,
  );
  return modified !== undefined && Date.now() - modified > dayMs;
}
