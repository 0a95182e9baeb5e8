/** A worker of sweeps. It takes runs from the queue, trains each in a process of its own, and sends the results back. */

import { access } from "node:fs/promises";
import { hostname } from "node:os";
import { resolve } from "node:path";
import type { Job } from "bullmq";
import { DataError, SeparableError } from "../../../../core/errors.ts";
import { smallest } from "../../../../core/extent.ts";
import { errorCode } from "../../../../core/node/system-error.ts";
import { visible } from "../../../../core/quote.ts";
import type { EpochMetrics } from "../../../../train/progress.ts";
import { openRun, type RunSummary, summarise } from "../run-summary.ts";
import type { SweepRun } from "../sweep-run.ts";
import { trainInProcess } from "../train-process.ts";
import { type CheckedJob, checkJob } from "./check-job.ts";
import { closeAll, queueName, type RedisServer } from "./connection.ts";
import { placeOf, type RunJob, type TrainedRun } from "./run-job.ts";

/** What a worker reports while it works. */
export interface WorkerObserver {
  /** The worker is connected and waits for runs. */
  ready(): void;
  runBegins(run: SweepRun, folder: string): void;
  epoch(run: SweepRun, metrics: EpochMetrics): void;
  runEnds(run: SweepRun, summary: RunSummary): void;
  runFails(run: SweepRun, error: Error): void;
  /** The run has been saved and is left to another worker. */
  runGivenBack(run: SweepRun): void;
  /** No coordinator would add this job, so it is not trained. Default: nothing is said. */
  jobRefused?(jobId: string, error: Error): void;
}

export interface WorkerOptions {
  /** The folder for runs of sweeps whose own folder this machine cannot read. */
  readonly out: string;
  /** How many runs are trained at a time. */
  readonly jobs: number;
  /** Threads of each run. */
  readonly threads: number;
  /** The path of the program `separable` (`dist/cli/main.js`). */
  readonly program: string;
  /** Seconds that one try of any run may take here. A job may ask for less. Default: no limit. */
  readonly timeLimit?: number | undefined;
  /** Seconds after which a worker that renews no lock counts as dead. */
  readonly silence: number;
  readonly signal: AbortSignal;
  readonly observer: WorkerObserver;
}

/**
 * How often a run may lose its worker. A killed worker is no failure of the run, but a run that kills every worker must end at some time.
 */
const maxStalledCount = 100;

/**
 * Works until `signal` is aborted. The worker then saves its runs and gives them back.
 *
 * @returns whether all connections were closed. If not, Redis does not answer, and the connection may keep the process alive.
 */
export async function workForSweeps(server: RedisServer, options: WorkerOptions): Promise<boolean> {
  const { bullmq, connection, onError, leave } = server;
  const { jobs, silence, signal, observer } = options;
  const lockDuration = silence * 1000;
  const locks = new LockWatch(lockDuration);
  const training = new Set<Promise<TrainedRun>>();
  const train = (job: Job<RunJob, TrainedRun>, token?: string): Promise<TrainedRun> => {
    const run = trainUnderLock(job, token).finally(() => training.delete(run));
    training.add(run);
    return run;
  };
  const trainUnderLock = async (job: Job<RunJob, TrainedRun>, token?: string): Promise<TrainedRun> => {
    const checked = await checkJob(job.data, job.id!).catch((error: unknown) => {
      if (!(error instanceof SeparableError)) throw error;
      observer.jobRefused?.(visible(job.id!), error);
      // Another try would end in the same way.
      throw new bullmq.UnrecoverableError(error.message);
    });
    const lost = locks.watch(job.id!);
    try {
      return await trainJob(job, checked, AbortSignal.any([signal, lost]), options);
    } catch (error) {
      if (!signal.aborted && !lost.aborted) throw error;
      // A run whose lock is lost belongs to another worker already.
      if (!lost.aborted) await job.moveToWait(token).catch(onError);
      observer.runGivenBack(checked.run);
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
  observer.ready();
  if (!signal.aborted) await new Promise((resume) => signal.addEventListener("abort", resume, { once: true }));
  // When Redis does not answer, the runs cannot be given back. Their locks expire, which has the same effect.
  leave();
  await worker.pause(true);
  await Promise.allSettled(training);
  return closeAll([worker.close()]);
}

async function trainJob(
  job: Job<RunJob, TrainedRun>,
  { sweep, run, timeLimit }: CheckedJob,
  signal: AbortSignal,
  options: WorkerOptions,
): Promise<TrainedRun> {
  const { threads, program, observer } = options;
  const limits = [timeLimit, options.timeLimit].filter((limit) => limit !== undefined);
  const { root, folder, shared } = await placeOf({ sweep, run }, options.out);
  observer.runBegins(run, folder);
  try {
    await checkTeacher(run);
    let reported: Promise<unknown> = Promise.resolve();
    const onEpoch = (metrics: EpochMetrics): void => {
      observer.epoch(run, metrics);
      // The reports are sent one after another, before the result of the run. A worker that has lost the job ignores the refusal.
      reported = reported.then(() => job.updateProgress({ ...metrics })).catch(() => undefined);
    };
    await trainInProcess(run, folder, {
      root,
      signal,
      threads,
      program,
      timeLimit: limits.length === 0 ? undefined : smallest(limits),
      onEpoch,
    });
    // A worker that is cut off from Redis cannot report. It stops waiting when its lock is lost, and says nothing of an end.
    await Promise.race([reported, untilAborted(signal)]);
    signal.throwIfAborted();
    const summary = summarise(await openRun(folder));
    observer.runEnds(run, summary);
    return { summary, elsewhere: shared ? null : `${hostname()}:${resolve(folder)}` };
  } catch (error) {
    if (!signal.aborted && error instanceof Error) observer.runFails(run, error);
    throw error;
  }
}

const untilAborted = (signal: AbortSignal): Promise<unknown> =>
  new Promise((resolve) => (signal.aborted ? resolve(undefined) : signal.addEventListener("abort", resolve, { once: true })));

/** @throws DataError when the teacher of the run is not on this machine. */
async function checkTeacher({ id, settings: { teacher } }: SweepRun): Promise<void> {
  if (teacher === undefined) return;
  await access(teacher).catch((error: unknown) => {
    throw new DataError(
      `sweep: the teacher of ${id} must be on every worker's machine at ${teacher}, ` +
        `got ${errorCode(error)} on ${hostname()}; copy it there`,
      { cause: error },
    );
  });
}

/** Watches the locks of the jobs. A job whose lock was not renewed in time may belong to another worker, although Redis cannot say so. */
class LockWatch {
  readonly #duration: number;
  readonly #jobs = new Map<string, { readonly controller: AbortController; readonly timer: NodeJS.Timeout }>();

  constructor(duration: number) {
    this.#duration = duration;
  }

  /** A signal that is aborted when the lock of the job is lost. */
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
