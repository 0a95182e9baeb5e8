/** The process that trains a run, by the lock in the folder of the run. */

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { isLockName } from "../../src/train/node/folder-lock.ts";

/** The number of the process that has the lock of `folder`; undefined while there is no lock. */
export async function lockProcess(folder: string): Promise<number | undefined> {
  const lock = (await readdir(folder).catch((): string[] => [])).find(isLockName);
  const text = lock === undefined ? "" : await readFile(join(folder, lock), "utf8").catch(() => "");
  return text === "" ? undefined : (JSON.parse(text.split("\n")[0]!) as { pid: number }).pid;
}
