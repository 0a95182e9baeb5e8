/** conv2d and its two gradients against their definition by index arithmetic. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { ShapeError } from "../../src/core/errors.ts";
import { gradients } from "../../src/grad/gradients.ts";
import { conv2d } from "../../src/ops/convolution.ts";
import { tensor, zeros } from "../../src/ops/creation.ts";
import { type ConvolutionCase, convolutions } from "../arbitraries/geometries.ts";
import { seeds } from "../arbitraries/values.ts";
import { at, build, expectTensor, indicesOf, type NdArray, toTensor } from "../support/nd-array.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";
import { sample } from "../support/sample.ts";

onReferenceBackend();

/** The number of window positions, by counting the windows that fit. */
function places(size: number, kernel: number, stride: number, padding: number, dilation: number): number {
  let count = 0;
  while (count * stride + (kernel - 1) * dilation < size + 2 * padding) count++;
  return count;
}

/** Every multiplication of a convolution, by multi-indices. */
interface Taps {
  /** The shape of y. */
  readonly shape: readonly [number, number, number, number];
  /** Calls `visit` with the indices in x, w and y of every multiplication, without the taps on the padding. */
  each(visit: (x: number[], w: number[], y: number[]) => void): void;
}

function taps({ x, w, options }: ConvolutionCase): Taps {
  const [stride, padding, dilation] = [options.stride, options.padding, options.dilation] as [number, number][];
  const [high, wide] = [0, 1].map((axis) => places(x[axis + 2]!, w[axis + 2]!, stride![axis]!, padding![axis]!, dilation![axis]!)) as [
    number,
    number,
  ];
  const shape = [x[0], w[0], high, wide] as const;
  return {
    shape,
    each(visit) {
      for (const y of indicesOf(shape))
        for (const [c, u, v] of indicesOf(w.slice(1)) as Generator<[number, number, number]>) {
          const [n, o, i, j] = y as [number, number, number, number];
          const group = Math.floor((o * options.groups) / w[0]);
          const [row, column] = [i * stride![0]! + u * dilation![0]! - padding![0]!, j * stride![1]! + v * dilation![1]! - padding![1]!];
          if (row >= 0 && row < x[2] && column >= 0 && column < x[3]) visit([n, group * w[1] + c, row, column], [o, c, u, v], [n, o, i, j]);
        }
    },
  };
}

/** The array of sums of all values that are added at each index. */
function accumulate(shape: readonly number[], each: (add: (index: number[], value: number) => void) => void): NdArray {
  const totals = new Map<string, number>();
  each((index, value) => totals.set(index.join(), (totals.get(index.join()) ?? 0) + value));
  return build(shape, (index) => totals.get(index.join()) ?? 0);
}

test("conv2d and both gradients are the sums over the taps", () =>
  fc.assert(
    fc.asyncProperty(convolutions(), seeds, async (drawn, seed) => {
      const { shape, each } = taps(drawn);
      const [x, w, g] = [sample(drawn.x, seed), sample(drawn.w, seed + 1), sample(shape, seed + 2)];
      const y = conv2d(toTensor(x), toTensor(w), drawn.options);
      await expectTensor(
        y,
        accumulate(shape, (add) => each((atX, atW, atY) => add(atY, at(x, atX) * at(w, atW)))),
      );
      const leaves = y.origin!.inputs;
      const [inputGradient, weightGradient] = gradients(y, leaves, { seed: toTensor(g) });
      await expectTensor(
        inputGradient!,
        accumulate(drawn.x, (add) => each((atX, atW, atY) => add(atX, at(w, atW) * at(g, atY)))),
      );
      await expectTensor(
        weightGradient!,
        accumulate(drawn.w, (add) => each((atX, atW, atY) => add(atW, at(x, atX) * at(g, atY)))),
      );
    }),
    { numRuns: 150 },
  ));

test("a number stands for both axes", async () => {
  const [x, w] = [sample([1, 2, 5, 6], 1), sample([2, 1, 2, 2], 2)];
  const both = conv2d(toTensor(x), toTensor(w), { stride: [2, 2], padding: [1, 1], dilation: [2, 2], groups: 2 });
  await expectTensor(conv2d(toTensor(x), toTensor(w), { stride: 2, padding: 1, dilation: 2, groups: 2 }), {
    shape: both.shape,
    values: [...(await both.data())],
  });
});

test.each([
  ["a rank other than 4", [2, 5, 5], [3, 2, 3, 3], {}],
  ["channels that do not agree", [1, 2, 5, 5], [3, 3, 3, 3], {}],
  ["groups that do not divide the channels", [1, 4, 5, 5], [3, 2, 3, 3], { groups: 2 }],
  ["groups below 1", [1, 4, 5, 5], [4, 4, 3, 3], { groups: 0 }],
  ["an empty kernel", [1, 2, 5, 5], [3, 2, 0, 3], {}],
  ["stride 0", [1, 2, 5, 5], [3, 2, 3, 3], { stride: 0 }],
  ["a fractional stride", [1, 2, 5, 5], [3, 2, 3, 3], { stride: [1, 1.5] as const }],
  ["negative padding", [1, 2, 5, 5], [3, 2, 3, 3], { padding: -1 }],
  ["dilation 0", [1, 2, 5, 5], [3, 2, 3, 3], { dilation: 0 }],
])("refuses %s", (_, x, w, options) => {
  expect(() => conv2d(zeros(x), zeros(w), options)).toThrow(ShapeError);
  expect(() => conv2d(zeros(x), zeros(w), options)).toThrow("conv2d: ");
});

test("refuses dtypes that differ", () => {
  expect(() => conv2d(zeros([1, 1, 2, 2]), tensor([[[[1]]]], { dtype: "float64" }))).toThrow(ShapeError);
});
