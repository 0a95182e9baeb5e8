/**
 * The checkpoints of a run, each of which may be lost to one damaged byte:
 *
 *     checkpoint.safetensors        the newest one, from which training continues
 *     checkpoint.1.safetensors      the one before, and so on up to the number of checkpoints that are kept
 *     best.safetensors              the state with the best test accuracy so far
 *     best.copy.safetensors         the same again
 *     checkpoint.damaged.safetensors  the last one that could not be read, if there was one
 */

import { readdir, readFile, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { DataError } from "../../core/errors.ts";
import { linkFile, remove, renameFile, syncFolder } from "../../core/node/files.ts";
import { type ReadOptions, readBytes } from "../../core/node/read-file.ts";
import { errorCode } from "../../core/node/system-error.ts";
import { type Checkpoint, decodeCheckpoint } from "../checkpoint.ts";
import { replaceFile, writeError, writeFileAtomic, writeNewFile } from "./atomic-file.ts";

/** How many checkpoints a run keeps unless it is told otherwise: the newest one and the one before. */
export const defaultKeep = 2;

const names = {
  newest: "checkpoint.safetensors",
  best: "best.safetensors",
  bestCopy: "best.copy.safetensors",
  damaged: "checkpoint.damaged.safetensors",
} as const;

/** The file of a checkpoint. The newest is of age 0, the one before it of age 1. */
const nameOfAge = (age: number): string => (age === 0 ? names.newest : `checkpoint.${age}.safetensors`);

/** The inverse of `nameOfAge`; undefined for any other name. */
const ageOf = (name: string): number | undefined => {
  if (name === names.newest) return 0;
  const age = /^checkpoint\.([1-9]\d{0,5})\.safetensors$/.exec(name)?.[1];
  return age === undefined ? undefined : Number(age);
};

/** A checkpoint of a run from which training can continue. */
export interface FoundCheckpoint {
  readonly checkpoint: Checkpoint;
  /** Why the newest file could not be used; undefined when this is the newest file. */
  readonly insteadOf: string | undefined;
}

export class CheckpointFiles {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  path(which: "checkpoint" | "best"): string {
    return join(this.#folder, which === "best" ? names.best : names.newest);
  }

  /**
   * Writes the newest checkpoint. Those before get older by one, and the oldest beyond `keep` are removed.
   * @throws DataError when it cannot be written. The checkpoint before is then still the newest.
   */
  async write(bytes: Uint8Array, keep: number): Promise<void> {
    await replaceFile(this.path("checkpoint"), async (partial) => {
      // All of the new checkpoint is on the disk before an old one goes.
      await writeNewFile(partial, bytes);
      const ages = await this.#ages();
      for (let age = keep - 1; age > 1; age--) if (ages.includes(age - 1)) await this.#rename(this.#at(age - 1), this.#at(age));
      // The newest one gets a second name instead of another name, so that the run has a checkpoint at every moment.
      if (keep > 1 && ages.includes(0) && !(await this.#isDoubled())) await replaceFile(this.#at(1), (second) => this.#double(second));
    });
    for (const age of await this.#ages()) {
      if (age < keep) continue;
      await remove(this.#at(age)).catch((error: unknown) => {
        throw writeError(this.#at(age), error);
      });
    }
  }

  /** Writes the state with the best test accuracy twice, because no later epoch may reach it again. @throws DataError */
  async writeBest(bytes: Uint8Array): Promise<void> {
    await writeFileAtomic(join(this.#folder, names.best), bytes);
    await writeFileAtomic(join(this.#folder, names.bestCopy), bytes);
  }

  /**
   * The newest checkpoint that is whole, of `epochs` finished epochs at most; undefined when the run has no checkpoint at all.
   * @throws DataError when no checkpoint is whole.
   */
  async findNewest(epochs: number): Promise<FoundCheckpoint | undefined> {
    const newest = await this.#read(names.newest);
    if (newest !== undefined && "checkpoint" in newest) return { checkpoint: newest.checkpoint, insteadOf: undefined };
    const reasons = newest === undefined ? [] : [newest.reason];
    let found: Checkpoint | undefined;
    const older = (await this.#ages()).filter((age) => age > 0).map(nameOfAge);
    for (const name of [...older, names.best, names.bestCopy]) {
      const read = await this.#read(name);
      if (read === undefined) continue;
      if ("reason" in read) reasons.push(read.reason);
      else if (isLater(read.checkpoint, found) && read.checkpoint.training!.progress.epoch <= epochs) found = read.checkpoint;
    }
    if (found !== undefined) return { checkpoint: found, insteadOf: reasons[0] ?? `${this.path("checkpoint")} is missing` };
    if (reasons.length === 0) return undefined;
    throw new DataError(reasons.join(". "));
  }

  /** Makes a checkpoint that `findNewest` found the newest file. A damaged file in its place gets another name. @throws DataError */
  async adopt({ checkpoint, insteadOf }: FoundCheckpoint): Promise<void> {
    if (insteadOf === undefined) return;
    const newest = this.path("checkpoint");
    if ((await this.#ages()).includes(0)) await this.#rename(newest, join(this.#folder, names.damaged));
    if (ageOf(basename(checkpoint.source)) === undefined) await writeFileAtomic(newest, await readFile(checkpoint.source));
    else await this.#rename(checkpoint.source, newest);
  }

  /**
   * Writes whichever of the best checkpoint and its copy is missing or damaged again from the other.
   * @returns what was repaired or lost, as sentences for users.
   * @throws DataError when it cannot be written.
   */
  async repairBest(): Promise<string[]> {
    const [best, copy] = [await this.#read(names.best), await this.#read(names.bestCopy)];
    const isWhole = (read: typeof best): boolean => read !== undefined && "checkpoint" in read;
    if (isWhole(best) === isWhole(copy))
      return best !== undefined && "reason" in best ? [`the best checkpoint is lost: ${best.reason}`] : [];
    const [whole, other] = isWhole(best) ? [names.best, names.bestCopy] : [names.bestCopy, names.best];
    await writeFileAtomic(join(this.#folder, other), await readFile(join(this.#folder, whole)));
    const damage = [best, copy].find((read) => read !== undefined && "reason" in read);
    return damage !== undefined && "reason" in damage ? [`${other} was damaged, and is written again from ${whole}`] : [];
  }

  /** Removes the checkpoints of a run that could not begin. What cannot be removed stays. */
  async discard(): Promise<void> {
    for (const age of await this.#ages()) await remove(this.#at(age)).catch(() => undefined);
  }

  /** The best checkpoint, or its copy with a note when it is damaged. @throws DataError when neither is whole. */
  async readBest(): Promise<Checkpoint> {
    const best = await this.#read(names.best);
    if (best !== undefined && "checkpoint" in best) return best.checkpoint;
    const copy = await this.#read(names.bestCopy);
    if (copy === undefined || "reason" in copy) return readCheckpointFile(this.path("best"));
    const reason = best?.reason ?? `${this.path("best")} is missing`;
    return { ...copy.checkpoint, notes: [...copy.checkpoint.notes, `${reason}. Its copy ${copy.checkpoint.source} is used`] };
  }

  #at(age: number): string {
    return join(this.#folder, nameOfAge(age));
  }

  /** The ages of the checkpoints, the newest first. */
  async #ages(): Promise<number[]> {
    const ages = (await readdir(this.#folder)).map(ageOf).filter((age) => age !== undefined);
    return ages.sort((a, b) => a - b);
  }

  async #rename(path: string, to: string): Promise<void> {
    await renameFile(path, to)
      .then(() => syncFolder(this.#folder))
      .catch((error: unknown) => {
        throw writeError(to, error);
      });
  }

  /** Whether the newest checkpoint has its second name already, as after a write that failed. Renaming one over the other does nothing. */
  async #isDoubled(): Promise<boolean> {
    const [newest, second] = await Promise.all([0, 1].map((age) => stat(this.#at(age), { bigint: true }).catch(() => undefined)));
    return newest !== undefined && newest.ino === second?.ino && newest.dev === second.dev;
  }

  /** Gives the newest checkpoint a second name, or copies it on a disk that cannot give names. */
  async #double(path: string): Promise<void> {
    const newest = this.path("checkpoint");
    try {
      await linkFile(newest, path);
    } catch (error) {
      if (!noLinks.includes(errorCode(error) ?? "")) throw error;
      await writeNewFile(path, await readFile(newest));
    }
  }

  /** @returns undefined when the file is missing. @throws DataError when the system refuses to read it, which says nothing about it. */
  async #read(name: string): Promise<{ readonly checkpoint: Checkpoint } | { readonly reason: string } | undefined> {
    const path = join(this.#folder, name);
    try {
      return { checkpoint: await readCheckpointFile(path) };
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      const code = errorCode(error.cause);
      if (code === "ENOENT") return undefined;
      // A disk reports a damaged sector as EIO.
      if (code !== undefined && code !== "EIO") throw error;
      return { reason: error.message };
    }
  }
}

/** Systems refuse a second name with these codes. */
const noLinks: readonly string[] = ["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK", "EINVAL"];

/** Whether `a` has a state of training, and a later one than `b`. */
function isLater({ training: a }: Checkpoint, b: Checkpoint | undefined): boolean {
  if (a === undefined || b?.training === undefined) return a !== undefined;
  const [now, before] = [a.progress, b.training.progress];
  return now.epoch > before.epoch || (now.epoch === before.epoch && now.step > before.step);
}

/** What errors say of a file of a run that cannot be read. */
export const reading: ReadOptions = { op: "run", remedy: "name a run or a checkpoint that train has written" };

/** Reads a checkpoint from any file. @throws DataError when the file is missing, truncated or corrupted. */
export const readCheckpointFile = async (path: string): Promise<Checkpoint> => decodeCheckpoint(await readBytes(path, reading), path);
