/** The data in the queue: a run to train goes to a worker, and the results come back. */

import { createHash, randomUUID } from "node:crypto";
import { lstat, readFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { errorCode } from "../../../../core/node/system-error.ts";
import { writeFileAtomic } from "../../../../train/node/atomic-file.ts";
import type { RunSummary } from "../run-summary.ts";
import type { SweepRun } from "../sweep-run.ts";

/** Identifies a sweep to its workers. */
export interface SweepIdentity {
  /** A random text, which is written into the folder of the sweep when its first runs are queued. */
  readonly mark: string;
  /** The path of the sweep's folder on the machine of the coordinator. */
  readonly folder: string;
}

/** What a job asks for. */
export interface RunJob {
  readonly sweep: SweepIdentity;
  readonly run: Pick<SweepRun, "id" | "preset" | "explicit">;
  /** Seconds that one try may take. */
  readonly timeLimit?: number;
}

export interface TrainedRun {
  readonly summary: RunSummary;
  /** `host:path` of a run whose folder is not in the folder of the sweep; null for any other run. */
  readonly elsewhere: string | null;
}

const markName = ".sweep";

/** The identity of the sweep in `folder`. A folder without one gets one. The caller must hold the lock of the sweep. */
export async function identify(folder: string): Promise<SweepIdentity> {
  const path = join(folder, markName);
  const found = await readMark(folder);
  const mark = found ?? randomUUID();
  if (found === undefined) await writeFileAtomic(path, `${mark}\n`);
  return { mark, folder: resolve(folder) };
}

/** The mark of a folder; undefined where there is none. A job may name any folder, so only a small file is read. */
async function readMark(folder: string): Promise<string | undefined> {
  const path = join(folder, markName);
  try {
    const found = await lstat(path);
    return found.isFile() && found.size <= 100 ? (await readFile(path, "utf8")).trim() : undefined;
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "EACCES", "ENAMETOOLONG", "ELOOP"].includes(errorCode(error) ?? "")) return undefined;
    throw error;
  }
}

/**
 * The id of a run's job: a hash of the sweep and of everything that decides the run. Adding a run twice therefore makes one job, and equal
 * runs of two sweeps make two.
 */
export const jobIdOf = ({ mark }: SweepIdentity, { id, preset, explicit }: RunJob["run"]): string =>
  `run-${createHash("sha256")
    .update(JSON.stringify([mark, id, preset, explicit]))
    .digest("hex")
    .slice(0, 32)}`;

export interface Place {
  /** The folder that no link in the path of `folder` leads out of. */
  readonly root: string;
  readonly folder: string;
  /** Whether this is the folder that a sweep without Redis would use. Any worker that can read it can resume the run. */
  readonly shared: boolean;
}

/**
 * The folder in which this machine trains a run. It lies in the folder of the sweep, if that folder, known by its mark, is at the path of
 * the coordinator or at `own`. Otherwise it is a folder of this machine within `own`.
 */
export async function placeOf({ sweep, run }: RunJob, own: string): Promise<Place> {
  for (const root of [sweep.folder, own])
    if ((await readMark(root)) === sweep.mark) return { root, folder: join(root, "runs", run.id), shared: true };
  const folder = join(own, `${basename(sweep.folder)}-${sweep.mark.slice(0, 8)}`, "runs", run.id);
  return { root: own, folder, shared: false };
}
