/** Sweeps by workers on a real Redis: the numbers of a sweep without it, and nothing lost, whoever is killed. */

import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer, type Server } from "node:net";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { QueueEvents } from "bullmq";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { queueName } from "../../src/experiment/node/sweep/redis/connection.ts";
import type { SweepFile } from "../../src/experiment/node/sweep/sweep-plan.ts";
import type { SweepResult } from "../../src/experiment/node/sweep/sweep-results.ts";
import { lockProcess } from "./lock-process.ts";
import { type ProgramEvent, ProgramProcess } from "./program-process.ts";
import { jobsLeft, type RedisProcess, redisAvailable, startRedis } from "./redis-server.ts";
import { type CliResult, jsonLines, runCli } from "./run-cli.ts";

if (!redisAvailable) console.warn("Redis tests skipped: no redis-server; install it (Debian: apt-get install redis-server)");
const title = redisAvailable ? "by Redis" : "by Redis (skipped: no redis-server here)";

const tiny = {
  settings: { data: "synthetic", limitTrain: 40, limitTest: 16, batchSize: 8, epochs: 3, dropout: 0.1 },
  convolutions: ["Sep"],
  seeds: [0, 1, 2],
} as const satisfies SweepFile;
const ids = ["wrn-10-1-Sep-seed0", "wrn-10-1-Sep-seed1", "wrn-10-1-Sep-seed2"];

let folder = "";
let redis: RedisProcess;
let running: ProgramProcess[] = [];

const start = (...argv: string[]): ProgramProcess => {
  const program = new ProgramProcess(argv, { cwd: folder });
  running.push(program);
  return program;
};
const coordinate = (file: string, out: string): ProgramProcess => start("sweep", file, "--redis", redis.url, "--out", out, "--json");
/** A worker that is ready when the promise resolves. */
const work = async (...argv: string[]): Promise<ProgramProcess> => {
  const options = ["--redis", redis.url, "--jobs", "1", "--threads", "1", "--json"];
  const worker = start("sweep-worker", ...options, ...argv);
  await worker.until("ready");
  return worker;
};

const grid = async (name: string, file: unknown): Promise<string> => {
  await writeFile(join(folder, `${name}.json`), JSON.stringify(file));
  return `${name}.json`;
};

const resultsOf = async (out: string): Promise<SweepResult[]> =>
  jsonLines(await readFile(join(folder, out, "results.jsonl"), "utf8")) as unknown as SweepResult[];

/** What runs came to, apart from the clock and the place. A run that is there twice is seen. */
const outcomes = (results: readonly SweepResult[]): unknown[] =>
  results.map(({ seconds: _, run: __, ...numbers }) => numbers).sort((a, b) => (a.id < b.id ? -1 : 1));

/** What is said of each run, in order, apart from the clock and the machine. */
const story = (events: readonly ProgramEvent[]): Record<string, unknown> =>
  Object.fromEntries(
    ids.map((id) => [
      id,
      events
        .filter((said) => said.id === id)
        .map(({ event, epoch, trainLoss, testAccuracy, ...rest }) => ({
          event,
          epoch,
          trainLoss,
          testAccuracy,
          told: Object.keys(rest).sort(),
        })),
    ]),
  );

const addressOf = (server: Server): string => `redis://127.0.0.1:${(server.address() as AddressInfo).port}`;

/** A sweep of this machine alone: what all others must come to. */
let local: readonly SweepResult[];
let localEvents: readonly ProgramEvent[];
/** Takes connections, and never says anything. Giving it up takes seconds, in which other tests run. */
const silent = createServer(() => undefined);
let givenUp: Promise<CliResult>;

beforeAll(async () => {
  if (!redisAvailable) return;
  folder = await mkdtemp(join(tmpdir(), "separable-redis-"));
  redis = await startRedis(folder);
  await once(silent.listen(0, "127.0.0.1"), "listening");
  givenUp = runCli(["sweep-worker", "--redis", addressOf(silent)]);
  const sweep = start("sweep", await grid("tiny", tiny), "--out", "local", "--jobs", "2", "--threads", "1", "--json");
  expect(await sweep.ended).toEqual({ code: 0, stderr: "" });
  local = (await resultsOf("local")).sort((a, b) => (a.id < b.id ? -1 : 1));
  localEvents = sweep.events;
});
afterEach(async () => {
  for (const program of running) program.child.kill("SIGKILL");
  await Promise.all(running.map(({ ended }) => ended));
  running = [];
});
afterAll(async () => {
  if (!redisAvailable) return;
  silent.close();
  await redis.stop();
  await rm(folder, { recursive: true, force: true });
});

describe.skipIf(!redisAvailable)(title, () => {
  test("two workers give the numbers of one machine, and the coordinator reports the events of a local sweep", async () => {
    const workers = [await work(), await work()];
    const coordinator = coordinate("tiny.json", "two");
    expect(await coordinator.ended).toEqual({ code: 0, stderr: "" });
    expect(outcomes(await resultsOf("two"))).toEqual(outcomes(local));
    expect((await resultsOf("two")).map(({ run }) => run).sort()).toEqual(ids.map((id) => `two/runs/${id}`));
    expect(story(coordinator.events)).toEqual(story(localEvents));
    expect(coordinator.events[0]).toEqual(localEvents[0]);
    for (const worker of workers) expect(worker.idsOf("run-end")).not.toEqual([]);
    expect(workers.flatMap((worker) => worker.idsOf("run-begin")).sort()).toEqual(ids);
    expect(await jobsLeft(redis.url)).toEqual([]);
  });

  test("another worker resumes the run of a killed worker from its checkpoint", async () => {
    // Taken for dead after a second, so that the test need not wait longer.
    const first = await work("--silence", "1");
    const coordinator = coordinate(await grid("pair", { ...tiny, seeds: [0, 1] }), "killed");
    const { id } = await first.until("epoch");
    const trainer = await lockProcess(join(folder, "killed", "runs", id!));
    await first.kill("SIGKILL");
    const second = await work("--silence", "1");
    expect(await coordinator.ended).toMatchObject({
      code: 0,
      stderr: expect.stringContaining(`the worker of ${id} no longer renews its lock`),
    });
    expect(outcomes(await resultsOf("killed"))).toEqual(outcomes(local.slice(0, 2)));
    expect(second.idsOf("run-end").sort()).toEqual(ids.slice(0, 2));
    // The first epoch is not trained again; the last is, for the process that trained has stopped when its worker was no more.
    expect(second.events).not.toContainEqual(expect.objectContaining({ event: "epoch", id, epoch: 1 }));
    expect(second.events).toContainEqual(expect.objectContaining({ event: "epoch", id, epoch: 3 }));
    expect(() => process.kill(trainer!, 0)).toThrow(/ESRCH/);
    expect(await jobsLeft(redis.url)).toEqual([]);
  });

  test("a coordinator that is killed and begun again collects the runs that ended meanwhile, and no run is trained twice", async () => {
    const worker = await work();
    const first = coordinate("tiny.json", "again");
    await first.until("run-end");
    await first.kill("SIGKILL");
    const seen = new Set((await resultsOf("again")).map((line) => line.id));
    // One more, at least, ends while nobody listens.
    await worker.until("run-end", ({ id }) => !seen.has(id!));
    const second = coordinate("tiny.json", "again");
    expect(await second.ended).toEqual({ code: 0, stderr: "" });
    expect(second.events[0]).toEqual({ event: "begin", runs: 3, finished: seen.size });
    expect(outcomes(await resultsOf("again"))).toEqual(outcomes(local));
    expect(worker.idsOf("run-begin").sort()).toEqual(ids);
    const third = coordinate("tiny.json", "again");
    expect(await third.ended).toEqual({ code: 0, stderr: "" });
    expect(third.events).toEqual([{ event: "begin", runs: 3, finished: 3 }]);
    expect(await jobsLeft(redis.url)).toEqual([]);
  });

  test("after Ctrl-C on the coordinator the jobs stay; after Ctrl-C on a worker its run is saved and given back", async () => {
    const file = await grid("one", { ...tiny, seeds: [0] });
    const coordinator = coordinate(file, "interrupted");
    await coordinator.untilStderr(
      /no worker is connected yet; start some, here or elsewhere: separable sweep-worker --redis redis:\/\/127/,
    );
    const first = await work();
    await first.until("epoch");
    const [left, gave] = await Promise.all([coordinator.kill("SIGINT"), first.kill("SIGINT")]);
    expect(left).toMatchObject({ code: 130, stderr: expect.stringContaining("run the sweep again to collect") });
    expect(gave).toMatchObject({ code: 130, stderr: expect.stringContaining("giving it back") });
    expect(first.events.at(-1)).toEqual({ event: "run-back", id: ids[0] });
    expect(await jobsLeft(redis.url)).toEqual(["waiting"]);
    // Saved, and let go of in good order.
    expect(await lockProcess(join(folder, "interrupted", "runs", ids[0]!))).toBeUndefined();
    const second = await work();
    const again = coordinate(file, "interrupted");
    expect(await again.ended).toEqual({ code: 0, stderr: "" });
    expect(second.idsOf("run-end")).toEqual([ids[0]]);
    expect(second.events).not.toContainEqual(expect.objectContaining({ event: "epoch", epoch: 1 }));
    expect(outcomes(await resultsOf("interrupted"))).toEqual(outcomes(local.slice(0, 1)));
  });

  test("a worker that cannot read the folder of the sweep trains in its own, and the line names that folder", async () => {
    const file = await grid("far", { ...tiny, seeds: [1] });
    const coordinator = coordinate(file, "far");
    await coordinator.untilStderr(/no worker is connected yet/);
    // Without its mark the folder is any folder: what a worker on another machine finds at that path, if anything.
    await rename(join(folder, "far", ".sweep"), join(folder, "far", "hidden"));
    await work("--out", join(folder, "own"));
    expect((await coordinator.ended).code).toBe(0);
    const [result] = await resultsOf("far");
    expect(outcomes([result!])).toEqual(outcomes(local.slice(1, 2)));
    expect(result!.run).toMatch(new RegExp(`^${hostname()}:${join(folder, "own")}/far-[0-9a-f]{8}/runs/${ids[1]}$`));
    expect(await readdir(join(folder, "far"))).not.toContain("runs");
    expect(await readdir(result!.run.slice(hostname().length + 1))).toContain("checkpoint.safetensors");
  });

  test("a run that fails is tried twice and reported, does not stop the others, and is tried again by the next sweep", async () => {
    const file = await grid("failing", { ...tiny, seeds: [0], teachers: [{ teacher: "absent" }, null] });
    const id = `${ids[0]}-by-absent`;
    const killed = coordinate(file, "failing");
    await killed.untilStderr(/no worker is connected yet/);
    await killed.kill("SIGKILL");
    // It fails for good while no coordinator listens.
    const events = new QueueEvents(queueName(), { connection: { url: redis.url } });
    await events.waitUntilReady();
    const failed = once(events, "failed");
    const worker = await work();
    await failed;
    await events.close();
    expect(worker.idsOf("run-fail")).toEqual([id, id]);
    const coordinator = coordinate(file, "failing");
    expect(await coordinator.ended).toEqual({
      code: 1,
      stderr: "1 run failed; the others are in failing/results.jsonl. Run the sweep again to retry.\n",
    });
    expect(worker.idsOf("run-fail")).toEqual([id, id, id, id]);
    const message = `DataError: sweep: the teacher of ${id} must be on every worker's machine at ${join(folder, "absent")}, got ENOENT on ${hostname()}; copy it there`;
    expect(coordinator.events.filter(({ event }) => event === "run-fail")).toEqual([{ event: "run-fail", id, error: message }]);
    expect((await resultsOf("failing")).map((line) => line.id)).toEqual([ids[0]]);
    expect(await jobsLeft(redis.url)).toEqual([]);
  });

  test.each([
    ["its sweep", ["--time-limit", "1"], []],
    ["its worker", [], ["--time-limit", "1"]],
  ])("a run that takes longer than the limit of %s has failed", async (whose, ofSweep, ofWorker) => {
    const out = `endless for ${whose}`;
    const file = await grid(out, { ...tiny, settings: { ...tiny.settings, limitTrain: 4096, epochs: 1000 }, seeds: [0] });
    const worker = await work(...ofWorker);
    const coordinator = start("sweep", file, "--redis", redis.url, "--out", out, "--tries", "1", ...ofSweep, "--json");
    expect((await coordinator.ended).code).toBe(1);
    expect(coordinator.events.filter(({ event }) => event === "run-fail")).toEqual([
      { event: "run-fail", id: ids[0], error: expect.stringContaining(`sweep: ${ids[0]} must end within 1 s, got no end`) },
    ]);
    expect(worker.idsOf("run-fail")).toEqual([ids[0]]);
  });

  describe("a Redis that cannot be used is one line", () => {
    const refused = async (url: string, message: RegExp): Promise<void> => {
      for (const argv of [["sweep", join(folder, "tiny.json"), "--out", join(folder, "refused")], ["sweep-worker"]]) {
        const { code, stdout, stderr } = await runCli([...argv, "--redis", url]);
        expect(stderr).toMatch(message);
        expect(stderr.match(/\n/g)).toHaveLength(1);
        expect([code, stdout]).toEqual([1, ""]);
      }
      expect(await readdir(folder)).not.toContain("refused");
    };

    test.each([
      ["localhost:6379", "a URL of localhost://"],
      ["http://localhost", "a URL of http://"],
      ["redis://", "a URL without a host"],
      ["redis://localhost/name", "a path that is not the number of a database"],
      ["redis://localhost?db=1", "a URL with \\? or #"],
    ])("%s", (url, got) =>
      refused(
        url,
        new RegExp(
          String.raw`^separable: ConfigError: sweep(-worker)?: --redis must be redis://host\[:port\]\[/db\], or rediss:// for TLS, got ${got}\n$`,
        ),
      ),
    );

    test("where nobody listens", () =>
      refused(
        "redis://127.0.0.1:1",
        /DataError: redis: redis:\/\/127\.0\.0\.1:1 must be a Redis that accepts this connection, got .*ECONNREFUSED/,
      ));

    test("that has no such database", () =>
      refused(`${redis.url}/99`, /DataError: redis: .*\/99 must be .*, got ERR DB index is out of range/));

    test("that speaks something else", async () => {
      const server = createServer((socket) => socket.on("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")));
      await once(server.listen(0, "127.0.0.1"), "listening");
      await refused(addressOf(server), /must be a Redis that accepts this connection, got Protocol error/).finally(() => server.close());
    });

    test("that says nothing", async () => {
      const { code, stderr } = await givenUp;
      expect([code, stderr]).toEqual([
        1,
        expect.stringMatching(/^[^\n]*must be a Redis that accepts this connection, got no answer within 5 s; .*\n$/),
      ]);
    });

    test("that wants another password, which is repeated nowhere", async () => {
      await mkdir(join(folder, "guarded"));
      const guarded = await startRedis(join(folder, "guarded"), ["--requirepass", "right"]);
      const note = "note: every user of this machine can read the password in --redis; give it as REDIS_PASSWORD instead\n";
      try {
        await refused(guarded.url, /got NOAUTH Authentication required/);
        for (const user of ["", "user"]) {
          const url = guarded.url.replace("//", `//${user}:wr0ng@`);
          for (const argv of [["sweep", join(folder, "tiny.json"), "--out", join(folder, "refused")], ["sweep-worker"]])
            for (const more of [
              ["--redis", url],
              ["--redis", `${url}?x`],
              ["--redis", url, "--verbose"],
            ]) {
              const { code, stdout, stderr } = await runCli([...argv, ...more]);
              expect([code, stdout]).toEqual([1, ""]);
              expect(stderr).not.toContain("wr0ng");
              if (more[1] !== url) continue;
              expect(stderr.startsWith(`${note}separable: DataError: redis: ${guarded.url} must be`)).toBe(true);
              expect(stderr).toContain("got WRONGPASS");
            }
        }
      } finally {
        await guarded.stop();
      }
    });
  });
});

test("--redis does not change a grid, and refuses --jobs and --threads, which belong to the workers", async () => {
  const scratch = await mkdtemp(join(tmpdir(), "separable-redis-"));
  try {
    const file = join(scratch, "tiny.json");
    await writeFile(file, JSON.stringify(tiny));
    const there = ["--redis", "redis://127.0.0.1:1"];
    const here = await runCli(["sweep", file, "--dry-run", "--json"]);
    expect(await runCli(["sweep", file, "--dry-run", "--json", ...there])).toEqual(here);
    expect(jsonLines(here.stdout).map(({ id }) => id)).toEqual(ids);
    for (const option of ["--jobs", "--threads"]) {
      const { code, stderr } = await runCli(["sweep", file, option, "2", ...there]);
      expect([code, stderr]).toEqual([
        1,
        `separable: ConfigError: sweep: ${option} belongs to sweep-worker beside --redis; give it to the workers\n`,
      ]);
    }
  } finally {
    await rm(scratch, { recursive: true });
  }
});
