/** A worker of sweeps whose queue says that a lock is lost. The queue is a stand-in, so no Redis is needed and no lock runs out by itself. */

import { EventEmitter } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { workForSweeps } from "../../../src/experiment/node/sweep/redis/redis-worker.ts";
import { jobIdOf } from "../../../src/experiment/node/sweep/redis/run-job.ts";
import { createRun, type RunOptions } from "../../../src/experiment/node/sweep/sweep-run.ts";

/** What the worker of the queue is made with. */
type Process = (job: object, token?: string) => Promise<unknown>;

class WaitingError extends Error {}

/** A queue that holds no jobs: the test calls the worker's function itself, and emits the events of the queue. */
function standIn() {
  const made: { process: Process; events: EventEmitter }[] = [];
  class Worker extends EventEmitter {
    constructor(_: string, process: Process) {
      super();
      made.push({ process, events: this });
    }
    waitUntilReady = async (): Promise<void> => undefined;
    pause = async (): Promise<void> => undefined;
    close = async (): Promise<void> => undefined;
  }
  const server = {
    bullmq: { Worker, WaitingError, UnrecoverableError: Error },
    address: "redis://stand-in",
    connection: {},
    onError: () => undefined,
    leave: () => undefined,
  };
  return { server, made };
}

test("a run whose lock is another worker's is stopped and given back, and the other runs go on", async () => {
  const folder = await mkdtemp(join(tmpdir(), "separable-locks-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  // A program that trains until it is told to stop.
  const program = join(folder, "program.mjs");
  await writeFile(program, "process.on('SIGTERM', () => process.exit(0)); process.send?.('begun'); setInterval(() => undefined, 1000);");
  const { server, made } = standIn();
  const [leaving, begun, back] = [new AbortController(), [] as string[], [] as string[]];
  // A failure must leave no program behind.
  onTestFinished(() => leaving.abort());
  const bothBegun = new EventEmitter();
  const observer = {
    ready: () => undefined,
    runBegins: ({ id }: { id: string }) => {
      begun.push(id);
      if (begun.length === 2) bothBegun.emit("both");
    },
    epoch: () => undefined,
    runEnds: () => undefined,
    runFails: (_: unknown, error: Error) => {
      throw error;
    },
    runGivenBack: ({ id }: { id: string }) => void back.push(id),
  };
  const options = { out: folder, jobs: 2, threads: 1, program, silence: 1_000_000, signal: leaving.signal, observer };
  const working = workForSweeps(server as never, options);
  const jobOf = (seed: number) => {
    const explicit: RunOptions = { data: "synthetic", limitTrain: 16, limitTest: 8, batchSize: 8, epochs: 1, seed };
    const { id, preset } = createRun("quick", explicit);
    const sweep = { mark: "01234567-89ab-4def-8123-456789abcdef", folder: "/sweeps/elsewhere" };
    const data = { sweep, run: { id, preset, explicit } };
    return { id: jobIdOf(sweep, data.run), name: id, data, updateProgress: async () => undefined, moveToWait: async () => undefined };
  };
  const [lost, kept] = [jobOf(0), jobOf(1)];
  await expect.poll(() => made.length).toBe(1);
  const { process, events } = made[0]!;
  const both = new Promise((resolve) => bothBegun.once("both", resolve));
  const [losing, keeping] = [process(lost, "token"), process(kept, "token")];
  await both;
  events.emit("lockRenewalFailed", [lost.id]);
  await expect(losing).rejects.toBeInstanceOf(WaitingError);
  expect(back).toEqual([lost.name]);
  leaving.abort();
  await expect(keeping).rejects.toBeInstanceOf(WaitingError);
  expect(back).toEqual([lost.name, kept.name]);
  expect(await working).toBe(true);
});
