/** What a sweep survives on one machine: damaged results, files of the user, runs that hang or fail, a second Ctrl-C, and absurd grids. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { interceptEffects } from "../../src/core/node/files.ts";
import { temporaryName } from "../../src/core/node/temporary-names.ts";
import { localEngine } from "../../src/experiment/node/sweep/local-engine.ts";
import { runSweep, type SweepEngine, type SweepObserver } from "../../src/experiment/node/sweep/run-sweep.ts";
import { expandSweep, readSweep } from "../../src/experiment/node/sweep/sweep-plan.ts";
import { parseResults, type SweepResult, SweepResults } from "../../src/experiment/node/sweep/sweep-results.ts";
import { createRun, type SweepRun } from "../../src/experiment/node/sweep/sweep-run.ts";
import { DataError, SeparableError } from "../../src/index.ts";
import { lockProcess } from "./lock-process.ts";
import { ProgramProcess } from "./program-process.ts";
import { runCli } from "./run-cli.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "separable-limits-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const tiny = { data: "synthetic", limitTrain: 16, limitTest: 8, batchSize: 8, epochs: 1 } as const;
const id = "wrn-10-1-Conv-seed0";

const resultOf = (run: Pick<SweepRun, "id" | "settings">): SweepResult => ({
  ...{ id: run.id, network: "wrn-10-1", convolution: "Conv", seed: run.settings.seed, data: "synthetic", teacher: null, parameters: 1 },
  ...{ paperMultAdds: 1, multAdds: 1, compressionRatio: 1, epochs: 1, trainLoss: 1, testLoss: null, testAccuracy: null },
  ...{ bestTestAccuracy: null, seconds: 1, run: `runs/${run.id}` },
});

const quiet: SweepObserver = {
  begin: () => undefined,
  runBegins: () => undefined,
  epoch: () => undefined,
  runEnds: () => undefined,
  runFails: () => undefined,
};
const signal = new AbortController().signal;

/** Ends every waiting run at once. */
const instant: SweepEngine = async ({ waiting, runEnds }) => {
  for (const run of waiting) await runEnds(resultOf(run));
};

describe("results.jsonl", () => {
  const runs = expandSweep({ settings: tiny, seeds: [0, 1, 2] }, ".");
  const whole = runs.map((run) => `${JSON.stringify(resultOf(run))}\n`).join("");

  test("whose last line was cut anywhere loses that run alone, says so, and is mended", () =>
    fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: whole.trimEnd().split("\n").at(-1)!.length }), async (missing) => {
        const out = await mkdtemp(join(folder, "torn-"));
        await writeFile(join(out, "results.jsonl"), whole.slice(0, whole.length - 1 - missing));
        const [notes, trained]: [string[], string[]] = [[], []];
        const observer = {
          ...quiet,
          note: (note: string) => void notes.push(note),
          runEnds: (result: SweepResult) => void trained.push(result.id),
        };
        expect(await runSweep(runs, { out, engine: instant, signal, observer })).toEqual([]);
        const last = whole.trimEnd().split("\n").at(-1)!.length === missing;
        // Where the whole line is missing, nothing was cut off.
        expect(notes).toEqual(
          last ? [] : [expect.stringMatching(/sweep: line 3 of .*results\.jsonl is cut off after \d+ characters, and is left out/)],
        );
        expect(trained).toEqual([runs[2]!.id]);
        expect(await readFile(join(out, "results.jsonl"), "utf8")).toBe(whole);
      }),
      { numRuns: 20 },
    ));

  test("that a person has edited is mended line by line, although its lines have other lengths", async () => {
    const out = await mkdtemp(join(folder, "edited-"));
    const [first, second, third] = whole.trimEnd().split("\n");
    await writeFile(join(out, "results.jsonl"), `  ${first!.replaceAll(",", ", ")}\n${second}  \n${third!.slice(0, 50)}`);
    await runSweep(runs, { out, engine: instant, signal, observer: quiet });
    expect(await readFile(join(out, "results.jsonl"), "utf8")).toBe(whole);
  });

  test("of which a full disk took a part of a line has the whole lines, and the line when there is room again", async () => {
    const path = join(await mkdtemp(join(folder, "full-")), "results.jsonl");
    const results = await SweepResults.open(path, () => undefined);
    await results.add(resultOf(runs[0]!));
    const restore = interceptEffects(async (effect, perform) => {
      if (effect.kind !== "write") return perform();
      await perform(effect.content.subarray(0, effect.content.length / 2));
      throw Object.assign(new Error("no room"), { code: "ENOSPC" });
    });
    try {
      await expect(results.add(resultOf(runs[1]!))).rejects.toThrow(/results\.jsonl must be writable, got ENOSPC .*; free some room/);
    } finally {
      restore();
    }
    expect(results.has(runs[1]!.id)).toBe(false);
    for (const run of runs) await results.add(resultOf(run));
    expect(await readFile(path, "utf8")).toBe(whole);
  });

  test("with any other damage is an error that names file, line and remedy, and stays as it is", async () => {
    const out = join(folder, "damaged");
    await mkdir(out);
    const lines = whole.split("\n");
    for (const damage of [
      lines[1]!.slice(0, 40),
      "null",
      "[]",
      lines[1]!.replace('"seed":1', '"seed":"1"'),
      lines[1]!.replace('"run":"', '"run":"\\u001b'),
    ]) {
      const text = [lines[0], damage, lines[2], ""].join("\n");
      await writeFile(join(out, "results.jsonl"), text);
      const error: unknown = await runSweep(runs, { out, engine: instant, signal, observer: quiet }).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(DataError);
      expect((error as Error).message).toMatch(
        /^sweep: line 2 of .*damaged\/results\.jsonl must .* delete this line, and the sweep trains/,
      );
      expect(await readFile(join(out, "results.jsonl"), "utf8")).toBe(text);
      const { code, stderr } = await runCli(["report", join(out, "results.jsonl"), "--out", join(folder, "page")]);
      expect([code, stderr]).toEqual([1, expect.stringMatching(/^separable: DataError: sweep: line 2 of /)]);
    }
  });

  test("of any text gives results or an error of the library", () =>
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(fc.json()).map((lines) => lines.join("\n")),
        ),
        (text) => {
          try {
            expect(parseResults(text, "results.jsonl").results).toEqual([]);
          } catch (error) {
            expect(error).toBeInstanceOf(SeparableError);
          }
        },
      ),
    ));
});

describe("a grid", () => {
  test("is compared with the results in a number of steps that grows with the number of runs, and not with its square", async () => {
    const count = 1000;
    let reads = 0;
    const counted = expandSweep({ settings: tiny, seeds: Array.from({ length: count }, (_, seed) => seed) }, ".").map(
      (run) =>
        new Proxy(run, {
          get: (target, name) => {
            if (name === "id") reads++;
            return Reflect.get(target, name);
          },
        }),
    );
    const out = join(folder, "large");
    await mkdir(out);
    const done = counted.slice(0, count - 20).map((run) => `${JSON.stringify(resultOf(run))}\n`);
    await writeFile(join(out, "results.jsonl"), done.join(""));
    const finished: number[] = [];
    const observer: SweepObserver = { ...quiet, runEnds: (_, counts) => void finished.push(counts.finished) };
    reads = 0;
    expect(await runSweep(counted, { out, engine: instant, signal, observer })).toEqual([]);
    expect(finished).toEqual(Array.from({ length: 20 }, (_, i) => count - 19 + i));
    expect(reads).toBeLessThan(4 * count);
  });

  test("of absurd size is refused before it is expanded", () => {
    const many = Array.from({ length: 2000 }, (_, i) => i);
    const networks = many.map((i) => ({ width: 1 + i }));
    expect(() => expandSweep({ seeds: many, networks }, ".")).toThrow(/at most 1000000 runs, got 4000000; split it into several files/);
    expect(() => expandSweep({ networks, convolutions: ["Generic"], budgets: many.map((i) => 1 + i) }, ".")).toThrow(
      /networks × convolutions × budgets must be at most 10000, got 4000000/,
    );
  });

  test("of any JSON is expanded or refused with an error of the library", () =>
    fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.jsonValue(),
          fc.dictionary(
            fc.constantFrom("preset", "settings", "networks", "convolutions", "seeds", "teachers", "budgets"),
            fc.oneof(
              fc.jsonValue(),
              fc.array(fc.oneof(fc.jsonValue(), fc.dictionary(fc.constantFrom("conv", "data", "teacher", "depth"), fc.jsonValue()))),
            ),
          ),
        ),
        async (file) => {
          const path = join(folder, "any.json");
          await writeFile(path, JSON.stringify(file));
          const ended: unknown = await readSweep(path).catch((error: unknown) => error);
          if (!Array.isArray(ended)) expect(ended).toBeInstanceOf(SeparableError);
        },
      ),
      { numRuns: 300 },
    ));

  test("whose runs would have the name of no folder is refused", () => {
    for (const teacher of ["runs/a\u001b[2J", `runs/${"a".repeat(250)}`, "runs/a\\b"])
      expect(() => createRun("quick", { teacher }), teacher).toThrow(/the name of a run must be a folder's name of at most 255 bytes/);
  });
});

describe("a run's folder", () => {
  const sweep = async (out: string): Promise<{ code: number | null; stderr: string; errors: unknown[] }> => {
    await writeFile(join(folder, "one.json"), JSON.stringify({ settings: tiny }));
    const program = new ProgramProcess(["sweep", "one.json", "--out", out, "--tries", "1", "--threads", "1", "--json"], { cwd: folder });
    const { code, stderr } = await program.ended;
    return { code, stderr, errors: program.events.filter(({ event }) => event === "run-fail").map(({ error }) => error) };
  };

  test("that holds a file of the user is left alone, and is emptied of half-written files otherwise", async () => {
    const run = join(folder, "noted", "runs", id);
    await mkdir(run, { recursive: true });
    const half = temporaryName();
    for (const name of ["notes.txt", half]) await writeFile(join(run, name), "{}");
    const refused = await sweep("noted");
    expect([refused.code, refused.errors]).toEqual([
      1,
      [expect.stringMatching(/must hold nothing but a run, got notes\.txt; the sweep removes/)],
    ]);
    expect((await readdir(run)).sort()).toEqual([half, "notes.txt"].sort());
    await rm(join(run, "notes.txt"));
    expect(await sweep("noted")).toEqual({ code: 0, stderr: "", errors: [] });
    expect(await readdir(run)).not.toContain(half);
  }, 60_000);

  test("that is a link is not followed", async () => {
    const elsewhere = join(folder, "elsewhere");
    await mkdir(elsewhere);
    await writeFile(join(elsewhere, "config.json"), "{}");
    await mkdir(join(folder, "linked", "runs"), { recursive: true });
    await symlink(elsewhere, join(folder, "linked", "runs", id));
    expect((await sweep("linked")).errors).toEqual([expect.stringMatching(/must be a folder, got a symbolic link/)]);
    expect(await readdir(elsewhere)).toEqual(["config.json"]);
  }, 60_000);
});

/** A program in the place of `separable`, which notes each call, does something, and never trains. */
async function programThat(name: string, body: string): Promise<{ path: string; calls: () => Promise<string[]> }> {
  const [path, log] = [join(folder, `${name}.mjs`), join(folder, `${name}.log`)];
  await writeFile(
    path,
    `import { appendFileSync, writeFileSync } from "node:fs";\nappendFileSync(${JSON.stringify(log)}, process.pid + "\\n");\n${body}`,
  );
  await chmod(path, 0o755);
  return { path, calls: async () => (await readFile(log, "utf8")).trim().split("\n") };
}

describe("a run", () => {
  const [run] = expandSweep({ settings: tiny }, ".");
  const trained = async (program: string, tries: number, timeLimit?: number): Promise<string[]> => {
    const said: string[] = [];
    const engine = localEngine({ jobs: 1, threads: 1, program, tries, timeLimit });
    const observer: SweepObserver = {
      ...quiet,
      runIsTriedAgain: (_, error) => void said.push(`again: ${error.message}`),
      runFails: (_, error) => void said.push(`fail: ${error.message}`),
    };
    await runSweep([run!], { out: await mkdtemp(join(folder, "tried-")), engine, signal, observer });
    return said;
  };

  test("that fails is tried as often as --tries says", async () => {
    const { path, calls } = await programThat("failing", "process.exit(3);");
    expect(await trained(path, 3)).toEqual([
      ...Array(2).fill(expect.stringMatching(/^again: .* got exit 3/)),
      expect.stringMatching(/^fail: .* got exit 3/),
    ]);
    expect(await calls()).toHaveLength(3);
  });

  test("that does not end in its time is stopped, and the try has failed", async () => {
    const { path } = await programThat("hanging", 'process.on("SIGTERM", () => process.exit(130)); setInterval(() => undefined, 1000);');
    expect(await trained(path, 1, 1)).toEqual([
      `fail: sweep: ${id} must end within 1 s, got no end; raise --time-limit, or run the sweep again`,
    ]);
  });

  test("is not begun when the sweep is stopped while the folder of the run is prepared", async () => {
    const { path, calls } = await programThat("unwanted", "");
    const out = await mkdtemp(join(folder, "stopped-"));
    await mkdir(join(out, "runs", id), { recursive: true });
    const [controller, reason] = [new AbortController(), new Error("Ctrl-C")];
    const restore = interceptEffects((_, perform) => {
      controller.abort(reason);
      return perform();
    });
    try {
      const engine = localEngine({ jobs: 1, threads: 1, program: path });
      const work = { ...quiet, out, waiting: [run!], finished: [], signal: controller.signal };
      await expect(engine({ ...work, runEnds: async () => undefined, runIsTriedAgain: () => undefined })).rejects.toBe(reason);
    } finally {
      restore();
    }
    await expect(calls()).rejects.toThrow("ENOENT");
  });

  test("has no secrets in its environment", async () => {
    const { path, calls } = await programThat(
      "telling",
      'writeFileSync(process.argv[1] + ".env", JSON.stringify([process.env, process.argv]));',
    );
    process.env.REDIS_PASSWORD = "s3cret";
    try {
      await trained(path, 1);
    } finally {
      delete process.env.REDIS_PASSWORD;
    }
    expect(await calls()).toHaveLength(1);
    const told = await readFile(`${path}.env`, "utf8");
    expect(told).toContain(`"PATH":`);
    expect(told).not.toContain("s3cret");
  });
});

test("a second Ctrl-C kills the runs too", async () => {
  await writeFile(join(folder, "long.json"), JSON.stringify({ settings: { ...tiny, limitTrain: 4096, epochs: 1000 } }));
  const argv = [ProgramProcess.path, "sweep", "long.json", "--out", "long", "--threads", "1"];
  const child = spawn(process.execPath, argv, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  const run = join(folder, "long", "runs", id);
  const ended = once(child, "close");
  const pid = await new Promise<number>((resolve) => {
    const look = async (): Promise<void> => {
      const found = await lockProcess(run);
      if (found === undefined) setTimeout(() => void look(), 50);
      else resolve(found);
    };
    void look();
  });
  // A stopped process cannot save or end by itself. Only a signal that no process can ignore ends it.
  process.kill(pid, "SIGSTOP");
  child.stderr.on("data", () => child.kill("SIGINT"));
  child.kill("SIGINT");
  expect(await ended).toEqual([130, null]);
  await expect.poll(() => readFile(`/proc/${pid}/stat`, "utf8").catch(() => "gone"), { timeout: 10_000 }).toMatch(/^gone$|\) Z /);
}, 60_000);
