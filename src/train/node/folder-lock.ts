/** One writer to a folder: a lock that a killed process cannot leave behind, for it names its holder and dies with it. */

import { randomUUID } from "node:crypto";
import { link, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError } from "../../core/errors.ts";
import { errorCode } from "../../data/node/system-error.ts";
import { writeError } from "./atomic-file.ts";

/** A process: its number, and when it began where the system tells, for numbers are used again. */
interface Holder {
  readonly pid: number;
  readonly started: string | undefined;
}

/** Clock ticks from boot to the start of a process: field 22 of /proc/PID/stat, counted after the name, which may hold spaces. */
async function startOf(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
}

async function isAlive({ pid, started }: Holder): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it lives, and is somebody else's.
    if (errorCode(error) === "ESRCH") return false;
  }
  return started === undefined || (await startOf(pid)) === started;
}

/** Who holds the lock of `folder`; undefined where nobody does. A holder that is no more does not count. */
export async function lockHolder(folder: string): Promise<number | undefined> {
  const holder = await readHolder(join(folder, lockName));
  return holder !== undefined && (await isAlive(holder)) ? holder.pid : undefined;
}

export const lockName = ".lock";

async function readHolder(path: string): Promise<Holder | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as Holder;
  } catch {
    return undefined;
  }
}

/**
 * Takes the folder's lock until the returned function is called or this process ends.
 * @throws ConfigError when another living process has it, DataError when it cannot be written.
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, lockName);
  const own = `${path}-${process.pid}-${randomUUID()}`;
  const holder: Holder = { pid: process.pid, started: await startOf(process.pid) };
  try {
    await writeFile(own, JSON.stringify(holder));
    // A link is made whole or not at all, so nobody ever reads half a lock.
    while (!(await tryLink(own, path))) {
      const other = await readHolder(path);
      if (other !== undefined && (await isAlive(other)))
        throw new ConfigError(`lock: ${folder} is being written by process ${other.pid}; wait for it or stop it`);
      await rm(path, { force: true });
    }
  } catch (error) {
    throw error instanceof ConfigError ? error : writeError(path, error);
  } finally {
    await rm(own, { force: true }).catch(() => undefined);
  }
  return () => rm(path, { force: true });
}

async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false;
    throw error;
  }
}
