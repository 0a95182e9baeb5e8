/** The network `fast` from the command line: training, resuming bit for bit, averaging, testing, predicting, and the search for a rate. */

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readCheckpointFile } from "../../src/train/node/checkpoint-files.ts";
import { jsonLines, runCli } from "./run-cli.ts";

let folder = "";
const at = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "separable-fast-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const machine = ["--backend", "wasm", "--threads", "1", "--no-progress"];
const images = ["--data", "synthetic", "--limit-train", "24", "--limit-test", "6", "--batch-size", "8"];
const recipe = [
  "--preset",
  "three-minutes",
  "--lookahead",
  "0.77",
  "--widths",
  "4,6,8",
  "--epochs",
  "2",
  "--augment",
  "translate:2,flip:alternating,mixup",
];

describe.each([
  ["SGD", ["--optimizer", "sgd"]],
  ["Muon", []],
])("with %s", (name, optimizer) => {
  test("a run that stops within an epoch resumes to the same bits, with Lookahead, alternating flips and mixup", async () => {
    const [whole, parts] = [at(`${name}-whole`), at(`${name}-parts`)];
    const train = (run: string, more: readonly string[]) =>
      runCli(["train", ...recipe, ...optimizer, ...images, ...machine, "--run", run, ...more]);
    const { code, stderr } = await train(whole, []);
    // Vitest runs TypeScript, which no worker of this Node does, and a note says so.
    expect([code, stderr.replaceAll(/^note: batches are prepared on the main thread: .*\n/gm, "")]).toEqual([0, ""]);
    expect((await train(parts, ["--steps", "4"])).code).toBe(0);
    expect((await runCli(["train", "--resume", parts, "--no-progress"])).code).toBe(0);
    const [one, other] = await Promise.all([whole, parts].map((run) => readCheckpointFile(join(run, "checkpoint.safetensors"))));
    expect(other!.model).toEqual(one!.model);
    expect(other!.training!.optimizer).toEqual(one!.training!.optimizer);
    // The whitening filters come in pairs of opposite sign, so a whitened layer cannot be a random one.
    const { data } = one!.model.get("whitening.weight")!;
    for (let i = 0; i < 144; i++) expect(data[144 + i]).toBe(-data[i]!);
  }, 120_000);
});

test("--ema changes no step, resumes to the same bits, and its average is tested beside the weights and by eval --averaged", async () => {
  const [plain, whole, parts] = [at("Muon-whole"), at("ema-whole"), at("ema-parts")];
  const train = (run: string, more: readonly string[]) =>
    runCli(["train", ...recipe, ...images, ...machine, "--ema", "0.9", "--run", run, ...more]);
  const { code, stdout } = await train(whole, []);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^recipe .*average of weights 0\.9/m);
  // The third of six steps is within the first epoch.
  expect((await train(parts, ["--steps", "2"])).code).toBe(0);
  expect((await runCli(["train", "--resume", parts, "--no-progress"])).code).toBe(0);
  const [without, one, other] = await Promise.all(
    [plain, whole, parts].map((run) => readCheckpointFile(join(run, "checkpoint.safetensors"))),
  );
  expect(one!.model).toEqual(without!.model);
  expect(other!.model).toEqual(one!.model);
  expect(other!.training!.optimizer).toEqual(one!.training!.optimizer);

  const [, last] = (await readFile(join(whole, "metrics.jsonl"), "utf8"))
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const evaluate = async (more: readonly string[]) =>
    jsonLines((await runCli(["eval", join(whole, "checkpoint.safetensors"), "--json", ...machine, ...more])).stdout)[0] as {
      loss: number;
      accuracy: number;
    };
  const [weights, averaged] = [await evaluate([]), await evaluate(["--averaged"])];
  expect(weights.loss).toBeCloseTo(last.testLoss, 6);
  expect(averaged.loss).toBeCloseTo(last.averagedTestLoss, 6);
  expect(averaged.accuracy).toBe(last.averagedTestAccuracy);
  expect(averaged.loss).not.toBeCloseTo(weights.loss, 4);
  const refused = await runCli(["eval", plain, "--averaged", ...machine]);
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("must hold an average of the weights, got none")]);
}, 120_000);

test("eval takes the run, its bare views and test-time augmentation; count and predict know the network", async () => {
  const run = at("SGD-whole");
  const evaluate = async (more: readonly string[]) =>
    jsonLines((await runCli(["eval", run, "--json", ...machine, ...more])).stdout)[0] as { loss: number; tta: boolean };
  const [plain, folded, views] = [await evaluate([]), await evaluate(["--fold"]), await evaluate(["--tta"])];
  expect(plain).toMatchObject({ network: "fast-4-6-8-Conv", count: 6 });
  expect(folded.loss).toBeCloseTo(plain.loss, 4);
  expect(views.loss).not.toBe(plain.loss);
  expect([plain, folded, views].map(({ tta }) => tta)).toEqual([false, false, true]);
  const { stdout } = await runCli(["count", "--network", "fast", "--widths", "4,6,8", "--conv", "Sep"]);
  expect(stdout).toContain("fast-4-6-8-Sep");
}, 60_000);

test("--find-rate prints a rate, writes its plot, and writes no run", async () => {
  const file = at("rate.svg");
  const argv = ["train", "--find-rate", file, "--steps", "12", ...recipe, ...images, ...machine];
  const { code, stdout } = await runCli([...argv, "--json"]);
  expect(code).toBe(0);
  const [found] = jsonLines(stdout) as unknown as [{ plot: string; points: { rate: number }[] }];
  expect(found.plot).toBe(file);
  expect(found.points[0]!.rate).toBeCloseTo(1e-4, 12);
  expect(await readFile(file, "utf8")).toMatch(/^<svg[\s\S]*Loss by learning rate[\s\S]*<\/svg>\s*$/);
  const { code: refused, stderr } = await runCli([...argv, "--run", at("x"), "--keep", "3"]);
  expect([refused, stderr]).toEqual([1, expect.stringContaining("--find-rate writes no run, got --run, --keep too")]);
}, 60_000);
