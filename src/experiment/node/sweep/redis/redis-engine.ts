/** A sweep by workers: its runs are jobs of a BullMQ queue, added here, trained elsewhere, and collected here. */

import type { Queue, QueueEvents } from "bullmq";
import { DataError } from "../../../../core/errors.ts";
import type { EpochMetrics } from "../../../../train/trainer.ts";
import { runFolderOf, type SweepEngine, type SweepWork } from "../run-sweep.ts";
import type { SweepRun } from "../sweep-plan.ts";
import { closeAll, queueName, type RedisServer } from "./connection.ts";
import { identify, jobIdOf, type RunJob, type SweepIdentity, type TrainedRun } from "./run-job.ts";

/** How often a run may fail; a worker that is killed is no failure of the run. The second time it may meet another machine. */
const attempts = 2;

/** Events tell what happens. A look finds what they cannot tell: what Redis itself has forgotten. */
const betweenLooks = 30_000;

export const redisEngine =
  ({ bullmq, address, connection, onError, leave }: RedisServer, onNote: (note: string) => void): SweepEngine =>
  async (work) => {
    const queue: RunQueue = new bullmq.Queue(queueName(), { connection });
    queue.on("error", onError);
    let events: QueueEvents | undefined;
    try {
      const collection = new Collection(queue, await identify(work.out), work);
      await collection.tidy();
      // Where the events begin that are ours to hear: before our first job, and after whatever was told to another session.
      const lastEventId = await (await queue.client).xadd(queue.toKey("events"), "*", { event: "coordinator" });
      await collection.look();
      if (collection.size > 0 && (await queue.getWorkersCount()) === 0)
        onNote(`no worker is there yet; start some, here or elsewhere: separable sweep-worker --redis ${address}`);
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
 * The runs that have no line yet, by the ids of their jobs. A job stays in Redis until its line is written, so a sweep may be left, or killed, at
 * any time: who begins it again finds the jobs it added, and what became of them.
 */
class Collection {
  readonly #queue: RunQueue;
  readonly #sweep: SweepIdentity;
  readonly #work: SweepWork;
  readonly #open: Map<string, SweepRun>;
  readonly #settling = new Set<string>();

  constructor(queue: RunQueue, sweep: SweepIdentity, work: SweepWork) {
    this.#queue = queue;
    this.#sweep = sweep;
    this.#work = work;
    this.#open = new Map(work.waiting.map((run) => [jobIdOf(sweep, run), run]));
  }

  /** Runs still open. */
  get size(): number {
    return this.#open.size;
  }

  /** Takes away what another session left: jobs that have their line, and failures, which are to be tried again. */
  async tidy(): Promise<void> {
    await Promise.all([
      ...this.#work.finished.map((run) => this.#queue.remove(jobIdOf(this.#sweep, run))),
      ...[...this.#open].map(async ([jobId, run]) => {
        const state = await this.#queue.getJobState(jobId);
        if (state === "failed") await this.#queue.remove(jobId);
        if (state === "active") this.#work.runBegins(run);
      }),
    ]);
  }

  /** Resolves when every run has ended. @throws the signal's reason when stopped. */
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
        events.on("progress", ({ jobId, data }) => tell(jobId, (run) => epoch(run, data as EpochMetrics)));
        events.on("stalled", ({ jobId }) => tell(jobId, ({ id }) => onNote(`the worker of ${id} has fallen silent; its run is given on`)));
        events.on("completed", ({ jobId }) => until(this.#settle(jobId)));
        events.on("failed", ({ jobId }) => until(this.#settle(jobId)));
        timer = setInterval(() => until(this.look()), betweenLooks);
        if (this.#open.size === 0) resolve();
      });
    } finally {
      clearInterval(timer);
    }
  }

  /** Adds the runs Redis does not know, settles those that have ended. */
  async look(): Promise<void> {
    await Promise.all(
      [...this.#open].map(async ([jobId, run]) => {
        const state = await this.#queue.getJobState(jobId);
        if (state === "unknown") await this.#queue.add(run.id, { sweep: this.#sweep, run }, { jobId, attempts });
        if (state === "completed" || state === "failed") await this.#settle(jobId);
      }),
    );
  }

  /** Writes the line of a job that has ended, and then takes it out of the queue. */
  async #settle(jobId: string): Promise<void> {
    const run = this.#open.get(jobId);
    // An event and a look may both find it.
    if (run === undefined || this.#settling.has(jobId)) return;
    this.#settling.add(jobId);
    try {
      const job = await this.#queue.getJob(jobId);
      const state = await job?.getState();
      if (job === undefined || (state !== "completed" && state !== "failed")) return;
      if (state === "completed") {
        const { summary, elsewhere } = job.returnvalue;
        await this.#work.runEnds({ id: run.id, ...summary, run: elsewhere ?? runFolderOf(this.#work.out, run) });
      } else this.#work.runFails(run, new DataError(job.failedReason));
      await this.#queue.remove(jobId);
      this.#open.delete(jobId);
    } finally {
      this.#settling.delete(jobId);
    }
  }
}
