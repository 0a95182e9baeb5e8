/** The commands on folders of pictures that the test writes. The classes differ in colour, so that few steps tell them apart. */

import { cp, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encode } from "fast-png";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Random } from "../../src/core/random.ts";
import type { RunConfig } from "../../src/experiment/run-config.ts";
import { readCheckpointFile } from "../../src/train/node/checkpoint-files.ts";
import { writeFolder } from "../data/node/picture-folder.ts";
import { decodeModel } from "../interchange/onnx/onnx-schema.ts";
import { ProgramProcess } from "./program-process.ts";
import { jsonLines, resultsOf, runCli } from "./run-cli.ts";

let folder = "";
const at = (...path: string[]): string => join(folder, ...path);

/** A picture whose channel `bright` is bright, and all others dark. */
function pixels(bright: number, seed: number, width: number, height: number): Uint8Array {
  const random = new Random(seed);
  return Uint8Array.from({ length: width * height * 3 }, (_, i) => (i % 3 === bright ? 170 : 30) + random.integer(60));
}

async function writePictures(root: string, names: readonly string[], count: number, below = "", side = 12): Promise<void> {
  const files: Record<string, Uint8Array> = {};
  for (const [k, name] of names.entries())
    for (let i = 0; i < count; i++) {
      const [width, height] = [side + (i % 3), side + ((i + k) % 2)];
      const data = pixels(k % 3, 1000 * k + i, width, height);
      files[`${below}${name}/${i}.${side < 100 ? "png" : "jpg"}`] =
        side < 100
          ? encode({ width, height, channels: 3, depth: 8, data })
          : await sharp(data, { raw: { width, height, channels: 3 } })
              .jpeg()
              .toBuffer();
    }
  await writeFolder(root, files);
}

const succeed = async (...argv: string[]): Promise<{ stdout: string; stderr: string }> => {
  const { code, stdout, stderr } = await runCli(argv);
  expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
  return { stdout, stderr };
};

const fail = async (message: RegExp, ...argv: string[]): Promise<void> => {
  const { code, stderr } = await runCli(argv);
  expect(code).not.toBe(0);
  expect(stderr).toMatch(message);
};

const machine = ["--backend", "wasm", "--threads", "1", "--no-progress"];
const small = ["--batch-size", "8", "--image-size", "8", "--augment", "flip", ...machine];
const configOf = async (run: string): Promise<RunConfig> => JSON.parse(await readFile(join(run, "config.json"), "utf8"));

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "separable-own-"));
  await writePictures(at("pictures"), ["red", "green", "blue"], 8);
  await succeed("train", "--data", at("pictures"), "--run", at("run"), "--epochs", "4", ...small);
}, 120_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("a run on a folder of pictures", () => {
  test("records its classes, its normalisation, its size and its files", async () => {
    const { classes, normalization, input, fingerprint, settings } = await configOf(at("run"));
    expect(classes).toEqual(["blue", "green", "red"]);
    expect(input).toEqual({ size: 8, resize: 8 });
    expect(fingerprint).toMatch(/^[0-9a-f]{64}$/);
    expect(settings).toMatchObject({ data: at("pictures"), imageSize: 8 });
    // Each channel is bright in a third of the pictures: 199.5 against 59.5 twice, on average.
    for (const mean of normalization!.mean) expect(mean).toBeCloseTo((199.5 + 2 * 59.5) / 3 / 255, 1);
    const checkpoint = await readCheckpointFile(at("run", "checkpoint.safetensors"));
    expect(checkpoint.config).toMatchObject({ classes, normalization, input });
  });

  test("predicts its own classes, without the folder", async () => {
    await cp(at("pictures", "green", "1.png"), at("g.png"));
    await rename(at("pictures"), at("away"));
    try {
      const { stdout } = await succeed("predict", "--checkpoint", at("run"), "--threads", "1", "--json", at("g.png"));
      const [{ probabilities }] = jsonLines(stdout) as [{ probabilities: { class: string }[] }];
      expect(probabilities.map((guess) => guess.class).sort()).toEqual(["blue", "green", "red"]);
    } finally {
      await rename(at("away"), at("pictures"));
    }
  });

  test("is tested on its own test images, and on all images of another folder, whose classes may be fewer", async () => {
    const tested = async (...data: string[]): Promise<Record<string, unknown>> =>
      jsonLines((await succeed("eval", "--run", at("run"), "--json", ...machine, ...data)).stdout)[0]!;
    const own = await tested();
    const { evaluation } = { evaluation: JSON.parse(await readFile(at("run", "evaluation.json"), "utf8")) };
    // round(0.2 · 8) images of each of the three classes.
    expect(own).toMatchObject({ count: 6, accuracy: evaluation.accuracy });
    await writePictures(at("others"), ["red", "green"], 3);
    const other = await tested("--data", at("others"));
    expect(other.count).toBe(6);
    expect((other.classes as { images: number }[]).map(({ images }) => images)).toEqual([0, 3, 3]);
    await writePictures(at("strange"), ["red", "yellow"], 2);
    await fail(
      /must be one of 3 classes \(blue, green, red\), got yellow/,
      "eval",
      "--run",
      at("run"),
      "--data",
      at("strange"),
      ...machine,
    );
  });

  test("is tested without its configuration, when the normalisation is given", async () => {
    await succeed("convert", at("run"), at("bare.safetensors"));
    const { normalization } = await configOf(at("run"));
    const bare = [
      "eval",
      "--checkpoint",
      at("bare.safetensors"),
      "--data",
      at("pictures"),
      "--image-size",
      "8",
      "--batch-size",
      "8",
      "--json",
      ...machine,
    ];
    await fail(/names the classes only, and .*bare.safetensors does not say how its images are normalised; give --mean and --std/, ...bare);
    const given = ["--mean", normalization!.mean.join(), "--std", normalization!.std.join()];
    const [result] = jsonLines((await succeed(...bare, ...given)).stdout);
    const [whole] = jsonLines(
      (await succeed("eval", "--run", at("run"), "--data", `${at("pictures")}/`, "--test-share", "1", "--json", ...machine)).stdout,
    );
    expect(result).toMatchObject({ count: 24, loss: whole!.loss, accuracy: whole!.accuracy });
  });

  test("is reported, and compressed into a run that keeps what it knows", async () => {
    await succeed("report", at("run"), "--out", at("report"), "--time", "2", "--no-progress");
    expect(await readFile(at("report", "error-milliseconds.svg"), "utf8")).toContain("Milliseconds of a training step (measured)");
    expect(await readFile(at("report", "index.html"), "utf8")).toContain("green");
    const compressed = ["--checkpoint", at("run"), "--conv", "Sep", "--out", at("compressed"), "--evaluate", "--no-progress"];
    const { stdout } = await succeed("compress", ...compressed, "--threads", "1");
    expect(stdout).toMatch(/on 6 images of pictures/);
    const { classes, normalization, input } = await configOf(at("run"));
    expect(await configOf(at("compressed"))).toMatchObject({ classes, normalization, input });
  });

  test("becomes an ONNX file that carries classes and normalisation", async () => {
    await succeed("convert", at("run"), at("net.onnx"));
    const { classes, normalization, input } = await configOf(at("run"));
    const entries = decodeModel(await readFile(at("net.onnx"))).metadataProps.map(({ key, value }) => [key, JSON.parse(value)]);
    expect(Object.fromEntries(entries)).toEqual({ classes, normalization, input });
  });

  test("is described by data", async () => {
    const { stdout } = await succeed("data", "--name", at("pictures"), "--image-size", "8", "--json", "--no-progress");
    const { mean, std } = (await configOf(at("run"))).normalization!;
    expect(jsonLines(stdout)[0]).toMatchObject({
      train: 18,
      test: 6,
      classes: ["blue", "green", "red"],
      mean,
      std,
      measured: { mean, std },
    });
  });

  test("leaves out images that cannot be decoded if it was told to, and its tests do so too", async () => {
    await cp(at("pictures"), at("spoilt"), { recursive: true });
    // Files of the splits that the sound folder has, so that the test set stays as it was.
    await writeFile(at("spoilt", "red", "zz.png"), "no image");
    const options = ["--data", at("spoilt"), "--run", at("skipped"), "--epochs", "1", ...small];
    await fail(/zz\.png.* leave it out by --on-bad-image skip/, "train", ...options);
    await fail(/on-bad-image must be one of error, skip, got "ignore"/, "train", ...options, "--on-bad-image", "ignore");
    await fail(/on-bad-image belongs to --data with a folder of images/, "train", "--data", "synthetic", "--on-bad-image", "skip");
    const { stderr } = await succeed("train", ...options, "--on-bad-image", "skip");
    expect(stderr).toMatch(/left out 1 of 25 images, which cannot be decoded: .*zz\.png/);
    const [tested] = jsonLines((await succeed("eval", "--run", at("skipped"), "--json", ...machine)).stdout);
    expect(tested).toMatchObject({ accuracy: JSON.parse(await readFile(at("skipped", "evaluation.json"), "utf8")).accuracy });
    const described = await succeed("data", "--name", at("spoilt"), "--on-bad-image", "skip", "--json", "--no-progress");
    const [{ train, test: tests }] = jsonLines(described.stdout) as [{ train: number; test: number }];
    expect(train + tests).toBe(24);
  });

  test("is a run of a sweep, whose file says where the folder lies", async () => {
    const settings = { data: "./pictures", epochs: 1, batchSize: 8, imageSize: 8, augment: "none", mean: [0.5, 0.5, 0.5], std: [1, 1, 1] };
    await writeFile(at("grid.json"), JSON.stringify({ settings, convolutions: ["LR"], budgets: [60_000], seeds: [1] }));
    const { stdout } = await succeed("sweep", at("grid.json"), "--dry-run", "--json");
    expect(JSON.stringify(jsonLines(stdout))).toMatch(/LR_/);
  });
});

describe("--resume", () => {
  test("needs the same files, which may lie elsewhere", async () => {
    await writePictures(at("before"), ["red", "green"], 4);
    await succeed("train", "--data", at("before"), "--run", at("stopped"), "--epochs", "2", "--steps", "1", ...small);
    await writePictures(at("before"), ["red", "green"], 5);
    await fail(
      /the images in .*before must be those with which .*config.json was written/,
      "train",
      "--resume",
      at("stopped"),
      "--no-progress",
    );
    await rm(at("before", "red", "4.png"));
    await rm(at("before", "green", "4.png"));
    await rename(at("before"), at("after"));
    await fail(/before must be a folder of images, got no such folder/, "train", "--resume", at("stopped"), "--no-progress");
    await fail(/got --data too; leave out/, "train", "--resume", at("stopped"), "--data", "cifar10", "--no-progress");
    await succeed("train", "--resume", at("stopped"), "--data", at("after"), "--no-progress");
    await succeed("train", "--data", at("after"), "--run", at("unbroken"), "--epochs", "2", ...small);
    expect(await resultsOf(at("stopped"))).toEqual(await resultsOf(at("unbroken")));
  });

  test("prolongs a run with --epochs, and says what becomes of its schedule", async () => {
    await cp(at("run"), at("longer"), { recursive: true });
    const { stderr, stdout } = await succeed("train", "--resume", at("longer"), "--epochs", "6", "--no-progress");
    // One cycle of 4 epochs has a rate of 0 at its end. One of 6 epochs has (6 − 4)/(6 − 1.38) of its peak there, or less.
    expect(stderr).toMatch(
      /the run has 6 epochs now instead of 4; the one-cycle schedule is that of 6 epochs from here on: the rate after epoch 4 is 0\.0\d+ instead of \S+, and the schedule ends at epoch 6/,
    );
    expect(stdout).toMatch(/epoch 6\/6/);
    const config = await configOf(at("longer"));
    expect(config.settings.epochs).toBe(6);
    expect(config.prolonged).toEqual([{ at: 4, from: 4, to: 6 }]);
    await succeed("train", "--resume", at("longer"), "--no-progress");
    await fail(
      /--epochs must be at least the 6 epochs that the run has finished, got 5/,
      "train",
      "--resume",
      at("longer"),
      "--epochs",
      "5",
    );
  });
});

describe("--init-from", () => {
  test("takes all weights where the classes are the same", async () => {
    await writePictures(at("same"), ["red", "green", "blue"], 4);
    const argv = ["--init-from", at("run"), "--data", at("same"), "--run", at("tuned"), "--steps", "0", "--augment", "none", ...machine];
    const { stderr } = await succeed("train", ...argv);
    expect(stderr).toMatch(/the weights are those of .*run.*, with its classifier: the classes are the same/);
    const [before, after] = [
      await readCheckpointFile(at("run", "best.safetensors")),
      await readCheckpointFile(at("tuned", "checkpoint.safetensors")),
    ];
    expect(after.model).toEqual(before.model);
    const [was, is] = [await configOf(at("run")), await configOf(at("tuned"))];
    // The weights were trained on images of this size and normalisation.
    expect(is).toMatchObject({ input: was.input, normalization: was.normalization, initialised: { sha256: before.sha256, fresh: [] } });
  });

  test("takes a new classifier where the classes differ, of the initialisation of the seed", async () => {
    await writePictures(at("two"), ["cyan", "green"], 4);
    const tuned = ["--data", at("two"), "--steps", "0", "--seed", "5", "--augment", "none", "--image-size", "8", ...machine];
    const { stderr } = await succeed("train", "--init-from", at("run"), "--run", at("tuned2"), ...tuned);
    expect(stderr).toMatch(/without its classifier of 3 classes: the classifier of the 2 classes here begins anew \(fc.weight, fc.bias\)/);
    await succeed("train", "--run", at("fresh"), ...tuned);
    const model = async (run: string, which = "checkpoint") => (await readCheckpointFile(at(run, `${which}.safetensors`))).model;
    const [source, result, fresh] = [await model("run", "best"), await model("tuned2"), await model("fresh")];
    for (const [name, value] of result) expect(value, name).toEqual(name.startsWith("fc.") ? fresh.get(name) : source.get(name));
  });

  test("takes a new classifier where as many classes have other names", async () => {
    await writePictures(at("renamed"), ["red", "green", "violet"], 3);
    const argv = ["--data", at("renamed"), "--run", at("tuned3"), "--steps", "0", "--augment", "none", ...machine];
    expect((await succeed("train", "--init-from", at("run"), ...argv)).stderr).toMatch(/without its classifier of 3 classes/);
  });

  test("refuses another network", async () => {
    const argv = ["--init-from", at("run"), "--data", at("pictures"), "--run", at("none"), "--depth", "16", ...machine];
    await fail(
      /--init-from must be of the same network, got wrn-10-1-Conv in .* for wrn-16-1-Conv; leave out --network, --depth/,
      "train",
      ...argv,
    );
  });
});

describe("the layout of ImageNet", () => {
  const train = (run: string, ...argv: string[]): Promise<{ code: number | null; stderr: string }> =>
    new ProgramProcess(["train", "--json", "--no-progress", "--run", run, ...argv], { cwd: folder }).ended;

  beforeAll(async () => {
    await writePictures(at("imagenet"), ["n01", "n02"], 4, "train/", 224);
    await writePictures(at("imagenet"), ["n01", "n02"], 1, "val/", 230);
  });

  test("trains the paper's MobileNetV2, decoded by workers, and resumes it in the middle of an epoch, bit for bit", async () => {
    const recipe = [
      "--preset",
      "paper-mobilenet-v2",
      "--data",
      "./imagenet",
      "--epochs",
      "1",
      "--batch-size",
      "2",
      "--backend",
      "wasm",
      "--threads",
      "1",
    ];
    expect(await train("m1", ...recipe)).toEqual({ code: 0, stderr: "" });
    expect(await train("m2", ...recipe, "--steps", "2")).toEqual({ code: 0, stderr: "" });
    const resumed = new ProgramProcess(["train", "--json", "--no-progress", "--resume", "m2"], { cwd: folder });
    expect(await resumed.ended).toEqual({ code: 0, stderr: "" });
    expect(await resultsOf(at("m2"))).toEqual(await resultsOf(at("m1")));
    expect(await configOf(at("m1"))).toMatchObject({
      settings: { augment: "resized-crop,flip", imageSize: 224 },
      input: { size: 224, resize: 256 },
      normalization: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
    });
  }, 300_000);
});

test.each([
  [
    ["--data", "pictures"],
    /--data must be one of cifar10, cifar100, synthetic, or the path of a folder of images such as .\/pictures, got "pictures"/,
  ],
  [["--data", "cifar10", "--image-size", "32"], /--image-size belongs to --data with a folder of images, got --data cifar10/],
  [["--data", "cifar10", "--augment", "resized-crop"], /--augment resized-crop belongs to --data with a folder of images/],
  [["--data", "./x", "--folder", "./y"], /--folder has no use with --data .\/x/],
  [["--data", "./x", "--mean", "1,2"], /--mean must be three numbers in \[-1000000000000, 1000000000000\], separated by commas, got "1,2"/],
  [["--data", "./x", "--std", "1,0,1"], /--std must be three numbers in \(0, 1000000000000\], separated by commas, got "1,0,1"/],
  [
    ["--data", "./x", "--network", "darts", "--image-size", "33"],
    /must be able to take images of 33×33 pixels, got: .*; try --image-size 36/,
  ],
  [["--data", "./nowhere"], /nowhere must be a folder of images, got no such folder/],
])("train refuses %j", async (argv, message) => {
  await fail(message, "train", "--run", at("refused"), ...machine, ...argv);
});
