import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ConfigError, DataError } from "../../../src/core/errors.ts";
import { Random } from "../../../src/core/random.ts";
import { alternatingFlips } from "../../../src/data/alternating-flips.ts";
import { augmentImage, createAugmenter } from "../../../src/data/augment.ts";
import type { Batch, EpochOptions } from "../../../src/data/batches.ts";
import { isStreamed, type StreamedDataset } from "../../../src/data/dataset.ts";
import { mixStream, mixUp } from "../../../src/data/mixup.ts";
import { decodeImage } from "../../../src/data/node/decode-image.ts";
import { imageFolder } from "../../../src/data/node/image-folder.ts";
import { prefetchBatches } from "../../../src/data/node/prefetch-batches.ts";
import type { PrefetchOptions } from "../../../src/data/node/prefetch-options.ts";
import { randomRegion } from "../../../src/data/resized-crop.ts";
import { compileData } from "./compiled-data.ts";
import { classesOf, picture, writeFolder } from "./picture-folder.ts";
import { temporaryFolder } from "./small-cifar.ts";
import { watchWorkers } from "./watch-workers.ts";

let compiled: ReturnType<typeof compileData>;
let workerUrl: URL;
beforeAll(() => {
  compiled = compileData();
  workerUrl = pathToFileURL(join(compiled.folder, "data/node/decode-worker.js"));
});
afterAll(() => compiled.remove());

/** Fails the test when the workers were not used. */
const insistOnWorkers = (reason: string): void => {
  throw new Error(`fell back to the main thread: ${reason}`);
};

async function collect(batches: AsyncIterable<Batch>): Promise<Batch[]> {
  const all: Batch[] = [];
  for await (const batch of batches) all.push(batch);
  return all;
}

/** 2 classes with 22 pictures for training in two formats, and 6 for the test. */
async function dataset(size = 8, resize = 9): Promise<StreamedDataset> {
  const root = await temporaryFolder();
  await writeFolder(root, { ...classesOf(["a", "b"], 10, "train/"), ...classesOf(["a", "b"], 3, "val/", 500) });
  await writeFolder(root, { "train/a/x.jpg": await picture(77, 30, 20, "jpeg"), "train/b/x.webp": await picture(78, 20, 30, "webp") });
  const found = await imageFolder(root, { size, resize, storage: "stream", onNote: () => undefined });
  if (!isStreamed(found)) throw new Error("in memory");
  return found;
}

const recipe: EpochOptions = { batchSize: 9, seed: 5, epoch: 3, shuffle: true, augment: { resizedCrop: true, flip: true } };
const batches = (data: StreamedDataset, options: PrefetchOptions = recipe) =>
  prefetchBatches(data, "train", { onMainThread: insistOnWorkers, workerUrl, ...options });

describe("the batches of a streamed set", () => {
  it("hold every image once, each with the pixels that the definition gives", async () => {
    const data = await dataset();
    const all = await collect(batches(data));
    expect(all.map(({ index, count }) => [index, count])).toEqual([
      [0, 9],
      [1, 9],
      [2, 4],
    ]);
    // The oracle is written from the rules: the order is stream 0 of the epoch, and an image's stream is 1 + its position in the split.
    const stream = new Random(5).fork(3);
    const order = stream.fork(0).permutation(22);
    const augmenter = createAugmenter({ ...data, augment: { flip: true } });
    const expected = new Float32Array(22 * 192);
    for (const [n, image] of order.entries()) {
      const random = stream.fork(1 + image);
      const region = (width: number, height: number) => randomRegion(width, height, random);
      const pixels = await decodeImage(data.train.paths[image]!, { size: 8, region });
      augmentImage(augmenter, pixels, 0, expected, n * 192, random);
    }
    expect(Float32Array.from(all.flatMap(({ images }) => [...images]))).toEqual(expected);
    expect(all.flatMap(({ labels }) => [...labels])).toEqual(Array.from(order, (image) => data.train.labels[image]));
  });

  it("do not depend on the number of workers, on what was prepared before, or on the thread", async () => {
    const data = await dataset();
    const reference = await collect(batches(data, { ...recipe, workers: 1 }));
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 3 }), fc.nat(3), async (workers, depth, startBatch) => {
        const got = await collect(batches(data, { ...recipe, workers, depth, startBatch }));
        expect(got).toEqual(reference.slice(startBatch));
      }),
      { numRuns: 6 },
    );
    const reasons: string[] = [];
    const nowhere = pathToFileURL(join(compiled.folder, "nowhere.js"));
    const own = batches(data, { ...recipe, workerUrl: nowhere, onMainThread: (reason) => void reasons.push(reason) });
    expect(await collect(own)).toEqual(reference);
    expect(reasons).toHaveLength(1);
  });

  it("change with the epoch and the seed", async () => {
    const data = await dataset();
    const reference = await collect(batches(data));
    expect(await collect(batches(data, { ...recipe, epoch: 4 }))).not.toEqual(reference);
    expect(await collect(batches(data, { ...recipe, seed: 6 }))).not.toEqual(reference);
  });

  it("are mirrored in every other epoch, and then mixed", async () => {
    const data = await dataset();
    const shown = (epoch: number, mixup: number) =>
      collect(batches(data, { ...recipe, epoch, augment: { flip: "alternating", ...(mixup > 0 && { mixup }) } }));
    for (const epoch of [3, 4]) {
      const [plain, mixed] = [await shown(epoch, 0), await shown(epoch, 0.4)];
      const order = [...new Random(5).fork(epoch).fork(0).permutation(22)];
      const augmenter = createAugmenter({ ...data, augment: { flip: "alternating" } });
      const expected = new Float32Array(192);
      const isMirrored = alternatingFlips(5, epoch);
      for (const { index, count, images, mixed: none } of plain) {
        expect(none).toBeUndefined();
        for (let n = 0; n < count; n++) {
          const image = order[9 * index + n]!;
          const pixels = await decodeImage(data.train.paths[image]!, { size: 8, resize: 9 });
          augmentImage(augmenter, pixels, 0, expected, 0, new Random(0), isMirrored(image));
          expect(images.slice(n * 192, (n + 1) * 192)).toEqual(expected);
        }
      }
      for (const [index, { images, labels, mixed: own }] of mixed.entries()) {
        const originals = plain[index]!;
        const whole = originals.images.slice();
        expect(own).toEqual(mixUp(whole, originals.labels, 0.4, mixStream(5, epoch, index)));
        expect(images).toEqual(whole);
        expect(labels).toEqual(originals.labels);
      }
    }
  });

  it("show the middle of the test images, and the same in every epoch", async () => {
    const data = await dataset();
    const test = (epoch: number) => collect(prefetchBatches(data, "test", { batchSize: 6, seed: 0, epoch, workerUrl }));
    const [batch] = await test(0);
    const augmenter = createAugmenter(data);
    const expected = new Float32Array(6 * 192);
    for (const [n, path] of data.test.paths.entries())
      augmentImage(augmenter, await decodeImage(path, { size: 8, resize: 9 }), 0, expected, n * 192, new Random(0));
    expect(batch!.images).toEqual(expected);
    expect(await test(1)).toEqual([batch]);
  });

  it("are at most depth ahead of the one in use, and a caller that leaves ends all workers", async () => {
    const data = await dataset();
    const counts = watchWorkers();
    for await (const batch of batches(data, { ...recipe, batchSize: 2, workers: 3 })) if (batch.index === 2) break;
    expect(counts).toEqual({ started: 3, ended: 3 });
  });

  it("name an image that has been damaged meanwhile, and end the workers", async () => {
    const data = await dataset();
    await writeFile(data.train.paths[4]!, "no image");
    await expect(collect(batches(data))).rejects.toThrow(`image: ${data.train.paths[4]} must be a PNG, a JPEG or a WebP image`);
    await expect(collect(batches(data))).rejects.toBeInstanceOf(DataError);
  });

  it("refuse wrong options at once", async () => {
    const data = await dataset();
    expect(() => batches(data, { ...recipe, workers: 0 })).toThrow("BatchLoader: workers must be an integer ≥ 1, got 0");
    expect(() => batches(data, { ...recipe, batchSize: 0 })).toThrow(ConfigError);
    expect(() => batches({ ...data, std: [1, 1, 0] })).toThrow(ConfigError);
  });
});

it("refuses to cut parts from images in memory", async () => {
  const root = await temporaryFolder();
  await writeFolder(root, classesOf(["a", "b"], 2));
  const memory = await imageFolder(root, { size: 8 });
  expect(() => prefetchBatches(memory, "train", recipe)).toThrow(/resizedCrop cuts parts from image files, got images in memory/);
});
