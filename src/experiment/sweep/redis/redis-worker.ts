/** A worker of sweeps: takes runs from the queue, trains each in a process of its own, and sends back what it came to. */

import { access } from "node:fs/promises";
import { hostname } from "node:os";
import { resolve } from "node:path";
import type { Job } from "bullmq";
import { DataError } from "../../../core/errors.ts";
import { errorCode } from "../../../data/node/system-error.ts";
import type { EpochMetrics } from "../../../train/trainer.ts";
import { loadFamilies } from "../../node/load-family.ts";
import { openRun, type RunSummary, summarise } from "../run-summary.ts";
import type { SweepRun } from "../sweep-plan.ts";
import { trainInProcess } from "../train-process.ts";
import { closeAll, queueName, type RedisServer } from "./connection.ts";
import { placeOf, type RunJob, type TrainedRun } from "./run-job.ts";

export interface WorkerReporter {
  /** Connected, and waiting for runs. */
  ready(): void;
  runBegins(run: SweepRun, folder: string): void;
  epoch(run: SweepRun, metrics: EpochMetrics): void;
  runEnds(run: SweepRun, summary: RunSummary): void;
  runFails(run: SweepRun, error: Error): void;
  /** The run is saved, and somebody else's. */
  runGivenBack(run: SweepRun): void;
}

export interface WorkerOptions {
  /** For runs of sweeps whose own folder is not seen from here. */
  readonly out: string;
  readonly jobs: number;
  readonly threads: number;
  /** Seconds without a sign of life after which a worker is taken for dead. */
  readonly silence: number;
  readonly signal: AbortSignal;
  readonly reporter: WorkerReporter;
}

/** A worker that is killed is no failure of the run; but a run that kills every worker must end some time. */
const maxStalledCount = 100;

/**
 * Works until `signal` is aborted: then saves its runs and gives them back.
 * @returns whether the queue was left in good order; if not, Redis is gone, and something of the connection may keep the process alive.
 */
export async function workForSweeps({ bullmq, connection, onError, leave }: RedisServer, options: WorkerOptions): Promise<boolean> {
  const { jobs, silence, signal, reporter } = options;
  const lockDuration = silence * 1000;
  const locks = new LockWatch(lockDuration);
  const training = new Set<Promise<TrainedRun>>();
  const train = (job: Job<RunJob, TrainedRun>, token?: string): Promise<TrainedRun> => {
    const run = trainUnderLock(job, token).finally(() => training.delete(run));
    training.add(run);
    return run;
  };
  const trainUnderLock = async (job: Job<RunJob, TrainedRun>, token?: string): Promise<TrainedRun> => {
    const lost = locks.watch(job.id!);
    try {
      return await trainJob(job, AbortSignal.any([signal, lost]), options);
    } catch (error) {
      if (!signal.aborted && !lost.aborted) throw error;
      // Where the lock is lost the run is somebody else's already.
      if (!lost.aborted) await job.moveToWait(token).catch(onError);
      reporter.runGivenBack(job.data.run);
      throw new bullmq.WaitingError();
    } finally {
      locks.forget(job.id!);
    }
  };
  const worker = new bullmq.Worker<RunJob, TrainedRun>(queueName(), train, {
    connection,
    concurrency: jobs,
    lockDuration,
    stalledInterval: lockDuration / 2,
    maxStalledCount,
  });
  worker.on("error", onError);
  worker.on("locksRenewed", ({ jobIds }) => locks.renew(jobIds));
  worker.on("lockRenewalFailed", (jobIds) => locks.lose(jobIds));
  await worker.waitUntilReady();
  reporter.ready();
  if (!signal.aborted) await new Promise((resume) => signal.addEventListener("abort", resume, { once: true }));
  // Where Redis is gone nothing can be given back; the locks expire, and that comes to the same.
  leave();
  await worker.pause(true);
  await Promise.allSettled(training);
  return closeAll([worker.close()]);
}

async function trainJob(job: Job<RunJob, TrainedRun>, signal: AbortSignal, options: WorkerOptions): Promise<TrainedRun> {
  const { run } = job.data;
  const { threads, reporter } = options;
  const { folder, shared } = await placeOf(job.data, options.out);
  reporter.runBegins(run, folder);
  try {
    await checkTeacher(run);
    // The run comes from a queue, and a module in its text would be a program of somebody else's.
    await loadFamilies(run.settings.conv, { modules: "refuse" });
    let told: Promise<unknown> = Promise.resolve();
    const onEpoch = (metrics: EpochMetrics): void => {
      reporter.epoch(run, metrics);
      // One after another, and before the run's end. Who has lost the job has nobody to tell.
      told = told.then(() => job.updateProgress({ ...metrics })).catch(() => undefined);
    };
    await trainInProcess(run, folder, { signal, threads, onEpoch });
    await told;
    const summary = summarise(await openRun(folder));
    reporter.runEnds(run, summary);
    return { summary, elsewhere: shared ? null : `${hostname()}:${resolve(folder)}` };
  } catch (error) {
    if (!signal.aborted && error instanceof Error) reporter.runFails(run, error);
    throw error;
  }
}

/** @throws DataError when the run's teacher is not on this machine. */
async function checkTeacher({ id, settings: { teacher } }: SweepRun): Promise<void> {
  if (teacher === undefined) return;
  await access(teacher).catch((error: unknown) => {
    throw new DataError(
      `sweep: the teacher of ${id} must be on every worker's machine at ${teacher}, got ${errorCode(error)} on ${hostname()}; copy it there`,
      { cause: error },
    );
  });
}

/** Knows which jobs are still this worker's: one whose lock was not renewed in time may be another's, though Redis cannot say so. */
class LockWatch {
  readonly #duration: number;
  readonly #jobs = new Map<string, { readonly controller: AbortController; readonly timer: NodeJS.Timeout }>();

  constructor(duration: number) {
    this.#duration = duration;
  }

  /** A signal that is aborted when the job's lock is lost. */
  watch(jobId: string): AbortSignal {
    const controller = new AbortController();
    const timer = setTimeout(
      () => controller.abort(new DataError(`sweep: the lock of ${jobId} must be renewed, got no answer in time`)),
      this.#duration,
    );
    this.#jobs.set(jobId, { controller, timer });
    return controller.signal;
  }

  renew(jobIds: readonly string[]): void {
    for (const jobId of jobIds) this.#jobs.get(jobId)?.timer.refresh();
  }

  lose(jobIds: readonly string[]): void {
    for (const jobId of jobIds) this.#jobs.get(jobId)?.controller.abort(new DataError(`sweep: the lock of ${jobId} is another worker's`));
  }

  forget(jobId: string): void {
    clearTimeout(this.#jobs.get(jobId)?.timer);
    this.#jobs.delete(jobId);
  }
}
