/**
 * Which process owns a file, and whether this process still runs. The number of a process does not suffice: the system uses numbers again,
 * each container has numbers of its own, and a shared folder has files of other machines.
 */

import { createHash, randomBytes } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { errorCode } from "./system-error.ts";

/** A process, and the place in which its number is valid. */
export interface ProcessIdentity {
  readonly host: string;
  /** The machine's installation; undefined where the system has no such id. */
  readonly machine: string | undefined;
  /** The kernel's run since it was started; undefined where the system has no such id. */
  readonly boot: string | undefined;
  /** The namespace of process numbers. Each container has one of its own. Undefined where the system has none. */
  readonly namespace: string | undefined;
  readonly pid: number;
  /** When the process started, in clock ticks since the kernel did; undefined where the system has no /proc. */
  readonly started: string | undefined;
}

/**
 * The fields of /proc/PID/stat after the process's name, which may hold spaces. State is field 3 of all, and the first of these; the start
 * time is field 22.
 */
const statFields = { state: 0, started: 22 - 3 } as const;

/** Z is a zombie: a process that has ended, whose parent has not asked for its exit code yet. X is a process that is being removed. */
const endedStates = ["Z", "X"];

const statOf = (text: string): { readonly state: string | undefined; readonly started: string | undefined } => {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { state: fields[statFields.state], started: fields[statFields.started] };
};

const attempt = (read: () => string): string | undefined => {
  try {
    return read().trim() || undefined;
  } catch {
    return undefined;
  }
};

const readText = (path: string): string | undefined => attempt(() => readFileSync(path, "utf8"));

let own: ProcessIdentity | undefined;

/** The identity of this process. */
export function thisProcess(): ProcessIdentity {
  own ??= {
    host: hostname(),
    machine: readText("/etc/machine-id"),
    boot: readText("/proc/sys/kernel/random/boot_id"),
    namespace: attempt(() => readlinkSync("/proc/self/ns/pid")),
    pid: process.pid,
    started: statOf(readText("/proc/self/stat") ?? "").started,
  };
  return own;
}

/**
 * A digest of the place in which a process number is valid. The name of the host counts only where the kernel has no id of its own, because
 * it may change while a process runs.
 */
const placeOf = ({ host, boot, namespace }: ProcessIdentity): string =>
  createHash("sha256")
    .update(JSON.stringify(boot === undefined ? [host] : [boot, namespace]))
    .digest("hex")
    .slice(0, 12);

/** What the name of a file says about the process that made it. */
export interface Owner {
  readonly place: string;
  readonly pid: number;
  readonly started: string | undefined;
}

/** A name that no other file has or will have, and that says which process made it: `<prefix><place>-<pid>-<start>-<random>`. */
export function ownedName(prefix: string): string {
  const identity = thisProcess();
  return `${prefix}${placeOf(identity)}-${identity.pid}-${identity.started ?? 0}-${randomBytes(6).toString("hex")}`;
}

/** The owner of a file that `ownedName` named; undefined for any other name. */
export function ownerOf(prefix: string, name: string): Owner | undefined {
  if (!name.startsWith(prefix)) return undefined;
  const parts = /^([0-9a-f]{12})-([1-9]\d*)-(\d+)-[0-9a-f]{12}$/.exec(name.slice(prefix.length));
  return parts === null ? undefined : { place: parts[1]!, pid: Number(parts[2]), started: parts[3] === "0" ? undefined : parts[3] };
}

/** Whether the owner runs. Undefined for a process of another machine or container, which this process cannot see. */
export async function isRunning({ place, pid, started }: Owner): Promise<boolean | undefined> {
  if (place !== placeOf(thisProcess())) return undefined;
  if (!exists(pid)) return false;
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  // The file is hidden from other users on some systems, and missing on others. It is also missing when the process has just ended.
  if (text === undefined) return exists(pid);
  const stat = statOf(text);
  return !endedStates.includes(stat.state ?? "") && (started === undefined || stat.started === started);
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM means that the process exists and belongs to another user.
    return errorCode(error) !== "ESRCH";
  }
}

/**
 * Whether a process ran on this machine before the machine was started again, so that the process has ended. Copies of a machine have the
 * same id, so the name of the host must be the same too.
 */
export function isOfEarlierBoot({ host, machine, boot }: Partial<ProcessIdentity>): boolean {
  const now = thisProcess();
  if (boot === undefined || now.boot === undefined || machine === undefined) return false;
  return machine === now.machine && host === now.host && boot !== now.boot;
}
