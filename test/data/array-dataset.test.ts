import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfigError, ShapeError } from "../../src/core/errors.ts";
import { Random } from "../../src/core/random.ts";
import { arrayDataset } from "../../src/data/array-dataset.ts";
import { augmentImage, createAugmenter } from "../../src/data/augment.ts";
import { epochBatches } from "../../src/data/batches.ts";
import { channelStatistics } from "../../src/data/dataset.ts";
import { scrambledBytes, seeds, sizes } from "./arbitraries.ts";

const twelve = { images: scrambledBytes(12 * 4, 1), labels: [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2], shape: [1, 2, 2] } as const;

describe("arrayDataset", () => {
  it("divides the images of each class by a seeded share, and loses none", () => {
    fc.assert(
      fc.property(sizes, fc.double({ min: 0, max: 1, noNaN: true }), seeds, ({ count, channels, height, width }, testShare, seed) => {
        const size = channels * height * width;
        const images = scrambledBytes(count * size, seed);
        const labels = scrambledBytes(count, seed + 1).map((byte) => byte % 3);
        const options = { images, labels, shape: [channels, height, width], classes: ["a", "b", "c"], testShare, seed } as const;
        // The statistics of no training images do not exist.
        const given = { mean: new Array<number>(channels).fill(0), std: new Array<number>(channels).fill(1) };
        const dataset = arrayDataset({ ...options, ...given });
        const of = ({ images, labels }: { images: ArrayLike<number>; labels: ArrayLike<number> }): string[] =>
          Array.from({ length: labels.length }, (_, n) => `${labels[n]}:${Array.from(images).slice(n * size, (n + 1) * size)}`);
        expect([...of(dataset.train), ...of(dataset.test)].sort()).toEqual(of({ images, labels }).sort());
        for (const label of [0, 1, 2]) {
          const all = [...labels].filter((l) => l === label).length;
          const tested = [...dataset.test.labels].filter((l) => l === label).length;
          // The rule leaves an image to each split where there are two.
          const bound = testShare > 0 && testShare < 1 && all > 1 ? Math.min(all - 1, Math.max(1, Math.round(testShare * all))) : undefined;
          if (bound !== undefined) expect(tested).toBe(bound);
        }
        expect(arrayDataset({ ...options, ...given })).toEqual(dataset);
      }),
    );
  });

  it("gives the batches of floats in [0, 1] that it gives of the same bytes", () => {
    fc.assert(
      fc.property(sizes, seeds, ({ count, channels, height, width }, seed) => {
        const bytes = scrambledBytes(count * channels * height * width, seed);
        const shape = [channels, height, width] as const;
        const labels = new Uint8Array(count);
        const [mean, std] = [new Array<number>(channels).fill(0.4), new Array<number>(channels).fill(0.3)];
        const of = (images: Uint8Array | Float32Array) =>
          epochBatches(arrayDataset({ images, labels, shape, classes: ["one"], test: { images, labels }, mean, std }), "train", {
            batchSize: 5,
            seed,
            epoch: 1,
            augment: { crop: 2, flip: true, cutout: 2 },
          });
        const floats = Float32Array.from(bytes, (byte) => byte / 255);
        expect([...of(floats)]).toEqual([...of(bytes)]);
      }),
    );
  });

  it("computes mean and std of the training images, floats by two passes", () => {
    const images = Float32Array.from([1000, 1002, 5, 5, 1004, 1006, 5, 5]);
    const { mean, std } = arrayDataset({ images, labels: [0, 1], shape: [2, 1, 2], test: { images, labels: [0, 1] } });
    // (−3, −1, 1, 3) has the variance 5. A channel with one value has std 0, and is divided by 1.
    expect(mean).toEqual([1003, 5]);
    expect(std).toEqual([Math.sqrt(5), 1]);
  });

  it("has a std of 1, and no NaN, for a channel with one value whose square is not exact", () => {
    for (let value = 0; value < 256; value++) {
      const { std } = arrayDataset({
        images: new Uint8Array(30).fill(value),
        labels: new Uint8Array(10),
        shape: [3, 1, 1],
        classes: ["a"],
      });
      for (const s of std) expect(s).toBeGreaterThan(0);
      for (const s of std) expect(Number.isFinite(1 / s)).toBe(true);
    }
  });

  it("keeps labels above 255", () => {
    const labels = Array.from({ length: 300 }, (_, n) => n);
    const dataset = arrayDataset({ images: new Uint8Array(300), labels, shape: [1, 1, 1], testShare: 0 });
    expect([...dataset.train.labels]).toEqual(labels);
    const [batch] = epochBatches(dataset, "train", { batchSize: 300, seed: 0, epoch: 0 });
    expect([...batch!.labels]).toEqual(labels);
  });

  it.each([
    [{ images: new Uint8Array(5) }, ShapeError, /must hold \[12,1,2,2\] = 48 numbers, one image per label, got 5/],
    [{ labels: [...twelve.labels.slice(1), 3], classes: ["a", "b", "c"] }, ConfigError, /in \[0, 3\), got 3 for image 11/],
    [{ labels: [...twelve.labels.slice(1), 0.5] }, ConfigError, /must be an integer in \[0, 3\), got 0.5/],
    [{ shape: [1, 0, 2] as const }, ShapeError, /integers ≥ 1, got \[1,0,2\]/],
    [{ testShare: 1.5 }, ConfigError, /testShare must be a number in \[0, 1\], got 1.5/],
    [{ testShare: Number.NaN }, ConfigError, /testShare .* got NaN/],
    [
      { images: new Float64Array(48) as unknown as Float32Array },
      ConfigError,
      /a Uint8Array or a Float32Array, got \[object Float64Array\]/,
    ],
    [{ images: new Float32Array(48).fill(Number.NaN) }, ConfigError, /every number of images must be finite, got NaN in image 0/],
    [{ test: { images: new Float32Array(4), labels: [0] } }, ConfigError, /both be bytes or both be floats/],
  ])("refuses %j", (wrong, kind, message) => {
    expect(() => arrayDataset({ ...twelve, ...wrong })).toThrow(message);
    expect(() => arrayDataset({ ...twelve, ...wrong })).toThrow(kind);
  });
});

describe("arrays of another realm", () => {
  const values = [0.5, 0.25, 0.125, 1, 0, 0.75, 0.5, 0.5];
  const own = Float32Array.from(values);
  const foreign: Float32Array<ArrayBuffer> = runInNewContext(`Float32Array.of(${values})`);
  const foreignBytes: Uint8Array<ArrayBuffer> = runInNewContext("Uint8Array.of(0, 50, 100, 150, 200, 250, 1, 2)");
  const rest = { labels: [0, 1], shape: [1, 2, 2], testShare: 0 } as const;

  it("become data sets as arrays of this realm do", () => {
    expect(foreign instanceof Float32Array).toBe(false);
    expect(arrayDataset({ images: foreign, ...rest })).toEqual(arrayDataset({ images: own, ...rest }));
    expect(arrayDataset({ images: foreignBytes, ...rest })).toEqual(arrayDataset({ images: Uint8Array.from(foreignBytes), ...rest }));
    expect(() => arrayDataset({ images: foreign, ...rest, test: { images: foreignBytes, labels: [0, 1] } })).toThrow(/one of each/);
    const spoilt: Float32Array<ArrayBuffer> = runInNewContext("Float32Array.of(0, NaN, 0, 0, 0, 0, 0, 0)");
    expect(() => arrayDataset({ images: spoilt, ...rest })).toThrow(/must be finite, got NaN in image 0/);
  });

  it("have the statistics and the augmented images of floats", () => {
    const split = { labels: Uint8Array.of(0, 1), count: 2 };
    expect(channelStatistics({ images: foreign, ...split }, 1)).toEqual(channelStatistics({ images: own, ...split }, 1));
    const augmenter = createAugmenter({ channels: 1, height: 2, width: 2, mean: [0], std: [1] });
    const augmented = (images: Float32Array): number[] => {
      const out = new Float32Array(4);
      augmentImage(augmenter, images, 4, out, 0, new Random(0));
      return [...out];
    };
    expect(augmented(foreign)).toEqual(values.slice(4));
  });
});
