import { afterAll, beforeAll, expect, test } from "vitest";
import { memory, useBackend } from "../../src/backend/active.ts";
import { createReferenceBackend } from "../../src/backend/reference/reference-kernels.ts";
import type { Batch } from "../../src/data/batches.ts";
import { Module } from "../../src/nn/module.ts";
import { slice } from "../../src/ops/layout.ts";
import { reshape } from "../../src/ops/reshape.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { classAccuracies, evaluate } from "../../src/train/evaluate.ts";

beforeAll(() => useBackend(createReferenceBackend()));
afterAll(() => useBackend(undefined));

/** A classifier whose logits are the image's first three pixels, so that the oracle needs no network. */
class Reader extends Module {
  forward(x: Tensor, { training }: { training: boolean }): Tensor {
    expect(training).toBe(false);
    return slice(reshape(x, [x.shape[0]!, 4]), [
      [0, x.shape[0]!],
      [0, 3],
    ]);
  }
}

const images = [
  [2, 0, 1, 9],
  [0, 0, 3, 9],
  [1, 5, 1, 9],
  [4, 1, 0, 9],
  [0, 1, 2, 9],
];
const labels = [0, 2, 1, 1, 0];

const batch = (index: number, from: number, to: number): Batch => ({
  index,
  count: to - from,
  images: Float32Array.from(images.slice(from, to).flat()),
  labels: Int32Array.from(labels.slice(from, to)),
});

test("loss, accuracy and confusion follow their definitions, for batches of any size", async () => {
  const logSumExp = (row: number[]): number => Math.log(row.reduce((sum, v) => sum + Math.exp(v), 0));
  const expected = images.reduce((sum, row, n) => sum + logSumExp(row.slice(0, 3)) - row[labels[n]!]!, 0) / 5;
  for (const cuts of [
    [0, 5],
    [0, 2, 5],
    [0, 1, 2, 3, 4, 5],
  ]) {
    const batches = cuts.slice(1).map((to, i) => batch(i, cuts[i]!, to));
    const before = memory().storages;
    const result = await evaluate(new Reader(), batches, { imageShape: [1, 2, 2], classes: 3 });
    expect(memory().storages).toBe(before);
    expect(result?.loss).toBeCloseTo(expected, 6);
    expect(result).toMatchObject({ count: 5, accuracy: 3 / 5 });
    // Rows are labels, and columns are predictions. Image 3 (label 1) is taken for 0, and image 4 (label 0) for 2.
    expect(result?.confusion).toEqual([
      [1, 0, 1],
      [1, 1, 0],
      [0, 0, 1],
    ]);
    expect(classAccuracies(result!)).toEqual([0.5, 0.5, 1]);
  }
});

test("a class without images has no accuracy", () => {
  expect(
    classAccuracies({
      confusion: [
        [1, 0],
        [0, 0],
      ],
    }),
  ).toEqual([1, undefined]);
});

test("an aborted evaluation returns undefined", async () => {
  const controller = new AbortController();
  const options = { imageShape: [1, 2, 2] as const, classes: 3, signal: controller.signal, onBatch: () => controller.abort() };
  expect(await evaluate(new Reader(), [batch(0, 0, 2), batch(1, 2, 5)], options)).toBeUndefined();
});
