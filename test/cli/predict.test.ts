/** `predict` on files made of images whose pixels and classes are known, beside what `eval` says of the same network on the same images. */

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encode } from "fast-png";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { syntheticImages } from "../../src/data/synthetic.ts";
import { decodeSafetensors, encodeSafetensors } from "../../src/train/safetensors.ts";
import { jsonLines, runCli } from "./run-cli.ts";

const count = 30;

let folder = "";
let run = "";
let files: string[] = [];
let labels: readonly number[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "separable-predict-"));
  run = join(folder, "run");
  // Long enough to tell some classes from others.
  const training = "--data synthetic --limit-train 160 --limit-test 30 --batch-size 16 --epochs 4 --conv Sep --threads 1 --no-progress";
  await runCli(["train", "--run", run, ...training.split(" ")]);
  // The test images of `--data synthetic --limit-test 30`.
  const { test: split, classes } = syntheticImages({ trainCount: 1, testCount: count, seed: 0 });
  expect(classes).toHaveLength(10);
  labels = [...split.labels];
  files = await Promise.all(
    labels.map(async (_, n) => {
      const planar = split.images.subarray(n * 3072, (n + 1) * 3072);
      const data = Uint8Array.from({ length: 3072 }, (__, i) => planar[(i % 3) * 1024 + Math.floor(i / 3)]!);
      const path = join(folder, `${n}.png`);
      await writeFile(path, encode({ width: 32, height: 32, channels: 3, depth: 8, data }));
      return path;
    }),
  );
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Prediction {
  readonly image: string;
  readonly class: string;
  readonly probability: number;
  readonly probabilities: readonly { readonly class: string; readonly probability: number }[];
}

const predict = async (...argv: string[]): Promise<{ code: number; stdout: string; stderr: string }> =>
  runCli(["predict", "--threads", "1", ...argv]);

async function predictions(...argv: string[]): Promise<Prediction[]> {
  const { code, stdout, stderr } = await predict(...argv, "--json");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return jsonLines(stdout) as unknown as Prediction[];
}

async function expectError(argv: readonly string[], message: RegExp): Promise<void> {
  const { code, stdout, stderr } = await predict(...argv);
  expect(stderr).toMatch(message);
  expect(stderr).toMatch(/^separable: [A-Z]\w+Error: [^\n]+\n$/);
  expect({ code, stdout: stdout.split("\n").filter((line) => /%/.test(line)) }).toEqual({ code: 1, stdout: [] });
}

describe("images of the test set, as PNG files", () => {
  test.each([[["--no-fold"]], [[]]])("get the classes that eval gives them (%s)", async (fold) => {
    const evaluated = await runCli([
      "eval",
      "--run",
      run,
      "--threads",
      "1",
      "--limit-test",
      String(count),
      "--json",
      "--no-progress",
      ...(fold.length > 0 ? [] : ["--fold"]),
    ]);
    const [{ confusion, classes }] = jsonLines(evaluated.stdout) as [{ confusion: number[][]; classes: { class: string }[] }];
    const names = classes.map((row) => row.class);
    // Batches that do not divide the images.
    const got = await predictions("--checkpoint", run, "--batch-size", "7", ...fold, ...files);
    expect(got.map(({ image }) => image)).toEqual(files);
    const counted = names.map(() => names.map(() => 0));
    for (const [n, prediction] of got.entries()) counted[labels[n]!]![names.indexOf(prediction.class)]!++;
    expect(counted).toEqual(confusion);
    // A network that takes all for one would agree with anything.
    expect(new Set(got.map((prediction) => prediction.class)).size).toBeGreaterThan(1);
  });

  test("get the same probabilities up to rounding with and without folding, one by one or together, and these add up to one", async () => {
    const all = ["--checkpoint", run, "--top", "10"];
    const together = await predictions(...all, ...files.slice(0, 5));
    const plain = await predictions(...all, "--no-fold", ...files.slice(0, 5));
    const [alone] = await predictions(...all, files[4]!);
    for (const [n, { probabilities, ...first }] of together.entries()) {
      expect(probabilities[0]).toEqual({ class: first.class, probability: first.probability });
      const shares = probabilities.map(({ probability }) => probability);
      expect(shares).toEqual([...shares].sort((a, b) => b - a));
      expect(shares.reduce((a, b) => a + b)).toBeCloseTo(1, 5);
      const other = new Map(plain[n]!.probabilities.map((guess) => [guess.class, guess.probability]));
      expect(other.size).toBe(10);
      for (const guess of probabilities) expect(guess.probability).toBeCloseTo(other.get(guess.class)!, 5);
    }
    for (const guess of together[4]!.probabilities)
      expect(guess.probability).toBeCloseTo(alone!.probabilities.find((same) => same.class === guess.class)!.probability, 5);
  });

  test("get the same classes by the older names of the run", async () => {
    const expected = await predictions(run, files[0]!);
    for (const option of ["--checkpoint", "--run"]) expect(await predictions(option, run, files[0]!)).toEqual(expected);
  });

  test("are printed with their most probable classes and bars", async () => {
    const { stdout } = await predict("--checkpoint", run, "--top", "2", ...files.slice(0, 2));
    expect(stdout).toMatch(/^network {2}wrn-10-1-Sep, [\d,]+ parameters, from .*best\.safetensors\nimages {3}the middle, 32×32\n/);
    const rows = "(?: {2}[a-z ]+? +\\d+\\.\\d % *[█▏▎▍▌▋▊▉]*\\n){2}";
    expect(stdout).toMatch(new RegExp(`\\n\\n${files[0]}\\n${rows}\\n${files[1]}\\n${rows}$`));
  });
});

test("options describe the network of a checkpoint without a configuration, and its classes have numbers where no name is known", async () => {
  const { tensors } = decodeSafetensors(await readFile(join(run, "best.safetensors")), "best");
  const model = [...tensors].filter(([name]) => name.startsWith("model/")).map(([name, value]) => [name.slice(6), value] as const);
  const bare = join(folder, "bare.safetensors");
  await writeFile(bare, encodeSafetensors(new Map(model)));
  const told = ["--checkpoint", bare, "--network", "wrn", "--depth", "10", "--conv", "Sep"];
  expect(await predictions(...told, "--data", "synthetic", files[0]!)).toEqual(await predictions("--checkpoint", run, files[0]!));
  // Of another data set, other names; of one that does not fit, none.
  expect(
    (await predictions(...told, "--data", "cifar10", "--top", "10", files[0]!))[0]!.probabilities.map((guess) => guess.class),
  ).toContain("frog");
  const numbers = (await predictions(...told, "--data", "cifar100", "--top", "10", files[0]!))[0]!.probabilities;
  expect(numbers.map((guess) => guess.class).sort()).toEqual([..."0123456789"]);
  await expectError(
    ["--checkpoint", bare, "--conv", "Conv", files[0]!],
    /StateError: checkpoint .*bare\.safetensors: the state must fit the network/,
  );
});

describe("an image that cannot be decoded", () => {
  let bad: readonly (readonly [file: string, message: RegExp])[] = [];
  beforeAll(async () => {
    const [text, cut, absent] = ["text.png", "cut.png", "absent.png"].map((name) => join(folder, name)) as [string, string, string];
    await writeFile(text, "no image");
    await writeFile(cut, (await readFile(files[0]!)).subarray(0, 900));
    bad = [
      [text, /^image: .*text\.png must be a PNG, a JPEG or a WebP image, got a file that begins 6e6f2069/],
      [cut, /^image: .*cut\.png must be a whole PNG, JPEG or WebP image, got /],
      [absent, /^image: .*absent\.png must be readable, got ENOENT/],
    ];
  });

  test("is named on stderr, the others are classified, and the exit code is 1", async () => {
    for (const [file, message] of bad) {
      const { code, stdout, stderr } = await predict(run, files[0]!, file, files[1]!);
      expect(code).toBe(1);
      const [error, note, end] = stderr.split("\n");
      expect(error!.replace("separable: DataError: ", "")).toMatch(message);
      expect([note, end]).toEqual(["note: 1 of 3 images could not be read", ""]);
      expect(stdout.split("\n").filter((line) => files.includes(line))).toEqual([files[0], files[1]]);
    }
  });

  test("has its error in the place of its prediction under --json, and changes no other line", async () => {
    const alone = await predictions(run, ...files.slice(0, 2));
    const mixed = await predict(run, "--json", "--batch-size", "2", bad[0]![0], files[0]!, bad[1]![0], bad[2]![0], files[1]!);
    expect({ code: mixed.code, stderr: mixed.stderr }).toEqual({ code: 1, stderr: "" });
    const failure = (n: number): object => ({
      image: bad[n]![0],
      error: { name: "DataError", message: expect.stringMatching(bad[n]![1]) },
    });
    const close = ({ image, class: name, probability }: Prediction): object =>
      expect.objectContaining({ image, class: name, probability: expect.closeTo(probability, 5) });
    expect(jsonLines(mixed.stdout)).toEqual([failure(0), close(alone[0]!), failure(1), failure(2), close(alone[1]!)]);
  });
});

describe("refuses", () => {
  test("a call without a run or without images, and a network with NaN", async () => {
    await expectError([], /ConfigError: predict: needs one run, as its first argument, got none; write separable predict runs/);
    await expectError(["--checkpoint", run], /ConfigError: predict: needs images after the run, got none/);
    await expectError([run], /ConfigError: predict: needs images after the run, got none/);
    await expectError(["--checkpoint", run, "--run", run, files[0]!], /ConfigError: predict: needs one run, as its first argument, got /);
    await expectError(
      ["--checkpoint", run, "--top", "0", files[0]!],
      /ConfigError: predict: --top must be an integer in \[1, 1000000\], got "0"/,
    );
    await expectError(["--checkpoint", join(folder, "absent"), files[0]!], /DataError: run: .*absent must be readable, got ENOENT/);
  });
});
