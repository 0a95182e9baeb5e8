import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfigError } from "../../src/core/errors.ts";
import { type EpochOptions, epochBatches, planEpoch } from "../../src/data/batches.ts";
import type { ImageDataset } from "../../src/data/dataset.ts";
import { syntheticImages } from "../../src/data/synthetic.ts";
import { augmentations, sampleDataset, seeds, sizes } from "./arbitraries.ts";

const epochs = fc.record({
  batchSize: fc.integer({ min: 1, max: 12 }),
  seed: seeds,
  epoch: fc.nat(300),
  shuffle: fc.boolean(),
  dropLast: fc.boolean(),
  augment: augmentations,
});

/** Images of one pixel. The normalised value of the pixel is the number of its image. */
function numbered(count: number): ImageDataset {
  const split = {
    images: Uint8Array.from({ length: count }, (_, i) => i),
    labels: Uint8Array.from({ length: count }, (_, i) => 255 - i),
    count,
  };
  return { name: "numbered", classes: [], channels: 1, height: 1, width: 1, train: split, test: split, mean: [0], std: [1 / 255] };
}

const fills = (count: number, { batchSize, dropLast }: EpochOptions): boolean => !dropLast || count >= batchSize;

describe("an epoch", () => {
  it("shows every image once, with its label, in full batches but the last", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), epochs, (count, { augment: _, ...options }) => {
        fc.pre(fills(count, options));
        const batches = [...epochBatches(numbered(count), "train", options)];
        const shown = batches.flatMap((batch) => [...batch.images].map(Math.round));
        const labels = batches.flatMap((batch) => [...batch.labels]);
        expect(labels).toEqual(shown.map((n) => 255 - n));
        const whole = count - (count % options.batchSize);
        expect(batches.map((b) => b.index)).toEqual(batches.map((_, i) => i));
        expect(batches.map((b) => b.count)).toEqual([
          ...Array<number>(whole / options.batchSize).fill(options.batchSize),
          ...(count > whole && !options.dropLast ? [count - whole] : []),
        ]);
        const all = Array.from({ length: count }, (_, i) => i);
        if (!options.shuffle) expect(shown).toEqual(all.slice(0, shown.length));
        else if (options.dropLast) expect(new Set(shown).size).toBe(whole);
        else expect([...shown].sort((a, b) => a - b)).toEqual(all);
      }),
    );
  });

  it("depends on seed and epoch only, whatever the order in which its batches are prepared", () => {
    fc.assert(
      fc.property(sizes, epochs, fc.infiniteStream(fc.nat()), (s, options, picks) => {
        fc.pre(fills(s.count, options));
        const dataset = sampleDataset(s);
        const inOrder = [...epochBatches(dataset, "train", options)];
        const { batchCount, prepare } = planEpoch(dataset, "train", options);
        expect(inOrder.length).toBe(batchCount);
        for (let n = 0; n < 5; n++) {
          const index = picks.next().value! % batchCount;
          expect(prepare(index)).toEqual(inOrder[index]);
        }
      }),
    );
  });

  it("resumes in the middle with the same bits", () => {
    fc.assert(
      fc.property(sizes, epochs, fc.nat(), (s, options, pick) => {
        fc.pre(fills(s.count, options));
        const dataset = sampleDataset(s);
        const whole = [...epochBatches(dataset, "test", options)];
        const startBatch = pick % (whole.length + 1);
        expect([...epochBatches(dataset, "test", { ...options, startBatch })]).toEqual(whole.slice(startBatch));
      }),
    );
  });

  it("differs in order and augmentation from an epoch of another number or another seed", () => {
    const dataset = sampleDataset({ count: 40, channels: 1, height: 6, width: 6 });
    const options = { batchSize: 40, seed: 1, epoch: 0, augment: { crop: 2, flip: true } };
    const images = (changes: Partial<EpochOptions>) =>
      [...[...epochBatches(dataset, "train", { ...options, ...changes })][0]!.images].join();
    const order = (changes: Partial<EpochOptions>) =>
      [...[...epochBatches(numbered(40), "train", { ...options, augment: {}, shuffle: true, ...changes })][0]!.labels].join();
    for (const variant of [images, order]) {
      expect(variant({ epoch: 1 })).not.toBe(variant({}));
      expect(variant({ seed: 2 })).not.toBe(variant({}));
      expect(variant({})).toBe(variant({}));
    }
  });

  it("augments the same image differently in different batches", () => {
    const dataset = sampleDataset({ count: 1, channels: 1, height: 8, width: 8 });
    const repeated = { ...dataset.train, images: new Uint8Array(64 * 16), labels: new Uint8Array(16), count: 16 };
    for (let n = 0; n < 16; n++) repeated.images.set(dataset.train.images, n * 64);
    const batches = [...epochBatches({ ...dataset, train: repeated }, "train", { batchSize: 2, seed: 0, epoch: 0, augment: { crop: 4 } })];
    expect(new Set(batches.map((batch) => batch.images.join())).size).toBe(8);
  });

  it.each([
    [{ batchSize: 0 }, "batchSize must be an integer ≥ 1, got 0"],
    [{ batchSize: 2.5 }, "batchSize must be an integer ≥ 1, got 2.5"],
    [{ epoch: -1 }, "epoch must be an integer ≥ 0, got -1"],
    [{ seed: -1 }, "seed must be an integer in [0, 2^32), got -1"],
    [{ startBatch: 6 }, "startBatch must be an integer in [0, 5], got 6"],
    [{ startBatch: -1 }, "startBatch must be an integer in [0, 5], got -1"],
    [{ batchSize: 11, dropLast: true }, "must fill a batch, got 10 images, batchSize 11, dropLast true"],
    [{ augment: { crop: -1 } }, "crop must be an integer ≥ 0, got -1"],
  ])("refuses %j before the first batch", (changes, message) => {
    const dataset = sampleDataset({ count: 10, channels: 1, height: 2, width: 2 });
    const start = () => epochBatches(dataset, "train", { batchSize: 2, seed: 0, epoch: 0, ...changes });
    expect(start).toThrow(ConfigError);
    expect(start).toThrow(message);
  });

  it.each([-1, 5, 0.5])("refuses batch index %s of 5", (index) => {
    const dataset = sampleDataset({ count: 10, channels: 1, height: 2, width: 2 });
    expect(() => planEpoch(dataset, "train", { batchSize: 2, seed: 0, epoch: 0 }).prepare(index)).toThrow(ConfigError);
  });
});

describe("a split that does not hold what its count says", () => {
  const images = syntheticImages({ trainCount: 6, testCount: 2, seed: 0, classes: 2, height: 8, width: 8 });
  const options = { batchSize: 2, seed: 0, epoch: 0 };
  const batches = (train: object) => epochBatches({ ...images, train: { ...images.train, ...train } }, "train", options);

  it.each([
    ["too few labels", { labels: images.train.labels.subarray(0, 5) }],
    ["too many labels", { labels: new Uint8Array(7) }],
    ["too few pixels", { images: images.train.images.subarray(1) }],
    ["a count that is NaN", { count: Number.NaN }],
    ["a count that is no integer", { count: 5.5 }],
    ["a count above the images", { count: 7 }],
  ])("is refused: %s", (_, train) => {
    expect(() => batches({})).not.toThrow();
    expect(() => batches(train)).toThrow(ConfigError);
    expect(() => batches(train)).toThrow(/^train split: /);
  });
});
