/** What travels through the queue: a run to train one way, what it came to the other. */

import { createHash, randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { errorCode } from "../../../../data/node/system-error.ts";
import { writeFileAtomic } from "../../../../train/node/atomic-file.ts";
import type { RunSummary } from "../run-summary.ts";
import type { SweepRun } from "../sweep-plan.ts";

/** A sweep as its workers know it. */
export interface SweepIdentity {
  /** Of chance, written into the sweep's folder when its first runs are queued. */
  readonly mark: string;
  /** The sweep's folder, as the coordinator sees it. */
  readonly folder: string;
}

export interface RunJob {
  readonly sweep: SweepIdentity;
  readonly run: SweepRun;
}

export interface TrainedRun {
  readonly summary: RunSummary;
  /** `host:path` of a run's folder that is not in the sweep's. */
  readonly elsewhere: string | null;
}

const markName = ".sweep";

/** The identity of the sweep in `folder`, which is given one if it has none. Who calls holds the sweep's lock. */
export async function identify(folder: string): Promise<SweepIdentity> {
  const path = join(folder, markName);
  const found = await readMark(folder);
  const mark = found ?? randomUUID();
  if (found === undefined) await writeFileAtomic(path, `${mark}\n`);
  return { mark, folder: resolve(folder) };
}

async function readMark(folder: string): Promise<string | undefined> {
  try {
    return (await readFile(join(folder, markName), "utf8")).trim();
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "EACCES"].includes(errorCode(error) ?? "")) return undefined;
    throw error;
  }
}

/** Of the sweep and everything the run is decided by: adding a run twice does nothing, and another sweep's is another job. */
export const jobIdOf = ({ mark }: SweepIdentity, { id, preset, explicit }: SweepRun): string =>
  `run-${createHash("sha256")
    .update(JSON.stringify([mark, id, preset, explicit]))
    .digest("hex")
    .slice(0, 32)}`;

export interface Place {
  readonly folder: string;
  /** Whether it is the folder a sweep without Redis would train in: any worker that sees it can go on with the run. */
  readonly shared: boolean;
}

/**
 * Where this machine trains a run. The sweep's own folder where it is seen from here, at the same path or as `own`, which its mark tells;
 * otherwise a folder of this machine's within `own`.
 */
export async function placeOf({ sweep, run }: RunJob, own: string): Promise<Place> {
  for (const folder of [sweep.folder, own])
    if ((await readMark(folder)) === sweep.mark) return { folder: join(folder, "runs", run.id), shared: true };
  return { folder: join(own, `${basename(sweep.folder)}-${sweep.mark.slice(0, 8)}`, "runs", run.id), shared: false };
}
