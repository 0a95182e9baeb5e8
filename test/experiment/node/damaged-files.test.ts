/**
 * Every file that the library reads, damaged in every way that a property can think of: reading gives the value, or an error of the library
 * that names the file, has a bounded length, and holds no character that a terminal obeys.
 */

import { mkdir, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { useBackend } from "../../../src/backend/active.ts";
import { createReferenceBackend } from "../../../src/backend/reference/reference-kernels.ts";
import { SeparableError } from "../../../src/core/errors.ts";
import { Random } from "../../../src/core/random.ts";
import { openCachedFolder, publishFolder } from "../../../src/data/node/cached-folder.ts";
import { readCifarFolder } from "../../../src/data/node/cifar-folder.ts";
import { convertPngPackage } from "../../../src/data/node/cifar-png.ts";
import { imageFacts } from "../../../src/experiment/data-facts.ts";
import { describeBackend } from "../../../src/experiment/node/start-backend.ts";
import { presets } from "../../../src/experiment/presets.ts";
import { checkRunConfig, configOf } from "../../../src/experiment/run-config.ts";
import { Residual, Sequential } from "../../../src/nn/combinators.ts";
import { Conv2d } from "../../../src/nn/conv2d.ts";
import { Flatten, MaxPool2d, ReLU } from "../../../src/nn/layers.ts";
import { Linear } from "../../../src/nn/linear.ts";
import { createLinear } from "../../../src/structured/create-convolution.ts";
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint, restoreTrainer } from "../../../src/train/checkpoint.ts";
import { decodeModel, encodeModel } from "../../../src/train/model-file.ts";
import { readCheckpointFile } from "../../../src/train/node/checkpoint-files.ts";
import { loadModel } from "../../../src/train/node/model-file.ts";
import { RunFolder } from "../../../src/train/node/run-folder.ts";
import { decodeSafetensors, encodeSafetensors } from "../../../src/train/safetensors.ts";
import { FixtureFolder } from "../../../src/verify/fixture-folder.ts";
import { damagedJson } from "../../arbitraries/damage.ts";
import { officialFiles, smallFormat, temporaryFolder } from "../../data/node/small-cifar.ts";
import { tinyConfig, tinyTraining } from "../../train/tiny-training.ts";

let folder: string;
beforeAll(() => useBackend(createReferenceBackend()));
afterAll(() => useBackend(undefined));
beforeEach(async () => {
  folder = await temporaryFolder();
});

/** Reads, and checks the error where reading throws one. @param named What the message must name. */
async function readsOrRefuses(read: () => unknown, named: string): Promise<void> {
  let error: unknown;
  try {
    await read();
  } catch (caught) {
    error = caught;
  }
  if (error === undefined) return;
  if (!(error instanceof SeparableError)) throw new Error("an error that is not the library's", { cause: error });
  expect(error.message).toContain(named);
  expect(error.message.length).toBeLessThan(1500);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that must not be there.
  expect(error.message).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
}

/** Puts each kind of damage in the place of a file and reads it. */
async function withstands(
  path: string,
  texts: fc.Arbitrary<string>,
  read: () => unknown,
  { numRuns = 100, named = basename(path) } = {},
): Promise<void> {
  const contents = fc.oneof(
    { weight: 8, arbitrary: texts },
    fc.uint8Array({ maxLength: 200 }),
    fc.constantFrom<"folder" | "none">("folder", "none"),
  );
  await fc.assert(
    fc.asyncProperty(contents, async (content) => {
      await rm(path, { recursive: true, force: true });
      if (content === "folder") await mkdir(path);
      else if (content !== "none") await writeFile(path, content);
      await readsOrRefuses(read, named);
    }),
    {
      numRuns,
      examples: [["folder"], ["none"], [""], ["7"], ["null"], ["[]"], ["{}"]],
    },
  );
}

const config = {
  separable: "0.1.0",
  preset: "quick",
  settings: JSON.parse(JSON.stringify(presets.quick)),
  classes: ["a", "b"],
  normalization: { mean: [0.5, 0.5, 0.5], std: [0.2, 0.2, 0.2] },
  input: { size: 32, resize: 32 },
  teacher: { network: "wrn-10-1", sha256: "00" },
  prolonged: [{ at: 1, from: 1, to: 2 }],
  environment: {
    node: "20.0.0",
    platform: "linux-x64",
    backend: { name: "wasm", threads: 2, simd: "relaxed", choice: { asked: "auto", reason: "x" } },
  },
};

/** What every reader of a configuration does with it. */
function useConfig(value: unknown, source: string): void {
  const checked = checkRunConfig(value, source);
  imageFacts(checked);
  describeBackend(checked.environment.backend);
  checked.teacher?.sha256.slice(0, 12);
  for (const { at, from, to } of checked.prolonged ?? []) expect([at, from, to].every(Number.isFinite)).toBe(true);
}

const metrics = {
  epoch: 1,
  trainLoss: 1,
  trainAccuracy: 0.5,
  testLoss: null,
  testAccuracy: 0.5,
  learningRate: 0.1,
  seconds: 1,
  testSeconds: 1,
  imagesPerSecond: 10,
  peakBytes: 100,
};

describe("the folder of a run", () => {
  test("config.json", async () => {
    const run = await RunFolder.create(join(folder, "run"), config);
    await withstands(join(run.path, "config.json"), damagedJson(config), async () =>
      useConfig(await (await RunFolder.open(run.path)).config(), "config.json"),
    );
  });

  test("metrics.jsonl", async () => {
    const run = await RunFolder.create(join(folder, "run"), config);
    const lines = fc
      .array(fc.oneof(fc.constant(JSON.stringify(metrics)), damagedJson(metrics), damagedJson({ ...metrics, epoch: 2 })), { maxLength: 3 })
      .map((all) => all.join("\n"));
    await withstands(join(run.path, "metrics.jsonl"), lines, async () => {
      for (const { trainLoss, testAccuracy } of (await RunFolder.open(run.path)).metrics) {
        expect(Number.isFinite(trainLoss)).toBe(true);
        expect(testAccuracy === null || Number.isFinite(testAccuracy)).toBe(true);
      }
    });
  });

  test("evaluation.json", async () => {
    const run = await RunFolder.create(join(folder, "run"), config);
    const evaluation = {
      epoch: 1,
      classes: ["a", "b"],
      count: 3,
      loss: 1,
      accuracy: 0.5,
      confusion: [
        [1, 0],
        [1, 1],
      ],
    };
    await withstands(join(run.path, "evaluation.json"), damagedJson(evaluation), async () => {
      const read = await run.evaluation();
      for (const row of read?.confusion ?? []) expect(row).toHaveLength(read!.classes.length);
    });
  });

  test("checkpoint.safetensors", () =>
    withstands(join(folder, "checkpoint.safetensors"), fc.string({ unit: "binary" }), () =>
      readCheckpointFile(join(folder, "checkpoint.safetensors")),
    ));
});

/** A file with other texts in its metadata, and the digest of what it then holds. Anybody can write such a file. */
async function forged(bytes: Uint8Array, name: string, text: string): Promise<Uint8Array> {
  const { tensors, metadata } = decodeSafetensors(bytes, "x");
  const { sha256: _, ...rest } = { ...metadata, [name]: text };
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", encodeSafetensors(tensors, rest) as Uint8Array<ArrayBuffer>));
  return encodeSafetensors(tensors, { ...rest, sha256: Buffer.from(digest).toString("hex") });
}

describe("the metadata of a checkpoint with the right digest", () => {
  test.each(["progress", "random", "config", "frozen"])("%s", async (name) => {
    const bytes = await encodeCheckpoint(tinyTraining(tinyConfig).trainer, config);
    const real = decodeSafetensors(bytes, "x").metadata[name] ?? '["conv.weight"]';
    await fc.assert(
      fc.asyncProperty(damagedJson(JSON.parse(real)), async (text) => {
        const file = await forged(bytes, name, text);
        const { trainer } = tinyTraining(tinyConfig);
        let checkpoint: Checkpoint | undefined;
        await readsOrRefuses(async () => {
          checkpoint = await decodeCheckpoint(file, "checkpoint.safetensors");
          restoreTrainer(trainer, checkpoint);
        }, "checkpoint.safetensors");
        if (checkpoint === undefined) return;
        expect(Number.isFinite(trainer.steps)).toBe(true);
        await readsOrRefuses(() => configOf(checkpoint!), "checkpoint.safetensors");
      }),
      { numRuns: 60 },
    );
  });

  test.each(["progress", "random", "config"])("without %s", async (name) => {
    const { tensors, metadata } = decodeSafetensors(await encodeCheckpoint(tinyTraining(tinyConfig).trainer, config), "x");
    const { [name]: _, ...rest } = metadata;
    const file = await forged(encodeSafetensors(tensors, rest), "note", "x");
    await expect(decodeCheckpoint(file, "a.safetensors")).rejects.toThrow(`checkpoint: a.safetensors must hold ${name}, got none`);
  });
});

describe("the metadata of a network's file", () => {
  const network = (): Sequential => {
    const build = { random: new Random(0) };
    return new Sequential(
      new Conv2d(3, 4, 3, build),
      new Residual(ReLU()),
      MaxPool2d({ kernel: 2 }),
      Flatten(),
      createLinear({ kind: "TensorTrain", scale: 0.5 }, 16, 8, build),
      new Linear(8, 2, build),
    );
  };

  test.each(["model", "classes", "normalization", "frozen"])("%s", async (name) => {
    const bytes = await encodeModel(network(), { classes: ["a", "b"], normalization: { mean: [0, 0, 0], std: [1, 1, 1] } });
    const { tensors, metadata } = decodeSafetensors(bytes, "x");
    await fc.assert(
      fc.asyncProperty(damagedJson(JSON.parse(metadata[name] ?? '["0.weight"]')), async (text) => {
        const file = encodeSafetensors(tensors, { ...metadata, [name]: text });
        await readsOrRefuses(() => decodeModel(file, "cat.safetensors"), "cat.safetensors");
      }),
      { numRuns: 100 },
    );
  });

  test("a file that is none", () =>
    withstands(join(folder, "cat.safetensors"), fc.string({ unit: "binary" }), () => loadModel(join(folder, "cat.safetensors")), {
      numRuns: 40,
    }));
});

describe("the files of data sets", () => {
  test("the manifest of the cache, and a file that it lists", async () => {
    const publish = (): Promise<void> =>
      publishFolder({
        cache: folder,
        name: "set",
        source: "test",
        files: ["a"],
        build: (partial) => writeFile(join(partial, "a"), "data"),
      });
    await publish();
    const path = join(folder, "set");
    const manifest = {
      version: 1,
      source: "test",
      files: { a: { bytes: 4, sha256: "3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7" } },
    };
    await withstands(join(path, "manifest.json"), damagedJson(manifest), async () => (await openCachedFolder(path))?.read("a"), {
      named: "cache: ",
    });
    await rm(path, { recursive: true });
    await publish();
    await withstands(join(path, "a"), fc.string(), async () => (await openCachedFolder(path))!.read("a"), { numRuns: 30 });
  });

  test("the list of labels in the npm package", () =>
    withstands(
      join(folder, "train_lables.json"),
      damagedJson([1, 2, 3]),
      () => convertPngPackage(smallFormat("cifar10"), folder, () => undefined),
      { numRuns: 60 },
    ));

  test.each(["data_batch_1.bin", "batches.meta.txt"])("%s of a folder of CIFAR", async (file) => {
    const format = smallFormat("cifar10");
    for (const [name, bytes] of officialFiles(format)) await writeFile(join(folder, name), bytes);
    await withstands(join(folder, file), fc.string({ unit: "binary" }), () => readCifarFolder(format, folder), { numRuns: 30 });
  });

  test("the expected numbers of verify", () =>
    withstands(join(folder, "counts.json"), damagedJson([{ a: [1, 2] }]), () => new FixtureFolder(folder).json("counts.json"), {
      numRuns: 60,
    }));
});
