/** Test-time augmentation against views that are made on nested lists. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { kernels } from "../../src/backend/active.ts";
import { ConfigError, ShapeError } from "../../src/core/errors.ts";
import { Module } from "../../src/nn/module.ts";
import { tensor } from "../../src/ops/creation.ts";
import { multiply } from "../../src/ops/elementwise.ts";
import { concat } from "../../src/ops/layout.ts";
import { reshape } from "../../src/ops/reshape.ts";
import { sum } from "../../src/ops/sum-and-broadcast.ts";
import { scope } from "../../src/tensor/scope.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { evaluate } from "../../src/train/evaluate.ts";
import { augmentedLogits } from "../../src/train/test-time-augmentation.ts";
import { seeds } from "../arbitraries/values.ts";
import { expectValues } from "../support/nd-array.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";
import { sample } from "../support/sample.ts";

onReferenceBackend();

/** A classifier that tells all pixels apart: logit k of an image is Σ weights_k·x³. */
class Cubes extends Module {
  readonly weights: readonly (readonly number[])[];

  constructor(weights: readonly (readonly number[])[]) {
    super();
    this.weights = weights;
  }

  forward(x: Tensor): Tensor {
    const [count, ...rest] = x.shape as [number, number, number, number];
    const columns = this.weights.map((weight) => {
      const w = tensor([...weight], { shape: [1, ...rest], dtype: x.dtype });
      return reshape(sum(multiply(multiply(x, multiply(x, x)), w), { axes: [1, 2, 3] }), [count, 1]);
    });
    return concat(columns, 1);
  }
}

type Image = readonly (readonly (readonly number[])[])[];

/** NumPy's pad with mode "reflect" along one list. */
const padded = <T>(list: readonly T[], n: number): T[] => [...list.slice(1, n + 1).reverse(), ...list, ...list.slice(-1 - n, -1).reverse()];
const window = (image: Image, n: number, from: number): Image =>
  image.map((plane) =>
    padded(plane, n)
      .slice(from, from + plane.length)
      .map((row) => padded(row, n).slice(from, from + row.length)),
  );
const mirror = (image: Image): Image => image.map((plane) => plane.map((row) => [...row].reverse()));

test("is ½·m(x) + ¼·m(moved up and left) + ¼·m(moved down and right), with m the mean over a view and its mirror image", () =>
  fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 3, max: 5 }),
      fc.integer({ min: 3, max: 6 }),
      fc.integer({ min: 0, max: 2 }),
      seeds,
      async (channels, height, width, n, seed) => {
        const size = channels * height * width;
        const values = sample([2, channels, height, width], seed, -1, 1).values;
        const model = new Cubes([0, 1].map((k) => sample([size], seed + k + 1, -1, 1).values));
        const logits = (image: Image): number[] =>
          model.weights.map((weight) => image.flat(2).reduce((total, value, i) => total + weight[i]! * value ** 3, 0));
        const m = (image: Image): number[] => logits(image).map((value, k) => (value + logits(mirror(image))[k]!) / 2);
        const expected = [0, 1].flatMap((at) => {
          const image = Array.from({ length: channels }, (_, c) =>
            Array.from({ length: height }, (_, y) =>
              values.slice(((at * channels + c) * height + y) * width, ((at * channels + c) * height + y + 1) * width),
            ),
          );
          // The window that starts at 2n of the padded image shows the image moved up and left by n.
          return m(image).map((value, k) => value / 2 + m(window(image, n, 0))[k]! / 4 + m(window(image, n, 2 * n))[k]! / 4);
        });
        const x = tensor(Float64Array.from(values), { shape: [2, channels, height, width] });
        expectValues(await augmentedLogits(model, x, { training: false }, { translate: n }).data(), expected, 1e-12);
      },
    ),
    { numRuns: 40 },
  ));

test("evaluate takes it as its way to predict", async () => {
  // The image is 1 in its first column only. The model sees the first column, and the mirror image has nothing there.
  const model = new Cubes([
    [1, 0, 0, 1, 0, 0, 1, 0, 0],
    [0.6, 0, 0, 0.6, 0, 0.7, 0.6, 0, 0.6],
  ]);
  const batch = { index: 0, count: 1, images: Float32Array.of(1, 0, 0, 1, 0, 0, 1, 0, 0), labels: Int32Array.of(0) };
  const options = { imageShape: [1, 3, 3], classes: 2 } as const;
  const plain = await evaluate(model, [batch], options);
  const mirrored = await evaluate(model, [batch], {
    ...options,
    predict: (net, x, context) => augmentedLogits(net, x, context, { translate: 0 }),
  });
  expect([plain!.accuracy, mirrored!.accuracy]).toEqual([1, 0]);
});

test("six views hold no more memory than one view and its moved image", () => {
  const [count, size] = [4, 16];
  const x = tensor(new Float32Array(count * 3 * size * size), { shape: [count, 3, size, size] });
  const model = new Cubes([new Array<number>(3 * size * size).fill(1)]);
  /** The most bytes that `compute` holds at a time, beside what was there. */
  const peakOf = (compute: () => Tensor): number => {
    const before = kernels().memory().used;
    kernels().resetPeak();
    scope(() => void compute());
    return kernels().memory().peak - before;
  };
  const one = peakOf(() => model.forward(x));
  // A moved image is made in two steps of two parts each, and is then mirrored.
  expect(peakOf(() => augmentedLogits(model, x, { training: false }))).toBeLessThan(one + 8 * 4 * x.size);
});

test("refuses images of another rank, and a move as large as the image", () => {
  const model = new Cubes([[1]]);
  expect(() => augmentedLogits(model, tensor([1, 2]), { training: false })).toThrow(ShapeError);
  expect(() => augmentedLogits(model, tensor([[[[1]]]]), { training: false })).toThrow(ConfigError);
});
