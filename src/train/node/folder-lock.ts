/**
 * A lock that lets one process at a time write to a folder.
 *
 * Node cannot ask the operating system for a lock of a file, so the lock is made of files. Each process that wants the lock puts a file of
 * its own into the folder, its announcement, and only then reads the names in the folder. It has the lock when it sees no announcement of
 * another process that may run. Otherwise it removes its own announcement, or waits.
 *
 * Two processes never have the lock at once. Suppose that A and B both have it. Each made its announcement before it read the folder. If
 * A's reading did not show B's announcement, B made it after A began to read, so after A had made its own. Then B's reading began when A's
 * announcement was there, and a reading shows every name that is there from its beginning to its end. So B saw it.
 *
 * An announcement is never taken over. Its name is random and is used once, and says which process made it. So an announcement whose
 * process has ended is void for ever. A process that sees it may remove it at any later time, and cannot remove another announcement
 * instead. Locks with one fixed name fail here: between the look at a stale lock and its removal, another process may have made a new lock.
 *
 * Of several processes that announce at once, the one with the first name stays, and waits until the others have withdrawn. The others
 * withdraw when they see it, and try again. So one of them gets the lock.
 *
 * Whether a process runs can be told within one place only, which is a container or a machine without containers. An announcement of
 * another place keeps its lock until its process removes it, or a person does. The exception is an announcement that this machine made
 * before it was started again.
 *
 * The argument needs a folder that shows a new name to all readers at once. Local disks do this. NFS does it between machines, since a
 * machine that creates a name forgets what it knew about the folder. Services that copy folders between machines, such as Dropbox, do not.
 */

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError } from "../../core/errors.ts";
import { OutputFile, remove } from "../../core/node/files.ts";
import {
  isOfEarlierBoot,
  isRunning,
  type Owner,
  ownedName,
  ownerOf,
  type ProcessIdentity,
  thisProcess,
} from "../../core/node/process-identity.ts";
import { errorCode } from "../../core/node/system-error.ts";
import { quote } from "../../core/quote.ts";
import { writeError } from "./atomic-file.ts";

const prefix = ".lock-";

/** Versions before this one wrote a lock of this name, which did not say on which machine its process ran. */
const formerName = ".lock";

/** The line that an announcement gets when its process has the lock. */
const heldMark = "held";

/** How often a process looks again while others try to get the lock, and the longest pause between two looks. */
const patience = { looks: 400, milliseconds: 10 } as const;

/** Whether a name in a folder is one of a lock. */
export const isLockName = (name: string): boolean => name === formerName || name.startsWith(prefix);

/** An announcement of another process that may run. */
interface Rival {
  readonly name: string;
  readonly held: boolean;
  /** Its process in words. */
  readonly who: string;
  /** What the user must do when the process has ended, although this process cannot see that; undefined when it can. */
  readonly remedy: string | undefined;
}

/**
 * Takes the lock of `folder`, which holds until the returned function is called or this process ends.
 * @throws ConfigError when another process has the lock, DataError when the folder cannot be written.
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  // A lock that is held is refused before anything is written.
  let rival = firstOf(await rivalsIn(folder, ""));
  for (let looks = 0; looks < patience.looks && rival?.held !== true; ) {
    const own = await announce(folder);
    try {
      // The first of those that try stays until the others have withdrawn. Any other withdraws at once.
      do {
        rival = firstOf(await rivalsIn(folder, own.name));
        if (rival === undefined) return await hold(own);
        if (rival.held) break;
        if (rival.name > own.name) await pause();
      } while (++looks < patience.looks && rival.name > own.name);
    } catch (error) {
      await withdraw(own).catch(() => undefined);
      throw writeError(join(folder, own.name), error);
    }
    await withdraw(own).catch((error: unknown) => {
      throw writeError(join(folder, own.name), error);
    });
    // It tries again when the others have the lock or have withdrawn: as long as one of them announces itself, the first is never alone.
    for (let other: Rival | undefined = rival; other !== undefined && !rival.held && ++looks < patience.looks; ) {
      await pause();
      other = firstOf(await rivalsIn(folder, ""));
      rival = other ?? rival;
    }
  }
  const { name, who, remedy } = rival!;
  throw new ConfigError(
    `lock: ${folder} is being written by ${who}; wait for it or stop it` +
      (remedy === undefined ? "" : `. ${remedy} delete ${join(folder, name)}`),
  );
}

/** The process that has the lock of `folder` or tries to get it, in words; undefined when no process may. */
export async function lockHolder(folder: string): Promise<string | undefined> {
  return firstOf(await rivalsIn(folder, ""))?.who;
}

interface Announcement {
  readonly name: string;
  readonly file: OutputFile;
}

async function announce(folder: string): Promise<Announcement> {
  const name = ownedName(prefix);
  let file: OutputFile | undefined;
  try {
    file = await OutputFile.create(join(folder, name));
    await file.write(`${JSON.stringify({ ...thisProcess(), since: new Date().toISOString() } satisfies LockRecord)}\n`);
    return { name, file };
  } catch (error) {
    await file?.close();
    await remove(join(folder, name)).catch(() => undefined);
    throw writeError(join(folder, name), error);
  }
}

async function hold({ file }: Announcement): Promise<() => Promise<void>> {
  await file.write(`${heldMark}\n`);
  // After a power failure, the content says that the machine was started again.
  await file.sync();
  await file.close();
  // An announcement that cannot be removed is void when this process ends, so the work under the lock has not failed.
  return () => remove(file.path).catch(() => undefined);
}

async function withdraw({ file }: Announcement): Promise<void> {
  await file.close();
  await remove(file.path);
}

/** The one that has the lock, or else the first by name. */
const firstOf = (rivals: readonly Rival[]): Rival | undefined => rivals.find(({ held }) => held) ?? rivals[0];

/** The announcements of others, in the order of their names. Those whose process has ended are removed. */
async function rivalsIn(folder: string, own: string): Promise<Rival[]> {
  const names = await readdir(folder).catch((error: unknown): string[] => {
    if (errorCode(error) === "ENOENT") return [];
    throw writeError(folder, error);
  });
  const rivals: Rival[] = [];
  for (const name of names.sort()) {
    if (!isLockName(name) || name === own) continue;
    const path = join(folder, name);
    const rival = await judge(path, name);
    // An announcement that cannot be removed is void all the same.
    if (rival === "void") await remove(path).catch(() => undefined);
    else if (rival !== undefined) rivals.push(rival);
  }
  return rivals;
}

/** The content of an announcement. */
interface LockRecord extends ProcessIdentity {
  /** The time of the announcement, by ISO 8601. */
  readonly since: string;
}

/** @returns "void" when its process has ended, undefined when the announcement has gone. */
async function judge(path: string, name: string): Promise<Rival | "void" | undefined> {
  const owner = ownerOf(prefix, name);
  // The name alone says whether a process of this place runs, so damaged content does no harm.
  const running = owner && (await isRunning(owner));
  if (running === false) return "void";
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    text = "";
  }
  const record = readRecord(text);
  if (running === undefined && isOfEarlierBoot(record)) return "void";
  const held = owner === undefined || text.split("\n")[1] === heldMark;
  if (running) return { name, held, who: `process ${owner!.pid}`, remedy: undefined };
  const remedy = "This process cannot see whether that one runs. If it has ended,";
  return { name, held, who: describe(owner, record, text), remedy };
}

function readRecord(text: string): Partial<LockRecord> {
  try {
    const value: unknown = JSON.parse(text.split("\n")[0]!);
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}

/** The process of an announcement that was not made in this place. */
function describe(owner: Owner | undefined, { host, boot, since, pid }: Partial<LockRecord>, text: string): string {
  if (owner === undefined) {
    const named = typeof pid === "number" ? `process ${pid}` : "an unknown process";
    return `${named}, by a lock that does not say on which machine: ${quote(text, 60)}`;
  }
  if (typeof host !== "string" || typeof since !== "string") return `process ${owner.pid} of another machine or container`;
  const place = boot === thisProcess().boot && boot !== undefined ? `another container of this machine, ${host},` : `the machine ${host}`;
  return `process ${owner.pid} of ${place} since ${since}`;
}

/** A random time, so that processes that try at once do not try at once again. */
const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, Math.random() * patience.milliseconds));
