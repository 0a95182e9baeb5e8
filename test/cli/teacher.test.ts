/** Runs with teachers on the command line. */

import { cp, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { jsonLines, resultsOf, runCli, tinyRun } from "./run-cli.ts";

let folder = "";
const at = (name: string): string => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "separable-teacher-"));
  expect((await runCli([...tinyRun, "--run", at("teacher")])).code).toBe(0);
  expect((await runCli([...tinyRun, "--seed", "7", "--run", at("other")])).code).toBe(0);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const student = [...tinyRun, "--conv", "Shuffle_4", "--teacher"];
const losses = async (run: string): Promise<unknown[]> =>
  jsonLines(await readFile(join(at(run), "metrics.jsonl"), "utf8")).map(({ trainLoss, testLoss }) => [trainLoss, testLoss]);

test("a student with a teacher differs from one without and from one with another teacher, and equals one with the same teacher", async () => {
  const runs: Record<string, readonly string[]> = {
    alone: student.slice(0, -1),
    taught: [...student, at("teacher")],
    again: [...student, join(at("teacher"), "best.safetensors")],
    otherwise: [...student, at("other")],
    distilled: [...student, at("teacher"), "--alpha", "0.9", "--beta", "0"],
    untouched: [...student, at("teacher"), "--beta", "0"],
  };
  for (const [name, argv] of Object.entries(runs)) expect((await runCli([...argv, "--run", at(name)])).stderr).not.toContain("Error");
  const [alone, taught, again, otherwise, distilled, untouched] = await Promise.all(Object.keys(runs).map(losses));
  expect(again).toEqual(taught);
  // A teacher whose losses have no weight changes nothing.
  expect(untouched).toEqual(alone);
  for (const other of [alone, otherwise, distilled]) expect(other).not.toEqual(taught);
});

test("a run reports its teacher, and can be resumed bit for bit with the same teacher only", async () => {
  const argv = [...student, at("teacher")];
  const whole = await runCli([...argv, "--run", at("whole")]);
  expect(whole.stdout).toMatch(/^teacher {2}wrn-10-1-Conv of .*teacher, attention transfer β 1000$/m);
  expect((await runCli([...argv, "--run", at("part"), "--steps", "4"])).code).toBe(0);
  await cp(at("part"), at("moved"), { recursive: true });
  await cp(at("teacher"), at("elsewhere"), { recursive: true });

  const wrong = await runCli(["train", "--resume", at("part"), "--teacher", at("other"), "--no-progress"]);
  expect(wrong.stderr).toMatch(
    /DataError: run: the teacher must be the one of .*config\.json \(wrn-10-1-Conv, [0-9a-f]{12}…\), got wrn-10-1-Conv, /,
  );
  expect((await runCli(["train", "--resume", at("part"), "--no-progress"])).code).toBe(0);
  expect(await resultsOf(at("part"))).toEqual(await resultsOf(at("whole")));
  expect((await runCli(["train", "--resume", at("moved"), "--teacher", at("elsewhere"), "--no-progress"])).code).toBe(0);
  expect(await losses("moved")).toEqual(await losses("whole"));
});

test("students that share a cache have the bits of students without one, and the teacher computes each batch once", async () => {
  const argv = [...student, at("teacher"), "--teacher-cache", at("cache")];
  const files = async (): Promise<string[]> => {
    const [only, ...more] = await readdir(at("cache"));
    expect(more).toEqual([]);
    return (await readdir(join(at("cache"), only!))).map((name) => join(at("cache"), only!, name));
  };
  expect((await runCli([...student, at("teacher"), "--run", at("uncached")])).code).toBe(0);
  expect((await runCli([...argv, "--steps", "3", "--run", at("first")])).code).toBe(0);
  const early = await files();
  expect((await runCli(["train", "--resume", at("first"), "--no-progress"])).code).toBe(0);
  const kept = await files();
  expect(kept).toEqual(expect.arrayContaining(early));
  const written = await Promise.all(kept.map(async (path) => (await stat(path)).ino));
  expect((await runCli([...argv, "--run", at("second")])).code).toBe(0);
  expect(await resultsOf(at("first"))).toEqual(await resultsOf(at("uncached")));
  expect(await resultsOf(at("second"))).toEqual(await resultsOf(at("uncached")));
  expect(await Promise.all((await files()).map(async (path) => (await stat(path)).ino))).toEqual(written);

  // A change of what is kept changes the student, so the second student did read it.
  for (const path of kept) {
    const bytes = await readFile(path);
    await writeFile(path, bytes.fill(0, bytes.length - 4 * 64));
  }
  expect((await runCli([...argv, "--run", at("misled")])).code).toBe(0);
  expect(await losses("misled")).not.toEqual(await losses("uncached"));
  await truncate(kept[0]!, 100);
  expect((await runCli([...argv, "--run", at("damaged")])).stderr).toMatch(/DataError: .*cache.*safetensors/);
});

describe("a teacher that does not fit is refused before anything is written", () => {
  test.each<[string, readonly string[], RegExp]>([
    ["absent", ["--teacher", "absent"], /DataError: run: .*absent must be readable, got ENOENT/],
    [
      "of other maps",
      ["--teacher", "teacher", "--depth", "16", "--attention-split", "2"],
      /ShapeError: attentionTransfer: student and teacher must have maps/,
    ],
    ["a cache without a teacher", ["--teacher-cache", "cache"], /ConfigError: train: --teacher-cache belongs to --teacher, got none/],
    ["without a teacher", ["--alpha", "0.5"], /ConfigError: train: --alpha belongs to --teacher, got none/],
  ])("%s", async (name, argv, message) => {
    const placed = argv.map((word) => (word === "teacher" ? at(word) : word));
    const { stderr, code } = await runCli([...tinyRun, ...placed, "--run", at(`refused-${name}`)]);
    expect(stderr).toMatch(message);
    expect(code).toBe(1);
    await expect(readFile(join(at(`refused-${name}`), "config.json"))).rejects.toThrow("ENOENT");
  });
});

test("--budget chooses the hyper-parameter, reports it, and refuses a budget that no network keeps", async () => {
  const argv = [...tinyRun, "--steps", "0", "--budget"];
  const { stderr, code } = await runCli([...argv, "9000", "--conv", "Generic", "--run", at("budget")]);
  expect(code).toBe(0);
  expect(stderr).toMatch(/^note: Generic_0\.1719: wrn-10-1-Generic_0\.1719 has 8,858 of 9,000 parameters$/m);
  expect(JSON.parse(await readFile(join(at("budget"), "config.json"), "utf8")).settings.conv).toBe("Generic_0.1719");
  const error = async (...more: string[]): Promise<string> => (await runCli([...argv, ...more])).stderr;
  expect(await error("9000")).toMatch(/--budget needs the family it is for, such as --conv TensorTrain, got no --conv/);
  expect(await error("9000", "--conv", "Butterfly")).toMatch(/budget: must be of a family with a hyper-parameter .*, got Butterfly/);
  expect(await error("900", "--conv", "Tucker")).toMatch(
    /budget: must be at least the [\d,]+ parameters of the smallest Tucker network, got 900/,
  );
  expect((await runCli([...tinyRun, "--conv", "Tucker"])).stderr).toMatch(
    /train: --conv takes Tucker as Tucker_<scale> .*; or give it a --budget/,
  );
});
