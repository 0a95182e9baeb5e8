/** A queue that strangers write to: nothing outside the folders of the sweeps is touched, no program is run, and the others' runs go on. */

import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Queue, QueueEvents } from "bullmq";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { checkJob, checkTrained } from "../../src/experiment/node/sweep/redis/check-job.ts";
import { queueName } from "../../src/experiment/node/sweep/redis/connection.ts";
import { jobIdOf } from "../../src/experiment/node/sweep/redis/run-job.ts";
import { metricsIn } from "../../src/experiment/node/sweep/reported-epoch.ts";
import { createRun, type RunOptions } from "../../src/experiment/node/sweep/sweep-run.ts";
import { SeparableError } from "../../src/index.ts";
import { ProgramProcess } from "./program-process.ts";
import { type RedisProcess, redisAvailable, startRedis } from "./redis-server.ts";
import { jsonLines } from "./run-cli.ts";

const mark = "01234567-89ab-4def-8123-456789abcdef";
const settings = { data: "synthetic", limitTrain: 16, limitTest: 8, batchSize: 8, epochs: 1 } as const satisfies RunOptions;

/** A job as a coordinator adds it, and its id. */
function honest(explicit: RunOptions = settings, sweep = { mark, folder: "/sweeps/grid" }) {
  const { id, preset } = createRun("quick", explicit);
  const run = { id, preset, explicit };
  return { data: { sweep, run }, jobId: jobIdOf(sweep, run) };
}

/** The job with other data, under the id that belongs to the data. */
function forged(change: (data: ReturnType<typeof honest>["data"]) => unknown) {
  const data = structuredClone(honest().data);
  const changed = (change(data) ?? data) as typeof data;
  return { data: changed as unknown, jobId: jobIdOf(changed.sweep, changed.run) };
}

describe("a job", () => {
  test("of a coordinator gives the run of its settings", async () => {
    const { data, jobId } = honest({ ...settings, teacher: "/runs/a", conv: "TensorTrain_0.5" });
    const { run } = await checkJob(JSON.parse(JSON.stringify(data)), jobId);
    expect(run).toEqual(createRun("quick", data.run.explicit));
  });

  test.each<[string, ReturnType<typeof forged>, RegExp]>([
    [
      "a name that leads elsewhere",
      forged(({ run }) => void Object.assign(run, { id: "../../../victim" })),
      /the run\.id that follows from/,
    ],
    ["another run's name", forged(({ run }) => void Object.assign(run, { id: "wrn-10-1-Conv-seed7" })), /the run\.id that follows from/],
    [
      "an option that is no setting",
      forged(({ run }) => void Object.assign(run.explicit, { run: "/any" })),
      /options of train .* got "run"/,
    ],
    [
      "a module",
      forged(({ run }) => void Object.assign(run.explicit, { conv: "/tmp/x.mjs:Evil_1" })),
      /names a module, which is a program/,
    ],
    ["a value that no option has", forged(({ run }) => void Object.assign(run.explicit, { epochs: -1 })), /epochs must be an integer/],
    ["an unknown preset", forged(({ run }) => void Object.assign(run, { preset: "evil" })), /must hold one of quick/],
    ["a folder that is relative", forged(({ sweep }) => void Object.assign(sweep, { folder: "../grid" })), /the absolute path of a folder/],
    [
      "a mark that is a path",
      forged(({ sweep }) => void Object.assign(sweep, { mark: "../../../etc" })),
      /must hold a UUID as sweep\.mark/,
    ],
    ["an endless time", forged((data) => ({ ...data, timeLimit: -1 })), /must hold a number in \[1, 2000000\] as timeLimit/],
    [
      "a teacher with control characters",
      forged(({ run }) => void Object.assign(run.explicit, { teacher: "/a/\u001b[2J" })),
      /\\u001b\[2J/,
    ],
    [
      "a folder to write to",
      honest({ ...settings, teacher: "/runs/a", teacherCache: "/home/victim" }),
      /must have no teacherCache in a queue/,
    ],
    ["an id of somebody's choice", { ...honest(), jobId: "0:evil" }, /must have the id that follows from its settings/],
  ])("with %s is refused", (_, { data, jobId }, message) => expect(checkJob(data, jobId)).rejects.toThrow(message));

  test("of any data is refused with an error of the library, and never crashes", () =>
    fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.jsonValue(),
          fc.record({
            sweep: fc.oneof(fc.constant({ mark, folder: "/sweeps/grid" }), fc.jsonValue()),
            run: fc.oneof(fc.record({ id: fc.jsonValue(), preset: fc.constant("quick"), explicit: fc.jsonValue() }), fc.jsonValue()),
          }),
          fc
            .dictionary(fc.constantFrom("epochs", "conv", "teacher", "augment", "data", "__proto__", "milestones"), fc.jsonValue())
            .map((explicit) => ({ sweep: { mark, folder: "/a" }, run: { id: "x", preset: "quick", explicit } })),
        ),
        fc.string(),
        async (data, jobId) => {
          const error: unknown = await checkJob(data, jobId).catch((refused: unknown) => refused);
          expect(error).toBeInstanceOf(SeparableError);
          expect((error as Error).message.length).toBeLessThan(2500);
          expect((error as Error).message).not.toMatch(/\p{Cc}/u);
        },
      ),
      { numRuns: 300 },
    ));
});

describe("a result", () => {
  const run = createRun("quick", settings);
  const numbers = { parameters: 1, paperMultAdds: 1, multAdds: 1, compressionRatio: 1, epochs: 1, trainLoss: 1, seconds: 1 };
  const tested = { testLoss: 1, testAccuracy: 0.5, bestTestAccuracy: 0.5 };
  const summary = { network: "wrn-10-1", convolution: "Conv", seed: 0, data: "synthetic", teacher: null, ...numbers, ...tested };

  test("of a worker is taken, without entries that nobody asked for", () =>
    expect(checkTrained({ summary: { ...summary, id: "other", event: "end" }, elsewhere: "host:/a" }, run)).toEqual({
      summary,
      elsewhere: "host:/a",
    }));

  test.each<[string, unknown]>([
    ["nothing", null],
    ["no summary", { elsewhere: null }],
    ["a path of this machine", { summary, elsewhere: "/etc" }],
    ["a relative path", { summary, elsewhere: "../a:b" }],
    ["another run", { summary: { ...summary, seed: 1 }, elsewhere: null }],
    ["another network", { summary: { ...summary, network: "wrn-16-1" }, elsewhere: null }],
    ["a text for a number", { summary: { ...summary, trainLoss: "1" }, elsewhere: null }],
    ["an accuracy above 1", { summary: { ...summary, testAccuracy: 2 }, elsewhere: null }],
    ["control characters", { summary: { ...summary, data: "\u001b[2J" }, elsewhere: null }],
  ])("of %s is refused", (_, value) => expect(() => checkTrained(value, run)).toThrow(/^sweep: the result of wrn-10-1-Conv-seed0 must h/));

  test("and progress of any data never crash", () =>
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(() => checkTrained(value, run)).toThrow(SeparableError);
        expect(metricsIn(value)).toBeUndefined();
      }),
    ));
});

describe.skipIf(!redisAvailable)(redisAvailable ? "a worker" : "a worker (skipped: no redis-server here)", () => {
  let folder = "";
  let redis: RedisProcess;
  let queue: Queue;
  let events: QueueEvents;
  let running: ProgramProcess[] = [];

  const start = (...argv: string[]): ProgramProcess => {
    const program = new ProgramProcess(argv, { cwd: folder });
    running.push(program);
    return program;
  };
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "separable-trust-"));
    redis = await startRedis(folder);
    const connection = { url: redis.url };
    [queue, events] = [new Queue(queueName(), { connection }), new QueueEvents(queueName(), { connection })];
    await events.waitUntilReady();
  });
  afterEach(async () => {
    for (const program of running) program.child.kill("SIGKILL");
    await Promise.all(running.map(({ ended }) => ended));
    running = [];
  });
  afterAll(async () => {
    await Promise.all([queue.close(), events.close()]);
    await redis.stop();
    await rm(folder, { recursive: true, force: true });
  });

  test("refuses hostile jobs, leaves every file of the user where it is, and trains the honest sweep behind them", async () => {
    const [victim, grid, linked] = [join(folder, "victim"), join(folder, "grid"), join(folder, "linked")];
    await mkdir(victim);
    await writeFile(join(victim, "thesis.txt"), "years of work");
    await mkdir(join(grid, "runs"), { recursive: true });
    await writeFile(join(grid, ".sweep"), `${mark}\n`);
    await mkdir(join(linked, "runs"), { recursive: true });
    const otherMark = mark.replace("0", "f");
    await writeFile(join(linked, ".sweep"), `${otherMark}\n`);
    const place = { mark, folder: grid };
    // The run's folder is a link that leads out of the sweep, to a folder with a file that a run would have.
    await writeFile(join(victim, "config.json"), "{}");
    await symlink(victim, join(linked, "runs", "wrn-10-1-Conv-seed0"));
    // The run's folder holds a user's notes, and no run.
    const noted = createRun("quick", { ...settings, seed: 3 });
    await mkdir(join(grid, "runs", noted.id));
    await writeFile(join(grid, "runs", noted.id, "notes.txt"), "mine");

    const away = honest().data.run;
    const attacks: [data: unknown, jobId: string, tries: number][] = [
      [{ sweep: place, run: { ...away, id: "../../victim" } }, "a", 1],
      [{ sweep: place, run: { ...away, explicit: { ...settings, run: victim } } }, "b", 1],
      ["no object", "c", 5],
      [{ sweep: { mark: otherMark, folder: linked }, run: away }, jobIdOf({ mark: otherMark, folder: linked }, away), 1],
      [{ sweep: place, run: noted }, jobIdOf(place, noted), 1],
    ];
    const failed: string[] = [];
    const allFailed = new Promise<void>((resolve) => {
      events.on("failed", ({ jobId }) => failed.push(jobId) === attacks.length && resolve());
    });
    for (const [data, jobId, attempts] of attacks) await queue.add("run", data, { jobId, attempts });
    const worker = start("sweep-worker", "--redis", redis.url, "--jobs", "1", "--threads", "1", "--out", join(folder, "own"), "--json");
    await allFailed;
    expect(worker.events.filter(({ event }) => event === "job-refused").map(({ job }) => job)).toEqual(["a", "b", "c"]);
    expect(worker.events.filter(({ event }) => event === "run-fail").map(({ error }) => error)).toEqual([
      expect.stringMatching(/linked\/runs\/wrn-10-1-Conv-seed0 must be a folder, got a symbolic link/),
      expect.stringMatching(/must hold nothing but a run, got notes\.txt; the sweep removes no file of yours/),
    ]);
    expect(await readFile(join(victim, "thesis.txt"), "utf8")).toBe("years of work");
    expect((await readdir(victim)).sort()).toEqual(["config.json", "thesis.txt"]);
    expect((await readdir(join(grid, "runs", noted.id))).sort()).toEqual(["notes.txt"]);
    expect(await readdir(folder)).not.toContain("own");

    await writeFile(join(folder, "honest.json"), JSON.stringify({ settings }));
    const coordinator = start("sweep", "honest.json", "--redis", redis.url, "--out", "honest", "--json");
    expect(await coordinator.ended).toEqual({ code: 0, stderr: "" });
    expect(jsonLines(await readFile(join(folder, "honest", "results.jsonl"), "utf8")).map(({ id }) => id)).toEqual([away.id]);
  }, 60_000);

  test("gets no job that names a folder to write to: the coordinator refuses the sweep", async () => {
    await writeFile(join(folder, "cached.json"), JSON.stringify({ settings, teachers: [{ teacher: "runs/a", teacherCache: "kept" }] }));
    const { code, stderr } = await start("sweep", "cached.json", "--redis", redis.url, "--out", "cached", "--json").ended;
    expect([code, stderr]).toEqual([1, expect.stringMatching(/must have no teacherCache in a queue.*sweep without --redis/)]);
  }, 60_000);

  test("with data in Redis that is no JSON goes on", async () => {
    await queue.add("run", {}, { jobId: "broken" });
    await (await queue.client).hset(queue.toKey("broken"), { data: "{no json" });
    start("sweep-worker", "--redis", redis.url, "--jobs", "1", "--threads", "1", "--out", join(folder, "own"), "--json");
    await writeFile(join(folder, "after.json"), JSON.stringify({ settings, seeds: [5] }));
    const coordinator = start("sweep", "after.json", "--redis", redis.url, "--out", "after", "--json");
    expect((await coordinator.ended).code).toBe(0);
  }, 60_000);
});
