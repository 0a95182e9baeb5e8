/**
 * A lock that lets one process at a time write to a folder. It names the process that holds it, so the lock of a killed process is void.
 */

import { randomUUID } from "node:crypto";
import { link, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError } from "../../core/errors.ts";
import { errorCode } from "../../data/node/system-error.ts";
import { writeError } from "./atomic-file.ts";

/** The process that holds a lock. */
interface Holder {
  readonly pid: number;
  /** When the process started, as `startTime` gives it, because the system reuses process numbers. */
  readonly started: string | undefined;
}

/**
 * Where /proc/PID/stat has the start time among the fields after the process's name: starttime is field 22, and state, which is field 3, is
 * the first.
 */
const startTimeField = 22 - 3;

/** Clock ticks from boot to the start of a process; undefined where the system has no /proc. The process's name may contain spaces. */
async function startTime(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  const afterName = stat.slice(stat.lastIndexOf(")") + 2);
  return afterName.split(" ")[startTimeField];
}

async function isAlive({ pid, started }: Holder): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM means that the process is alive and belongs to another user.
    if (errorCode(error) === "ESRCH") return false;
  }
  return started === undefined || (await startTime(pid)) === started;
}

/** The number of the living process that holds the lock of `folder`; undefined when there is none. */
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
 * Takes the lock of `folder`, which holds until the returned function is called or this process ends.
 * @throws ConfigError when another living process has the lock, DataError when it cannot be written.
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, lockName);
  const own = `${path}-${process.pid}-${randomUUID()}`;
  const holder: Holder = { pid: process.pid, started: await startTime(process.pid) };
  try {
    await writeFile(own, JSON.stringify(holder));
    // The lock appears as a link to a complete file, so no process reads half a lock.
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
