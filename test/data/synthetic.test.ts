import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfigError } from "../../src/core/errors.ts";
import { Random } from "../../src/core/random.ts";
import { type ByteSplit, channelStatistics } from "../../src/data/dataset.ts";
import { syntheticImages } from "../../src/data/synthetic.ts";
import { seeds } from "./arbitraries.ts";

/**
 * Accuracy of a classifier that takes the class with the nearest mean training vector. Every coordinate is scaled to a standard deviation
 * of 1.
 */
function centroidAccuracy(train: number[][], trainLabels: Uint8Array, test: number[][], testLabels: Uint8Array, classes: number): number {
  const size = train[0]!.length;
  const mean = Array.from({ length: size }, (_, f) => train.reduce((sum, v) => sum + v[f]!, 0) / train.length);
  const spread = mean.map((m, f) => Math.sqrt(train.reduce((sum, v) => sum + (v[f]! - m) ** 2, 0) / train.length) + 1e-9);
  const centroids = Array.from({ length: classes }, (_, k) => {
    const members = train.filter((_, n) => trainLabels[n] === k);
    return mean.map((_, f) => members.reduce((sum, v) => sum + v[f]!, 0) / members.length);
  });
  const distance = (v: number[], centre: number[]) => v.reduce((sum, value, f) => sum + ((value - centre[f]!) / spread[f]!) ** 2, 0);
  const right = test.filter((v, n) => {
    const distances = centroids.map((centre) => distance(v, centre));
    return distances.indexOf(Math.min(...distances)) === testLabels[n];
  });
  return right.length / test.length;
}

const image = (split: ByteSplit, n: number): Uint8Array => split.images.subarray(n * 3072, (n + 1) * 3072);

/** Mean and variance of each colour, from which a classifier cannot see shapes. */
function colours(split: ByteSplit): number[][] {
  return Array.from(
    { length: split.count },
    (_, n) => channelStatistics({ images: image(split, n), labels: new Uint8Array(1), count: 1 }, 3).mean,
  );
}

/** Mean and standard deviation of the responses to fixed random 5×5 filters, as of an untrained convolution. */
function filterResponses(split: ByteSplit, filters: number[][]): number[][] {
  return Array.from({ length: split.count }, (_, n) => {
    const pixels = image(split, n);
    const grey = Float64Array.from({ length: 1024 }, (_, p) => pixels[p]! + pixels[1024 + p]! + pixels[2048 + p]!);
    const level = grey.reduce((a, b) => a + b, 0) / 1024;
    const contrast = Math.sqrt(grey.reduce((sum, g) => sum + (g - level) ** 2, 0) / 1024) + 1;
    return filters.flatMap((filter) => {
      let [sum, squares, fourths] = [0, 0, 0];
      for (let y = 2; y < 30; y += 2)
        for (let x = 2; x < 30; x += 2) {
          let response = 0;
          for (let k = 0; k < 25; k++) response += filter[k]! * (grey[(y + Math.floor(k / 5) - 2) * 32 + x + (k % 5) - 2]! - level);
          response = Math.abs(response / contrast);
          sum += response;
          squares += response ** 2;
          fourths += response ** 4;
        }
      return [sum / 196, Math.log(squares / 196 + 1e-6), Math.log(fourths / squares ** 2 + 1e-9)];
    });
  });
}

describe("syntheticImages", () => {
  it("depends on the seed only, and an image on its position only", () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 12 }), (seed, few, more) => {
        const a = syntheticImages({ trainCount: few, testCount: few, seed });
        const b = syntheticImages({ trainCount: few + more, testCount: few + more, seed });
        for (const split of ["train", "test"] as const) {
          expect([...b[split].images.subarray(0, few * 3072)]).toEqual([...a[split].images]);
          expect([...b[split].labels.subarray(0, few)]).toEqual([...a[split].labels]);
        }
        expect([...a.train.images]).not.toEqual([...a.test.images]);
      }),
      { numRuns: 20 },
    );
  });

  it("has equally many images of every class, in the sizes of the options", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 10 }),
        fc.integer({ min: 8, max: 40 }),
        fc.integer({ min: 8, max: 40 }),
        (classes, height, width) => {
          const set = syntheticImages({ trainCount: 3 * classes, testCount: 1, classes, height, width, seed: 1 });
          expect(set.classes.length).toBe(classes);
          expect(set.train.images.length).toBe(3 * classes * 3 * height * width);
          for (let k = 0; k < classes; k++) expect([...set.train.labels].filter((label) => label === k).length).toBe(3);
        },
      ),
      { numRuns: 15 },
    );
  });

  it("has classes that differ in shape and not in colour", () => {
    const { train, test } = syntheticImages({ trainCount: 1000, testCount: 500, seed: 4 });
    expect(centroidAccuracy(colours(train), train.labels, colours(test), test.labels, 10)).toBeLessThan(0.2);
    const random = new Random(9);
    const filters = Array.from({ length: 24 }, () => {
      const taps = Array.from({ length: 25 }, () => random.normal());
      const offset = taps.reduce((a, b) => a + b, 0) / 25;
      return taps.map((tap) => tap - offset);
    });
    const [seen, unseen] = [filterResponses(train, filters), filterResponses(test, filters)];
    expect(centroidAccuracy(seen, train.labels, unseen, test.labels, 10)).toBeGreaterThan(0.5);
  });

  it.each([
    [{ trainCount: 0 }, "trainCount must be an integer ≥ 1, got 0"],
    [{ testCount: 1.5 }, "testCount must be an integer ≥ 1, got 1.5"],
    [{ height: 7 }, "height must be an integer ≥ 8, got 7"],
    [{ classes: 11 }, "classes must be an integer in [2, 10], got 11"],
    [{ seed: -1 }, "seed must be an integer in [0, 2^32), got -1"],
  ])("refuses %j", (changes, message) => {
    const make = () => syntheticImages({ trainCount: 2, testCount: 2, seed: 0, ...changes });
    expect(make).toThrow(ConfigError);
    expect(make).toThrow(message);
  });
});
