/** Alternating flips: every image in every other epoch, and half of the images in each. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { alternatingFlips } from "../../src/data/alternating-flips.ts";
import { epochBatches } from "../../src/data/batches.ts";
import { sampleDataset, seeds } from "./arbitraries.ts";

test("an image that is mirrored in one epoch is not mirrored in the next", () =>
  fc.assert(
    fc.property(seeds, fc.integer({ min: 0, max: 1000 }), fc.integer({ min: 0, max: 99_999 }), (seed, epoch, image) => {
      const [now, next, later] = [0, 1, 2].map((more) => alternatingFlips(seed, epoch + more)(image));
      expect(next).toBe(!now);
      expect(later).toBe(now);
    }),
  ));

test("about half of the images are mirrored, and other seeds mirror others", () => {
  const count = 10_000;
  const mirrored = (seed: number): boolean[] => Array.from({ length: count }, (_, image) => alternatingFlips(seed, 0)(image));
  const [some, others] = [mirrored(1), mirrored(2)];
  // Both are sums of 10,000 fair coins, whose standard deviation is 50. Five of them are passed once in 1.7 million seeds.
  expect(Math.abs(some.filter(Boolean).length - count / 2)).toBeLessThan(250);
  expect(Math.abs(some.filter((value, i) => value === others[i]).length - count / 2)).toBeLessThan(250);
});

test("two epochs of batches show each image and its mirror image, whatever their order", () => {
  const dataset = sampleDataset({ count: 30, channels: 2, height: 3, width: 4 });
  const size = 2 * 3 * 4;
  const shown = (epoch: number): string[] =>
    [...epochBatches(dataset, "train", { batchSize: 7, seed: 5, epoch, shuffle: true, augment: { flip: "alternating" } })].flatMap(
      ({ images, count }) => Array.from({ length: count }, (_, n) => String(images.slice(n * size, (n + 1) * size))),
    );
  const views = (flip: boolean): string[] =>
    [...epochBatches(dataset, "train", { batchSize: 30, seed: 0, epoch: 0 })].flatMap(({ images, count }) =>
      Array.from({ length: count }, (_, n) => {
        const rows = Array.from({ length: 6 }, (_, r) => [...images.slice(n * size + r * 4, n * size + r * 4 + 4)]);
        return String((flip ? rows.map((row) => row.reverse()) : rows).flat());
      }),
    );
  expect([...shown(4), ...shown(5)].sort()).toEqual([...views(false), ...views(true)].sort());
});
