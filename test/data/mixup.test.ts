/** Mixup against its definition on plain numbers, and the distribution of its weight. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { Random } from "../../src/core/random.ts";
import { epochBatches } from "../../src/data/batches.ts";
import { mixUp, symmetricBeta } from "../../src/data/mixup.ts";
import { sampleDataset, seeds } from "./arbitraries.ts";

test("each image is λ of itself and 1 − λ of the image whose label it got, with λ in [½, 1]", () =>
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 5 }), seeds, (count, size, seed) => {
      const originals = Float32Array.from({ length: count * size }, (_, i) => Math.fround(Math.sin(i + 1)));
      // Each image has a label of its own, so the second label says which image was mixed in.
      const labels = Int32Array.from({ length: count }, (_, n) => n);
      const images = originals.slice();
      const { labels: seconds, share } = mixUp(images, labels, 0.4, new Random(seed));
      expect(share).toBeGreaterThanOrEqual(0.5);
      expect(share).toBeLessThanOrEqual(1);
      expect([...seconds].sort((a, b) => a - b)).toEqual([...labels]);
      for (const [n, second] of seconds.entries())
        for (let i = 0; i < size; i++) {
          const expected = share * originals[n * size + i]! + (1 - share) * originals[second * size + i]!;
          expect(images[n * size + i]).toBe(Math.fround(expected));
        }
    }),
  ));

test("the weight has the mean ½ and the variance 1/(4(2α + 1)) of Beta(α, α)", () => {
  for (const alpha of [0.05, 0.2, 0.5, 1]) {
    const random = new Random(7);
    const count = 20_000;
    const draws = Array.from({ length: count }, () => symmetricBeta(alpha, random));
    for (const draw of draws) expect(draw >= 0 && draw <= 1).toBe(true);
    const variance = 1 / (4 * (2 * alpha + 1));
    const mean = draws.reduce((a, b) => a + b) / count;
    const found = draws.reduce((sum, draw) => sum + (draw - 0.5) ** 2, 0) / count;
    // Five standard errors of the mean. The squares lie in [0, ¼], so their standard deviation is at most ⅛.
    expect(Math.abs(mean - 0.5)).toBeLessThan(5 * Math.sqrt(variance / count));
    expect(Math.abs(found - variance)).toBeLessThan((5 * 0.125) / Math.sqrt(count));
  }
});

test("batches are mixed after everything else, and only where mixup is switched on", () => {
  const dataset = sampleDataset({ count: 9, channels: 1, height: 4, width: 4 });
  const options = { batchSize: 4, seed: 3, epoch: 2, shuffle: true } as const;
  const plain = [...epochBatches(dataset, "train", { ...options, augment: { cutout: 2 } })];
  const mixed = [...epochBatches(dataset, "train", { ...options, augment: { cutout: 2, mixup: 1 } })];
  expect(plain.every((batch) => batch.mixed === undefined)).toBe(true);
  for (const [i, batch] of mixed.entries()) {
    expect([...batch.labels]).toEqual([...plain[i]!.labels]);
    // The sum over a batch stays, because mixing averages with a permutation. A float32 sum of 64 numbers below 3 is exact to 1e-4.
    const total = (images: Float32Array): number => images.reduce((a, b) => a + b);
    expect(Math.abs(total(batch.images) - total(plain[i]!.images))).toBeLessThan(1e-4);
  }
  const shares = mixed.map((batch) => batch.mixed!.share);
  expect(new Set(shares).size).toBe(shares.length);
});
