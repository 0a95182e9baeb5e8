import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ConfigError, DataError } from "../../../src/core/errors.ts";
import { type FileEffect, interceptEffects } from "../../../src/core/node/files.ts";
import { temporaryName } from "../../../src/core/node/temporary-names.ts";
import { writeFileAtomic } from "../../../src/train/node/atomic-file.ts";
import { RunFolder } from "../../../src/train/node/run-folder.ts";
import type { EpochMetrics } from "../../../src/train/progress.ts";
import { deadName } from "../../core/node/dead-name.ts";

/** The change of the disk that fails, and the code of the error. */
let failure: { readonly stage: FileEffect["kind"]; readonly code: string } | undefined;

let restore = (): void => {};
beforeAll(() => {
  restore = interceptEffects(async (effect, perform) => {
    if (effect.kind !== failure?.stage) return perform();
    // A full disk takes the first part of the content.
    if (effect.kind === "write") await perform(effect.content.subarray(0, 3));
    throw Object.assign(new Error(`${failure.code}: no`), { code: failure.code });
  });
});
afterAll(() => restore());

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "separable-run-"));
});
afterEach(async () => {
  failure = undefined;
  await rm(folder, { recursive: true, force: true });
});

const line = (epoch: number, testAccuracy: number | null = 0.5): EpochMetrics => ({
  epoch,
  trainLoss: 1 / epoch,
  trainAccuracy: 0.25,
  testLoss: testAccuracy === null ? null : 1,
  testAccuracy,
  learningRate: 0.1,
  seconds: 2,
  testSeconds: 1,
  imagesPerSecond: 5,
  peakBytes: 1000,
});

const metricsFile = (run: RunFolder): string => join(run.path, "metrics.jsonl");

describe("a write that fails keeps the earlier file and leaves no other file", () => {
  test.each(
    (["create", "write", "sync", "rename"] as const).flatMap((stage) => ["ENOSPC", "EACCES", "EIO"].map((code) => ({ stage, code }))),
  )("$code while it must $stage", async (fault) => {
    const path = join(folder, "file");
    await writeFileAtomic(path, "before");
    failure = fault;
    const write = writeFileAtomic(path, "after, and longer");
    await expect(write).rejects.toThrow(DataError);
    await expect(write).rejects.toThrow(new RegExp(`must be writable, got ${fault.code} for .*; .+ What was saved before is untouched`));
    expect(await readdir(folder)).toEqual(["file"]);
    expect(await readFile(path, "utf8")).toBe("before");
  });

  test("on a full disk: the error asks for room", async () => {
    failure = { stage: "write", code: "ENOSPC" };
    await expect(writeFileAtomic(join(folder, "x"), "y")).rejects.toThrow(/free some room/);
  });

  test("in a run: earlier lines and checkpoints stay", async () => {
    const run = await RunFolder.create(join(folder, "run"), {});
    await run.appendMetrics(line(1));
    await run.writeCheckpoint(Uint8Array.of(1, 2, 3));
    failure = { stage: "write", code: "ENOSPC" };
    await expect(run.appendMetrics(line(2))).rejects.toThrow(DataError);
    await expect(run.writeCheckpoint(Uint8Array.of(9))).rejects.toThrow(DataError);
    failure = undefined;
    expect(run.metrics).toEqual([line(1)]);
    expect((await RunFolder.open(run.path)).metrics).toEqual([line(1)]);
    expect([...(await readFile(run.checkpointPath("checkpoint")))]).toEqual([1, 2, 3]);
    await run.close();
    expect((await readdir(run.path)).sort()).toEqual(["checkpoint.safetensors", "config.json", "metrics.jsonl"]);
  });
});

describe("a new run", () => {
  test("needs a folder that is absent or empty", async () => {
    await RunFolder.create(join(folder, "deep", "er"), {});
    await mkdir(join(folder, "empty"));
    await RunFolder.create(join(folder, "empty"), {});
    await writeFile(join(folder, "file"), "mine");
    for (const taken of ["empty", "file"]) {
      const again = RunFolder.create(join(folder, taken), { another: true });
      await expect(again).rejects.toThrow(ConfigError);
      await expect(again).rejects.toThrow(/must not exist yet, or be empty.*--resume/);
    }
    expect(await readFile(join(folder, "empty", "config.json"), "utf8")).toBe("{}\n");
    expect(await readFile(join(folder, "file"), "utf8")).toBe("mine");
  });

  test("is created by one of two simultaneous attempts", async () => {
    const both = await Promise.allSettled([1, 2].map((n) => RunFolder.create(join(folder, "run"), { n })));
    expect(both.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    const winner = both.findIndex(({ status }) => status === "fulfilled") + 1;
    expect(await (await RunFolder.open(join(folder, "run"))).config()).toEqual({ n: winner });
  });
});

describe("an existing run", () => {
  test("must exist and be a run", async () => {
    await expect(RunFolder.open(join(folder, "absent"))).rejects.toThrow(/must be the folder of a run, got ENOENT/);
    await expect(RunFolder.open(folder)).rejects.toThrow(/must hold config\.json/);
  });

  test("with a configuration that is not JSON is damaged", async () => {
    await writeFile(join(folder, "config.json"), '{"separable": ');
    const run = await RunFolder.open(folder);
    await expect(run.config()).rejects.toThrow(DataError);
  });

  test("whose metrics are cut anywhere keeps the complete lines and can be rewound to any of them", async () => {
    const run = await RunFolder.create(join(folder, "run"), {});
    for (const epoch of [1, 2, 3]) await run.appendMetrics(line(epoch, epoch === 2 ? null : 0.5));
    await run.close();
    const text = await readFile(metricsFile(run), "utf8");
    await fc.assert(
      fc.asyncProperty(fc.nat(text.length), fc.nat(3), async (length, epochs) => {
        await writeFile(metricsFile(run), text.slice(0, length));
        const whole = text.slice(0, length).split("\n").slice(0, -1).length;
        const opened = await RunFolder.openLocked(run.path);
        // A line that lacks only its line feed is complete, too.
        expect([whole, whole + 1]).toContain(opened.metrics.length);
        expect(opened.metrics).toEqual([line(1), line(2, null), line(3)].slice(0, opened.metrics.length));
        const short = epochs > opened.metrics.length;
        if (short) await expect(opened.rewind(epochs)).rejects.toThrow(DataError);
        else await opened.rewind(epochs);
        await opened.close();
        if (short) return;
        expect((await RunFolder.open(run.path)).metrics).toHaveLength(epochs);
      }),
      { numRuns: 40 },
    );
  });

  test("with a byte-order mark before its files is read", async () => {
    const run = await RunFolder.create(join(folder, "run"), { a: 1 });
    for (const epoch of [1, 2]) await run.appendMetrics(line(epoch));
    const evaluation = { count: 1, loss: 1, accuracy: 1, confusion: [[1]], epoch: 1, classes: ["a"] };
    await run.writeEvaluation(evaluation);
    for (const file of ["config.json", "metrics.jsonl", "evaluation.json"])
      await writeFile(join(run.path, file), `\ufeff${await readFile(join(run.path, file), "utf8")}`);
    const opened = await RunFolder.open(run.path);
    expect(opened.metrics).toEqual([line(1), line(2)]);
    expect(await opened.config()).toEqual({ a: 1 });
    expect(await opened.evaluation()).toEqual(evaluation);
  });

  test.each<[string, string, RegExp]>([
    [
      "a loss that is null, as JSON writes NaN",
      JSON.stringify({ ...line(2), trainLoss: null }),
      /must hold a finite number as trainLoss, got null/,
    ],
    [
      "a test accuracy in quotes",
      JSON.stringify({ ...line(2), testAccuracy: "0.5" }),
      /must hold a finite number or null as testAccuracy, got "0\.5"/,
    ],
    ["no time", JSON.stringify({ ...line(2), seconds: undefined }), /must hold seconds, got none/],
    ["another epoch", JSON.stringify(line(3)), /must hold 2 as epoch, got 3/],
    ["a value that is no object", "7", /must hold an object, got 7/],
    ["half a line", '{"epoch": 2, "train', /must be JSON, got .+; the file is damaged/],
    ["a page", "<!doctype html>", /must be JSON, got an HTML page/],
  ])("whose second line of three has %s is damaged: the error names the line", async (_, second, message) => {
    const run = await RunFolder.create(join(folder, "run"), {});
    await writeFile(metricsFile(run), `${JSON.stringify(line(1))}\n${second}\n${JSON.stringify(line(3))}\n`);
    await expect(RunFolder.open(run.path)).rejects.toThrow(DataError);
    await expect(RunFolder.open(run.path)).rejects.toThrow(/run: line 2 of .*metrics\.jsonl must/);
    await expect(RunFolder.open(run.path)).rejects.toThrow(message);
  });

  test("whose last line of metrics is cut off loses the line, and says so", async () => {
    const run = await RunFolder.create(join(folder, "run"), {});
    await writeFile(metricsFile(run), `${JSON.stringify(line(1))}\n${JSON.stringify(line(2)).slice(0, 20)}`);
    await run.close();
    const opened = await RunFolder.openLocked(run.path);
    expect(opened.metrics).toEqual([line(1)]);
    expect(opened.notes).toEqual([
      expect.stringMatching(/^run: line 2 of .*metrics\.jsonl is cut off after \d+ characters, and is left out$/),
    ]);
    await opened.rewind(1);
    expect((await RunFolder.open(run.path)).notes).toEqual([]);
  });

  test("whose evaluation is no JSON is damaged", async () => {
    const run = await RunFolder.create(join(folder, "run"), {});
    await writeFile(join(run.path, "evaluation.json"), "{");
    await expect(run.evaluation()).rejects.toThrow(/^run: .*evaluation\.json must be JSON/);
  });

  test("loses the half-written files of a killed process, and no other file", async () => {
    const run = await RunFolder.create(join(folder, "run"), {});
    await run.close();
    const leftovers = [temporaryName(), "checkpoint.safetensors.partial-123"];
    for (const name of [...leftovers, "notes.partial-1", ".partial-mine"]) await writeFile(join(run.path, name), "half");
    await (await RunFolder.openLocked(run.path)).close();
    expect((await readdir(run.path)).sort()).toEqual([".partial-mine", "config.json", "notes.partial-1"]);
  });

  test("that another writer has locked is not touched: neither its half-written files nor its metrics", async () => {
    const run = await RunFolder.create(join(folder, "run"), {});
    await run.appendMetrics(line(1));
    await writeFile(join(run.path, temporaryName()), "being written");
    const listed = (await readdir(run.path)).sort();
    await expect(RunFolder.openLocked(run.path)).rejects.toThrow(ConfigError);
    expect((await readdir(run.path)).sort()).toEqual(listed);
    await run.appendMetrics(line(2));
    expect((await RunFolder.open(run.path)).metrics).toHaveLength(2);
    await run.close();
  });

  test("is written under its lock only", async () => {
    const run = await RunFolder.create(join(folder, "run"), {});
    await run.close();
    await expect(run.appendMetrics(line(1))).rejects.toThrow(/must be locked before it is written/);
    expect(() => run.writeBest(Uint8Array.of())).toThrow(/must be locked/);
  });
});

describe("a folder in which a process was killed before its run began", () => {
  test("is free for a new run, which removes the leftovers", async () => {
    const path = join(folder, "run");
    await mkdir(path);
    for (const name of [temporaryName(), deadName(".lock-")]) await writeFile(join(path, name), "{");
    await RunFolder.checkFree(path);
    await (await RunFolder.create(path, {})).close();
    expect(await readdir(path)).toEqual(["config.json"]);
  });
});
