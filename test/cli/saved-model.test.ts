/**
 * Files that `saveModel` wrote, in the commands. The networks are linear maps of the mean colour, so that the right probabilities are a few
 * lines of arithmetic.
 */

import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encode } from "fast-png";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { initBackend } from "../../src/backend/active.ts";
import { Random } from "../../src/core/random.ts";
import { syntheticImages } from "../../src/data/synthetic.ts";
import { WideResNet } from "../../src/models/wide-resnet.ts";
import { Sequential } from "../../src/nn/combinators.ts";
import { GlobalAvgPool2d, ReLU } from "../../src/nn/layers.ts";
import { Linear } from "../../src/nn/linear.ts";
import type { ConvolutionFactory } from "../../src/structured/convolution-factory.ts";
import { parseConvolution } from "../../src/structured/convolution-text.ts";
import { convolutionFactory, Sep } from "../../src/structured/create-convolution.ts";
import type { ModelNotes } from "../../src/train/model-file.ts";
import { saveModel } from "../../src/train/node/model-file.ts";
import { decodeSafetensors, encodeSafetensors } from "../../src/train/safetensors.ts";
import { jsonLines, runCli } from "./run-cli.ts";

const classes = ["rouge", "vert", "bleu"];
// With these numbers, the brightest channel is not the likeliest class.
const normalization = { mean: [0.9, 0.1, 0.2], std: [0.5, 1, 0.25] };
const weight = [1, 0, 0, 0, 2, 0, 0, 0, 1];
const colour = [200, 100, 50];

let folder = "";
const at = (...path: string[]): string => join(folder, ...path);

/** softmax(W·(colour/255 − mean)/std) */
function expectedProbabilities({ mean, std }: { mean: readonly number[]; std: readonly number[] }): number[] {
  const z = colour.map((value, c) => (weight[4 * c]! * (value / 255 - mean[c]!)) / std[c]!);
  const powers = z.map(Math.exp);
  const total = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / total);
}

/** Commands end with no backend. */
const begin = () => initBackend(["reference"]);

/** W:[rows,3], whose first three rows are `weight` and whose other rows are zeros. */
async function saveLinear(path: string, notes: ModelNotes, rows = 3): Promise<void> {
  await begin();
  const network = new Sequential(GlobalAvgPool2d(), new Linear(3, rows, { random: new Random(0) }, { bias: false }));
  const [name] = [...network.state().keys()];
  network.loadState(new Map([[name!, { shape: [rows, 3], data: [...weight, ...new Array<number>(3 * rows - 9).fill(0)] }]]));
  await saveModel(path, network, notes);
}

const picture = (rgb: readonly number[]): Uint8Array =>
  encode({ width: 8, height: 8, channels: 3, depth: 8, data: Uint8Array.from({ length: 192 }, (_, i) => rgb[i % 3]!) });

/** A WideResNet of random weights as a file of `saveModel`. */
async function saveNetwork(path: string, options: { convolution?: ConvolutionFactory } = {}): Promise<WideResNet> {
  await begin();
  const network = new WideResNet({ depth: 10, width: 1, classes: 10, ...options }, { random: new Random(1) });
  await saveModel(path, network);
  return network;
}

describe("a network that saveModel wrote", () => {
  test("is compressed, converted, inspected and taught by without --network", async () => {
    const network = await saveNetwork(at("dense.safetensors"));
    const base = ["--threads", "1", "--no-progress"];
    const compressed = await runCli([
      ...["compress", at("dense.safetensors"), "--conv", "Sep", "--data", "synthetic", "--out", at("compressed"), "--no-evaluate"],
      ...["--json", ...base],
    ]);
    expect({ code: compressed.code, network: jsonLines(compressed.stdout)[0]!.network }).toEqual({ code: 0, network: "wrn-10-1-Conv" });
    expect(jsonLines(compressed.stdout)[0]!.parametersBefore).toBe(network.parameterCount());
    const run = await runCli(["convert", at("dense.safetensors"), at("converted")]);
    expect(run).toMatchObject({ code: 0, stdout: expect.stringContaining("wrn-10-1-Conv") });
    const onnx = await runCli(["convert", at("dense.safetensors"), at("dense.onnx")]);
    expect(onnx).toMatchObject({ code: 0, stdout: expect.stringContaining("wrn-10-1-Conv on [1,3,32,32]") });
    const taught = await runCli([
      ...["train", "--data", "synthetic", "--limit-train", "8", "--limit-test", "4", "--batch-size", "4", "--epochs", "1"],
      ...["--conv", "Sep", "--teacher", at("dense.safetensors"), "--run", at("taught"), ...base],
    ]);
    expect(taught.code).toBe(0);
    const config = JSON.parse(await readFile(at("taught", "config.json"), "utf8")) as { teacher: { network: string } };
    expect(config.teacher.network).toBe("wrn-10-1-Conv");
  });

  test("is inspected layer by layer, with specs of several windows too", async () => {
    await saveNetwork(at("windows.safetensors"), { convolution: convolutionFactory(parseConvolution("Generic_0.25x2")) });
    const { code, stdout } = await runCli(["inspect", "--checkpoint", at("windows.safetensors"), "--json"]);
    expect(code).toBe(0);
    const { layers } = jsonLines(stdout)[0] as unknown as { layers: { name: string }[] };
    expect(layers.some(({ name }) => name.startsWith("block1.0.layer.0.conv1"))).toBe(true);
  });

  test("keeps its description: options that describe it again are refused, and so is a network that no option names", async () => {
    await saveNetwork(at("again.safetensors"));
    const refused = await runCli(["convert", at("again.safetensors"), at("again.onnx"), "--network", "wrn", "--depth", "16"]);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("describes its network, got --network, --depth too") });
    const own = await runCli(["compress", at("whole.safetensors"), "--conv", "Sep", "--threads", "1", "--no-progress"]);
    expect(own).toMatchObject({ code: 1, stderr: expect.stringContaining("must be one of wrn, ") });
  });
});

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "separable-saved-"));
  await writeFile(at("picture.png"), picture(colour));
  await saveLinear(at("whole.safetensors"), { classes, normalization });
  await saveLinear(at("bare.safetensors"), {});
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const run = (command: string, file: string, ...argv: string[]) => runCli([command, at(file), ...argv, "--backend", "reference"]);

async function predicted(file: string, ...argv: string[]): Promise<Map<string, number>> {
  const { code, stdout, stderr } = await run("predict", file, at("picture.png"), "--input", "8", "--json", ...argv);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const [{ probabilities }] = jsonLines(stdout) as [{ probabilities: { class: string; probability: number }[] }];
  return new Map(probabilities.map((guess) => [guess.class, guess.probability]));
}

function expectProbabilities(got: Map<string, number>, names: readonly string[], by: Parameters<typeof expectedProbabilities>[0]): void {
  expect(got.size).toBe(names.length);
  for (const [k, p] of expectedProbabilities(by).entries()) expect(got.get(names[k]!)).toBeCloseTo(p, 5);
}

describe("predict", () => {
  test("reads the classes and the normalisation of the file, also beside options that say others", async () => {
    expectProbabilities(await predicted("whole.safetensors"), classes, normalization);
    const others = ["--mean", "0,0,0", "--std", "1,1,1"];
    expectProbabilities(await predicted("whole.safetensors", "--data", "cifar10", ...others), classes, normalization);
  });

  test("asks for what the file does not say, and takes it from options", async () => {
    const lacking = await run("predict", "bare.safetensors", at("picture.png"), "--input", "8");
    expect(lacking.stderr).toMatch(/ConfigError: predict: .*bare\.safetensors does not say how its images are normalised; give --mean and/);
    const unsized = await run("predict", "whole.safetensors", at("picture.png"));
    expect(unsized.stderr).toMatch(/ConfigError: predict: .*whole\.safetensors does not say how large its images are; .* --input 32/);
    const by = { mean: [0.1, 0.2, 0.3], std: [0.2, 0.4, 0.5] };
    expectProbabilities(await predicted("bare.safetensors", "--mean", by.mean.join(), "--std", by.std.join()), ["0", "1", "2"], by);
  });

  test("refuses options that describe the network, networks that are no classifiers, and other channels", async () => {
    const told = await run("predict", "whole.safetensors", at("picture.png"), "--input", "8", "--depth", "16");
    expect(told.stderr).toMatch(/ConfigError: predict: .* describes its network, got --depth too; leave out what the file describes/);
    await begin();
    await saveModel(at("maps.safetensors"), new Sequential(ReLU()), { normalization });
    const maps = await run("predict", "maps.safetensors", at("picture.png"), "--input", "8");
    expect(maps.stderr).toMatch(/DataError: predict: the network of .* must give logits \[1,classes\] for 1 images, got \[1,3/);
    await saveLinear(at("grey.safetensors"), { normalization: { mean: [0.5], std: [0.5] } });
    const grey = await run("predict", "grey.safetensors", at("picture.png"), "--input", "8");
    expect(grey.stderr).toMatch(/must take images of 3 channels, got a normalisation of 1/);
  });

  test("takes one of the four networks with the input size of its paper", async () => {
    await begin();
    const network = new WideResNet({ depth: 10, width: 1, classes: 3, convolution: Sep }, { random: new Random(0) });
    await saveModel(at("wide.safetensors"), network, { classes, normalization });
    const { stdout } = await run("predict", "wide.safetensors", at("picture.png"));
    expect(stdout).toMatch(/^network {2}WideResNet-Sep, [\d,]+ parameters, from .*\nimages {3}the middle, 32×32\n/);
    for (const name of classes) expect(stdout).toContain(name);
  });

  test("reads a file whose metadata other programs wrote under our keys as a state dict without a description", async () => {
    const { tensors } = decodeSafetensors(await readFile(at("bare.safetensors")), "bare");
    for (const metadata of [{ model: "resnet50" }, { model: "7", classes: "10", normalization: "imagenet" }, { model: "null" }]) {
      await writeFile(at("foreign.safetensors"), encodeSafetensors(tensors, { format: "pt", ...metadata }));
      const { stderr } = await run("predict", "foreign.safetensors", at("picture.png"));
      expect(stderr).toMatch(/must hold fc\.bias, of the classifier, got none/);
    }
  });
});

describe("eval", () => {
  const evaluated = async (file: string, ...argv: string[]): Promise<{ result: Record<string, unknown>; stderr: string }> => {
    const { stdout, stderr } = await run("eval", file, "--json", "--no-progress", ...argv);
    return { result: jsonLines(stdout)[0] ?? {}, stderr };
  };

  test("normalises a folder of images as the file says", async () => {
    for (const name of classes) {
      await mkdir(at("pictures", name), { recursive: true });
      await writeFile(at("pictures", name, "a.png"), picture(colour));
    }
    const { result } = await evaluated("whole.safetensors", "--data", at("pictures"), "--image-size", "8");
    const p = expectedProbabilities(normalization);
    const rows = result.classes as { class: string; accuracy: number }[];
    // Each class has one picture, and all pictures are equal.
    expect(rows.map((row) => [row.class, row.accuracy])).toEqual(classes.map((name, k) => [name, k === p.indexOf(Math.max(...p)) ? 1 : 0]));
    expect(result.loss).toBeCloseTo(-p.reduce((sum, each) => sum + Math.log(each), 0) / 3, 5);
  });

  test("normalises a data set that has a name as the file says, and notes other names of the classes", async () => {
    const letters = [..."abcdefghij"];
    await saveLinear(at("ten.safetensors"), { classes: letters, normalization }, 10);
    const { result, stderr } = await evaluated("ten.safetensors", "--data", "synthetic", "--limit-test", "3");
    const { test: split, classes: names } = syntheticImages({ trainCount: 1, testCount: 3, seed: 0 });
    const losses = [...split.labels].map((label, n) => {
      const means = [0, 1, 2].map(
        (c) => split.images.subarray((3 * n + c) * 1024, (3 * n + c + 1) * 1024).reduce((a, b) => a + b, 0) / 1024,
      );
      const z = letters.map((_, k) => (k < 3 ? (weight[4 * k]! * (means[k]! / 255 - normalization.mean[k]!)) / normalization.std[k]! : 0));
      return Math.log(z.map(Math.exp).reduce((a, b) => a + b)) - z[label]!;
    });
    expect(result.loss).toBeCloseTo(losses.reduce((a, b) => a + b) / 3, 5);
    expect(stderr).toContain(
      `ten.safetensors names its classes a, b, c, d, e, …, and the images are of ${names.slice(0, 5).join(", ")}, …`,
    );
  });

  test("refuses images of another number of classes", async () => {
    const { stderr } = await evaluated("whole.safetensors", "--data", "synthetic", "--limit-test", "2");
    expect(stderr).toMatch(/eval: the network of .* must tell apart the 10 classes of the images, got 3;/);
  });
});
