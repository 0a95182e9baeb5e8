/** Leaves the runs of a sweep to workers: adds the runs to a BullMQ queue, and collects the results. */

import type { Queue, QueueEvents } from "bullmq";
import { DataError } from "../../../../core/errors.ts";
import { visible } from "../../../../core/quote.ts";
import { metricsIn } from "../reported-epoch.ts";
import { defaultTries, type RunLimits } from "../run-limits.ts";
import { runFolderOf, type SweepEngine, type SweepWork } from "../run-sweep.ts";
import type { SweepRun } from "../sweep-run.ts";
import { checkTrained, refuseWrites } from "./check-job.ts";
import { closeAll, queueName, type RedisServer } from "./connection.ts";
import { identify, jobIdOf, type RunJob, type SweepIdentity, type TrainedRun } from "./run-job.ts";

/** Milliseconds between two looks at the queue. A look finds what no event reports: jobs that Redis itself has lost. */
const betweenLooks = 30_000;

/** How many jobs Redis is asked about at a time. */
const batch = 1000;

export const redisEngine =
  (server: RedisServer, onNote: (note: string) => void, limits: RunLimits = {}): SweepEngine =>
  async (work) => {
    const { bullmq, address, connection, onError, leave } = server;
    const queue: RunQueue = new bullmq.Queue(queueName(), { connection });
    queue.on("error", onError);
    let events: QueueEvents | undefined;
    try {
      for (const run of work.waiting) refuseWrites(run);
      const collection = new Collection(queue, await identify(work.out), work, limits);
      await collection.tidy();
      // Events are read from here on: before the first job of this session, and after the events of earlier sessions.
      const lastEventId = await (await queue.client).xadd(queue.toKey("events"), "*", { event: "coordinator" });
      await collection.look();
      if (collection.size > 0 && (await queue.getWorkersCount()) === 0)
        onNote(`no worker is connected yet; start some, here or elsewhere: separable sweep-worker --redis ${address}`);
      events = new bullmq.QueueEvents(queueName(), { connection, lastEventId });
      events.on("error", onError);
      await collection.collect(events, onNote);
    } finally {
      leave();
      await closeAll([queue.disconnect(), events?.close()]);
    }
  };

type RunQueue = Queue<RunJob, TrainedRun, string, RunJob, TrainedRun, string>;

/**
 * The runs that have no line yet, by the ids of their jobs. A job stays in Redis until its line is written. A sweep can therefore be
 * stopped or killed at any time: when it is begun again, it finds its jobs and their results.
 */
class Collection {
  readonly #queue: RunQueue;
  readonly #sweep: SweepIdentity;
  readonly #work: SweepWork;
  readonly #limits: RunLimits;
  readonly #open: Map<string, SweepRun>;
  readonly #settling = new Set<string>();

  constructor(queue: RunQueue, sweep: SweepIdentity, work: SweepWork, limits: RunLimits) {
    this.#limits = limits;
    this.#queue = queue;
    this.#sweep = sweep;
    this.#work = work;
    this.#open = new Map(work.waiting.map((run) => [jobIdOf(sweep, run), run]));
  }

  /** The number of runs without a line. */
  get size(): number {
    return this.#open.size;
  }

  /** Removes jobs that an earlier session left: jobs whose line is written, and failed jobs, which are tried again. */
  async tidy(): Promise<void> {
    await inBatches(this.#work.finished, (run) => this.#queue.remove(jobIdOf(this.#sweep, run)));
    await inBatches([...this.#open], async ([jobId, run]) => {
      const state = await this.#queue.getJobState(jobId);
      if (state === "failed") await this.#queue.remove(jobId);
      if (state === "active") this.#work.runBegins(run);
    });
  }

  /** Resolves when every run has ended. @throws the reason of the signal when it is aborted. */
  async collect(events: QueueEvents, onNote: (note: string) => void): Promise<void> {
    const { signal, runBegins, epoch } = this.#work;
    signal.throwIfAborted();
    let timer: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        const until = (some: Promise<void>): void => void some.then(() => this.#open.size === 0 && resolve(), reject);
        const tell = (jobId: string, what: (run: SweepRun) => void): void => {
          const run = this.#open.get(jobId);
          if (run !== undefined) what(run);
        };
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
        events.on("active", ({ jobId }) => tell(jobId, runBegins));
        events.on("progress", ({ jobId, data }) =>
          tell(jobId, (run) => {
            const metrics = metricsIn(data);
            if (metrics !== undefined) epoch(run, metrics);
          }),
        );
        events.on("stalled", ({ jobId }) =>
          tell(jobId, ({ id }) => onNote(`the worker of ${id} no longer renews its lock; another worker gets the run`)),
        );
        events.on("completed", ({ jobId }) => until(this.#settle(jobId)));
        events.on("failed", ({ jobId }) => until(this.#settle(jobId)));
        timer = setInterval(() => until(this.look()), betweenLooks);
        if (this.#open.size === 0) resolve();
      });
    } finally {
      clearInterval(timer);
    }
  }

  /** Adds the runs that Redis does not know, and collects the results of those that have ended. */
  async look(): Promise<void> {
    const { tries = defaultTries, timeLimit } = this.#limits;
    const limit = timeLimit === undefined ? {} : { timeLimit };
    await inBatches([...this.#open], async ([jobId, run]) => {
      const { id, preset, explicit } = run;
      const job: RunJob = { sweep: this.#sweep, run: { id, preset, explicit }, ...limit };
      const state = await this.#queue.getJobState(jobId);
      if (state === "unknown") await this.#queue.add(id, job, { jobId, attempts: tries });
      if (state === "completed" || state === "failed") await this.#settle(jobId);
    });
  }

  /** Writes the line of a job that has ended, and then removes the job from the queue. */
  async #settle(jobId: string): Promise<void> {
    const run = this.#open.get(jobId);
    // An event and a look may both find the same job.
    if (run === undefined || this.#settling.has(jobId)) return;
    this.#settling.add(jobId);
    try {
      const job = await this.#queue.getJob(jobId);
      const state = await job?.getState();
      if (job === undefined || (state !== "completed" && state !== "failed")) return;
      if (state === "completed") {
        await this.#collect(run, job.returnvalue);
      } else this.#work.runFails(run, new DataError(visible(String(job.failedReason), 2000)));
      await this.#queue.remove(jobId);
      this.#open.delete(jobId);
    } finally {
      this.#settling.delete(jobId);
    }
  }

  /** Writes the line of a run. A run whose result is not valid has failed. */
  async #collect(run: SweepRun, returned: unknown): Promise<void> {
    let trained: TrainedRun;
    try {
      trained = checkTrained(returned, run);
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      this.#work.runFails(run, error);
      return;
    }
    const { summary, elsewhere } = trained;
    await this.#work.runEnds({ ...summary, id: run.id, run: elsewhere ?? runFolderOf(this.#work.out, run) });
  }
}

/** Does something with each of many jobs, some at a time. */
async function inBatches<T>(jobs: readonly T[], act: (job: T) => Promise<unknown>): Promise<void> {
  for (let start = 0; start < jobs.length; start += batch) await Promise.all(jobs.slice(start, start + batch).map(act));
}
