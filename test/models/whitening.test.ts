/** Whitening filters against the definition: their outputs over all patches are uncorrelated and of known size. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { ConfigError } from "../../src/core/errors.ts";
import { isWhitened, whiteningFilters } from "../../src/models/whitening.ts";
import { seeds } from "../arbitraries/values.ts";
import { sample } from "../support/sample.ts";

/** All k×k patches of images:[N,C,H,W], as lists of C·k² numbers. */
function patchesOf(images: readonly number[], [count, channels, height, width]: readonly number[], k: number): number[][] {
  const patches: number[][] = [];
  for (let n = 0; n < count!; n++)
    for (let y = 0; y + k <= height!; y++)
      for (let x = 0; x + k <= width!; x++)
        patches.push(
          Array.from({ length: channels! * k * k }, (_, i) => {
            const [c, v, u] = [Math.floor(i / (k * k)), Math.floor(i / k) % k, i % k];
            return images[((n * channels! + c) * height! + y + v) * width! + x + u]!;
          }),
        );
  return patches;
}

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => Array.from(a).reduce((sum, value, i) => sum + value * b[i]!, 0);

test("the outputs of two filters have the mean product 0, and an output has the mean square λ/(λ + ε) below 1", () =>
  fc.assert(
    fc.property(fc.constantFrom(1, 2, 3), fc.constantFrom(1e-6, 5e-4, 1), seeds, (channels, epsilon, seed) => {
      const shape = [4, channels, 5, 6];
      const images = sample(shape, seed, -2, 2).values;
      const size = channels * 4;
      const filters = whiteningFilters(images, shape, { epsilon });
      expect(filters.length).toBe(2 * size * size);
      const rows = Array.from({ length: 2 * size }, (_, i) => filters.slice(i * size, (i + 1) * size));
      const patches = patchesOf(images, shape, 2);
      const outputs = rows.map((row) => patches.map((patch) => dot(row, patch)));
      const moment = (i: number, j: number): number => dot(outputs[i]!, outputs[j]!) / patches.length;
      for (let i = 0; i < size; i++) {
        // A filter is v/√(λ + ε) with |v| = 1, so its squared length is 1/(λ + ε), and v'Mv = λ.
        const sum = 1 / dot(rows[i]!, rows[i]!);
        expect(Math.abs(moment(i, i) - (sum - epsilon) / sum)).toBeLessThan(1e-9);
        for (let j = 0; j < i; j++) expect(Math.abs(moment(i, j))).toBeLessThan(1e-9);
        expect([...rows[size + i]!]).toEqual([...rows[i]!].map((value) => -value));
        if (i > 0) expect(dot(rows[i]!, rows[i]!)).toBeGreaterThanOrEqual(dot(rows[i - 1]!, rows[i - 1]!) - 1e-9);
      }
    }),
    { numRuns: 20 },
  ));

test("a direction without variance gets a filter of length 1/√ε, and stays 0", () => {
  const images = [1, 1, 1, 1, 2, 2, 2, 2];
  const filters = whiteningFilters(images, [2, 1, 2, 2], { epsilon: 0.01 });
  const rows = [0, 1, 2, 3].map((i) => filters.slice(4 * i, 4 * i + 4));
  expect(Math.abs(Math.abs(dot(rows[0]!, [1, 1, 1, 1])) - 2 / Math.sqrt(10.01))).toBeLessThan(1e-12);
  for (const row of rows.slice(1)) {
    expect(Math.abs(dot(row, row) - 100)).toBeLessThan(1e-9);
    expect(Math.abs(dot(row, [1, 1, 1, 1]))).toBeLessThan(1e-9);
  }
});

test.each([
  ["images of another shape", () => whiteningFilters([1, 2, 3], [1, 1, 2, 2])],
  ["images smaller than a patch", () => whiteningFilters([1, 2], [1, 1, 1, 2])],
  ["no images", () => whiteningFilters([], [0, 1, 2, 2])],
  ["an ε of 0", () => whiteningFilters([1, 2, 3, 4], [1, 1, 2, 2], { epsilon: 0 })],
  ["a patch of no pixels", () => whiteningFilters([1, 2, 3, 4], [1, 1, 2, 2], { kernel: 0 })],
])("refuses %s", (_, make) => expect(make).toThrow(ConfigError));

test("a network is whitened if it has the method", () => {
  expect(isWhitened({ whiten: () => undefined })).toBe(true);
  expect(isWhitened({ whiten: 1 })).toBe(false);
  expect(isWhitened({})).toBe(false);
});
