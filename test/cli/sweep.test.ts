/** Sweeps: the runs of a grid, and the results, which have each run once, whenever a process is killed. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { Random } from "../../src/core/random.ts";
import { expandSweep, type SweepFile } from "../../src/experiment/node/sweep/sweep-plan.ts";
import type { SweepResult } from "../../src/experiment/node/sweep/sweep-results.ts";
import { toArguments } from "../../src/experiment/node/sweep/sweep-run.ts";
import { isLockName, lockFolder } from "../../src/train/node/folder-lock.ts";
import { jsonLines, runCli } from "./run-cli.ts";

const program = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "separable-sweep-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const grid = async (name: string, file: unknown): Promise<string> => {
  const path = join(folder, name);
  await writeFile(path, JSON.stringify(file));
  return path;
};

const tiny = {
  settings: { data: "synthetic", limitTrain: 96, limitTest: 16, batchSize: 8, epochs: 2, dropout: 0.1 },
  convolutions: ["Sep", "Shuffle_4", "Generic_0.5"],
  seeds: [0, 1],
} as const satisfies SweepFile;

const resultsOf = async (out: string): Promise<SweepResult[]> =>
  jsonLines(await readFile(join(folder, out, "results.jsonl"), "utf8")) as unknown as SweepResult[];

/** The results of each run without its times and its folder. */
const outcomes = (results: readonly SweepResult[]): Map<string, unknown> =>
  new Map(results.map(({ seconds: _, run: __, id, ...numbers }) => [id, numbers]));

describe("a grid", () => {
  test("has every combination once, each under a name of its own, and keeps the options on the command line", () =>
    fc.assert(
      fc.property(
        fc.record({
          networks: fc.uniqueArray(fc.record({ depth: fc.constantFrom(10, 16, 22), width: fc.integer({ min: 1, max: 3 }) }), {
            minLength: 1,
            maxLength: 3,
            selector: JSON.stringify,
          }),
          convolutions: fc.uniqueArray(fc.constantFrom("Conv", "Sep", "Shuffle_4", "TensorTrain_0.44"), { minLength: 1 }),
          seeds: fc.uniqueArray(fc.nat(99), { minLength: 1, maxLength: 3 }),
          teachers: fc.constantFrom(
            [null],
            [null, { teacher: "runs/a", teacherCache: "kept" }],
            [
              { teacher: "runs/a", alpha: 0.5 },
              { teacher: "runs/a", beta: 5 },
            ],
          ),
          settings: fc.record({ crs: fc.boolean(), milestones: fc.constant([3, 5]), schedule: fc.constant("multi-step" as const) }),
        }),
        (file) => {
          const runs = expandSweep(file, "/grids");
          const { networks, convolutions, seeds, teachers } = file;
          expect(runs).toHaveLength(networks.length * convolutions.length * seeds.length * teachers.length);
          expect(new Set(runs.map(({ id }) => id)).size).toBe(runs.length);
          for (const { explicit, settings } of runs) {
            expect(settings).toMatchObject(explicit);
            expect(toArguments(explicit)).toContain(explicit.crs ? "--crs" : "--no-crs");
            expect(toArguments(explicit).join(" ")).toContain("--milestones 3,5");
            if (explicit.teacher !== undefined) expect(explicit.teacher).toBe("/grids/runs/a");
            if (explicit.teacherCache !== undefined) expect(explicit.teacherCache).toBe("/grids/kept");
          }
        },
      ),
      { numRuns: 30 },
    ));

  test("solves a family for each budget", () => {
    const runs = expandSweep({ convolutions: ["Conv", "Generic"], budgets: [8000, 10_000] }, ".");
    expect(runs.map(({ settings }) => settings.conv)).toEqual([
      "Conv",
      expect.stringMatching(/^Generic_0\.1/),
      expect.stringMatching(/^Generic_0\.2/),
    ]);
  });

  test.each<[string, unknown, RegExp]>([
    ["no object", [], /must hold an object/],
    ["an unknown key", { seed: [1] }, /must hold preset, settings, .* and nothing else, got "seed"; did you mean seeds\?/],
    ["an empty list", { seeds: [] }, /seeds must be a list that is not empty, got \[\]/],
    [
      "an unknown option",
      { settings: { learning_rate: 1 } },
      /settings must be options of train in camel case, such as learningRate, got "learning_rate"/,
    ],
    ["a value no option has", { settings: { epochs: 0 } }, /epochs must be an integer in \[1, 1000000\], got 0/],
    [
      "a family without a budget",
      { convolutions: ["Generic"] },
      /Generic must have its hyper-parameter, such as Generic_0\.5, or the file budgets/,
    ],
    ["an unknown convolution", { convolutions: ["Dense"] }, /conv must be one of .*, got "Dense"/],
    ["a misspelt convolution", { convolutions: ["Sepp"] }, /conv must be one of .*, got "Sepp"; did you mean Sep\?/],
    ["a misspelt option", { settings: { learningrate: 1 } }, /options of train .* got "learningrate"; did you mean learningRate\?/],
    ["the same run twice", { seeds: [1, 1] }, /must differ in network, convolution, seed or teacher, got wrn-10-1-Conv-seed1 twice/],
  ])("with %s is refused", async (_, file, message) => {
    const { code, stderr } = await runCli(["sweep", await grid("bad.json", file), "--dry-run"]);
    expect(stderr).toMatch(/^separable: ConfigError: sweep: /);
    expect(stderr).toMatch(message);
    expect(code).toBe(1);
  });

  test("is printed by --dry-run, which trains nothing", async () => {
    const { stdout, code } = await runCli(["sweep", await grid("dry.json", tiny), "--dry-run"]);
    expect(code).toBe(0);
    expect(stdout.match(/^wrn-10-1-\S+$/gm)).toHaveLength(6);
    expect(stdout).toContain("train --preset quick --data synthetic --limit-train 96");
  });
});

/** Runs the sweep. `watch` is called with each line of stdout. */
async function sweep(out: string, file: string, watch: (line: string, kill: () => void) => void = () => undefined): Promise<number | null> {
  const child = spawn(process.execPath, [program, "sweep", file, "--out", out, "--jobs", "2", "--threads", "1", "--json"], { cwd: folder });
  createInterface({ input: child.stdout }).on("line", (line) => watch(line, () => child.kill("SIGKILL")));
  const [code] = (await once(child, "close")) as [number | null];
  return code;
}

/** Ten in a usual run. */
const killed = Math.ceil(20 * inject("testShare"));

test(`a sweep that is killed at ${killed} random moments ends with each run once, and with the numbers of an undisturbed sweep`, async () => {
  const file = await grid("tiny.json", tiny);
  expect(await sweep("whole", file)).toBe(0);
  const whole = await resultsOf("whole");
  expect(whole.map(({ id }) => id).sort()).toHaveLength(6);

  const seed = Date.now() % 2 ** 31;
  const random = new Random(seed);
  let kills = 0;
  for (let attempt = 0; kills < killed && attempt < 4 * killed; attempt++) {
    let lines = 1 + (random.bits() % 3);
    const code = await sweep("killed", file, (_, kill) => {
      // The sweep is killed after some lines and a random time, so that the kill can hit a step, an evaluation or a checkpoint.
      if (--lines === 0) setTimeout(kill, random.uniform() * 300);
    });
    if (code === null) kills++;
    const seen = await resultsOf("killed").catch((): SweepResult[] => []);
    expect(new Set(seen.map(({ id }) => id)).size, `seed ${seed}`).toBe(seen.length);
    if (code === 0) await rm(join(folder, "killed"), { recursive: true });
  }
  expect(kills).toBe(killed);
  expect(await sweep("killed", file)).toBe(0);
  expect(outcomes(await resultsOf("killed")), `seed ${seed}`).toEqual(outcomes(whole));

  // A sweep that is begun again after its end changes no file.
  const before = await readFile(join(folder, "killed", "results.jsonl"), "utf8");
  expect(await sweep("killed", file)).toBe(0);
  expect(await readFile(join(folder, "killed", "results.jsonl"), "utf8")).toBe(before);
}, 300_000);

test("every run saves itself after Ctrl-C in a terminal, which all processes of the sweep receive", async () => {
  const file = await grid("interrupted.json", { ...tiny, convolutions: ["Sep"], seeds: [0] });
  const argv = [program, "sweep", file, "--out", "interrupted", "--threads", "1", "--json"];
  // A detached process gets a process group of its own, as in a shell.
  const child = spawn(process.execPath, argv, { cwd: folder, detached: true, stdio: ["ignore", "pipe", "ignore"] });
  createInterface({ input: child.stdout }).on("line", (line) => {
    if (line.includes('"event":"epoch"')) process.kill(-child.pid!, "SIGINT");
  });
  expect(await once(child, "close")).toEqual([130, null]);
  // A run that ends before it has saved leaves its lock behind.
  const entries = await readdir(join(folder, "interrupted", "runs", "wrn-10-1-Sep-seed0"));
  expect(entries).toContain("checkpoint.safetensors");
  expect(entries.filter(isLockName)).toEqual([]);
}, 60_000);

test("a run that fails is reported, does not stop the others, and is tried again", async () => {
  const file = await grid("failing.json", { settings: tiny.settings, teachers: [null, { teacher: "absent" }] });
  expect(await sweep("failing", file)).toBe(1);
  expect((await resultsOf("failing")).map(({ id }) => id)).toEqual(["wrn-10-1-Conv-seed0"]);
  const events: string[] = [];
  expect(await sweep("failing", file, (line) => void events.push(line))).toBe(1);
  expect(events[0]).toBe('{"event":"begin","runs":2,"finished":1}');
  expect(events.at(-1)).toMatch(
    /"event":"run-fail","id":"wrn-10-1-Conv-seed0-by-absent","error":"DataError: sweep: .*absent must be readable, got ENOENT/,
  );
}, 60_000);

test("a second sweep in the same folder is refused while the first one runs", async () => {
  const out = join(folder, "locked");
  await mkdir(out, { recursive: true });
  const unlock = await lockFolder(out);
  const { code, stderr } = await runCli(["sweep", await grid("locked.json", tiny), "--out", out]);
  await unlock();
  expect(stderr).toMatch(new RegExp(`ConfigError: lock: .*locked is being written by process ${process.pid}; wait for it or stop it`));
  expect(code).toBe(1);
});
