/** conv2d and its two gradients against their definition by index arithmetic. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { ShapeError } from "../../src/core/errors.ts";
import { gradients } from "../../src/grad/gradients.ts";
import { conv2d, convTranspose2d } from "../../src/ops/convolution.ts";
import { tensor, zeros } from "../../src/ops/creation.ts";
import { type ConvolutionCase, convolutions, outputPaddingOf, places } from "../arbitraries/geometries.ts";
import { seeds } from "../arbitraries/values.ts";
import { at, build, expectTensor, indicesOf, type NdArray, toTensor } from "../support/nd-array.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";
import { sample } from "../support/sample.ts";

onReferenceBackend();

/** Every multiplication of a convolution, by multi-indices. */
interface Taps {
  /** The shape of y. */
  readonly shape: readonly [number, number, number, number];
  /** Calls `visit` with the indices in x, w and y of every multiplication, without the taps on the padding. */
  each(visit: (x: number[], w: number[], y: number[]) => void): void;
}

function taps({ x, w, options, sides: { top, left, bottom, right } }: ConvolutionCase): Taps {
  const [stride, dilation] = [options.stride, options.dilation] as [number, number][];
  const [high, wide] = [top + bottom, left + right].map((padding, axis) =>
    places(x[axis + 2]!, w[axis + 2]!, stride![axis]!, dilation![axis]!, padding),
  ) as [number, number];
  const shape = [x[0], w[0], high, wide] as const;
  return {
    shape,
    each(visit) {
      for (const y of indicesOf(shape))
        for (const [c, u, v] of indicesOf(w.slice(1)) as Generator<[number, number, number]>) {
          const [n, o, i, j] = y as [number, number, number, number];
          const group = Math.floor((o * options.groups) / w[0]);
          const [row, column] = [i * stride![0]! + u * dilation![0]! - top, j * stride![1]! + v * dilation![1]! - left];
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

/** The shapes and options of transposed convolutions whose result has pixels. */
const transposedConvolutions = fc
  .record({
    batch: fc.integer({ min: 0, max: 2 }),
    groups: fc.integer({ min: 1, max: 3 }),
    groupInputs: fc.integer({ min: 1, max: 3 }),
    groupOutputs: fc.integer({ min: 1, max: 3 }),
    image: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })),
    kernel: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })),
    stride: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
    dilation: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
    added: fc.tuple(fc.nat({ max: 2 }), fc.nat({ max: 2 })),
    padding: fc.record({ top: fc.nat({ max: 3 }), left: fc.nat({ max: 3 }), bottom: fc.nat({ max: 3 }), right: fc.nat({ max: 3 }) }),
  })
  .map(({ image, kernel, stride, dilation, added, padding, ...rest }) => {
    const outputPadding = added.map((pixels, axis) => Math.min(pixels, Math.max(stride[axis]!, dilation[axis]!) - 1)) as [number, number];
    /** The size of the image with every tap of every pixel on it, before the padding is cut off. */
    const whole = [0, 1].map(
      (axis) => (image[axis]! - 1) * stride[axis]! + (kernel[axis]! - 1) * dilation[axis]! + 1 + outputPadding[axis]!,
    );
    const out = [whole[0]! - padding.top - padding.bottom, whole[1]! - padding.left - padding.right];
    return { image, kernel, stride, dilation, outputPadding, padding, out, ...rest };
  })
  .filter(({ out }) => out.every((size) => size > 0));

test("convTranspose2d adds every pixel times the kernel to the places that the kernel covers", () =>
  fc.assert(
    fc.asyncProperty(transposedConvolutions, seeds, async (drawn, seed) => {
      const { batch, groups, groupInputs, groupOutputs, image, kernel, stride, dilation, outputPadding, padding, out } = drawn;
      const x = sample([batch, groups * groupInputs, ...image], seed);
      const w = sample([groups * groupInputs, groupOutputs, ...kernel], seed + 1);
      await expectTensor(
        convTranspose2d(toTensor(x), toTensor(w), { stride, dilation, outputPadding, padding, groups }),
        accumulate([batch, groups * groupOutputs, ...out], (add) => {
          for (const [n, c, i, j] of indicesOf(x.shape) as Generator<[number, number, number, number]>)
            for (const [o, u, v] of indicesOf(w.shape.slice(1)) as Generator<[number, number, number]>) {
              const place = [i * stride[0] + u * dilation[0] - padding.top, j * stride[1] + v * dilation[1] - padding.left];
              if (place.some((at, axis) => at < 0 || at >= out[axis]!)) continue;
              add([n, Math.floor(c / groupInputs) * groupOutputs + o, ...place], at(x, [n, c, i, j]) * at(w, [c, o, u, v]));
            }
        }),
      );
    }),
    { numRuns: 150 },
  ));

test("convTranspose2d gives the numbers of PyTorch 1.13", () =>
  expectTensor(
    convTranspose2d(
      tensor(
        [
          [
            [
              [1, 2],
              [3, 4],
            ],
          ],
        ],
        { dtype: "float64" },
      ),
      tensor(
        Float64Array.from({ length: 12 }, (_, i) => i + 1),
        { shape: [1, 2, 3, 2] },
      ),
      { stride: [2, 3], padding: [1, 0], outputPadding: [1, 2] },
    ),
    {
      shape: [1, 2, 4, 7],
      values: [
        3, 4, 0, 6, 8, 0, 0, 8, 12, 0, 14, 20, 0, 0, 9, 12, 0, 12, 16, 0, 0, 15, 18, 0, 20, 24, 0, 0, 9, 10, 0, 18, 20, 0, 0, 32, 36, 0, 50,
        56, 0, 0, 27, 30, 0, 36, 40, 0, 0, 33, 36, 0, 44, 48, 0, 0,
      ],
    },
  ));

test("convTranspose2d goes back to the size that conv2d with the same options came from", () =>
  fc.assert(
    fc.property(convolutions({ empty: false }), (drawn) => {
      const { x, w, options, sides } = drawn;
      const y = conv2d(zeros(x), zeros(w), options);
      const outputPadding = outputPaddingOf(drawn, y.shape);
      expect(convTranspose2d(y, zeros(w), { ...options, padding: sides, outputPadding }).shape).toEqual(x);
    }),
    { numRuns: 100 },
  ));

test.each([
  ["needs x:[N,C,H,W] and w:[C,O/groups,Kh,Kw]", [2, 5, 5], [2, 3, 3, 3], {}],
  ["w must have the C = 2 channels of x first", [1, 2, 5, 5], [3, 2, 3, 3], {}],
  ["groups must divide the channels of x, got groups=2, C=3", [1, 3, 5, 5], [3, 2, 3, 3], { groups: 2 }],
  ["outputPadding must be below the stride or below the dilation", [1, 2, 5, 5], [2, 3, 3, 3], { outputPadding: 1 }],
  ["x and y must have pixels", [1, 2, 1, 1], [2, 3, 3, 3], { padding: 2 }],
  ["x and y must have pixels", [1, 2, 0, 1], [2, 3, 3, 3], {}],
  ["the kernel must be at least 1×1", [1, 2, 1, 1], [2, 3, 0, 3], {}],
  ['padding "same" leaves the size of y open', [1, 2, 5, 5], [2, 3, 3, 3], { padding: "same" as unknown as number }],
])("convTranspose2d refuses: %s", (message, x, w, options) => {
  expect(() => convTranspose2d(zeros(x), zeros(w), options)).toThrow(ShapeError);
  expect(() => convTranspose2d(zeros(x), zeros(w), options)).toThrow(`convTranspose2d: ${message}`);
});

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
  ["a window larger than the padded image", [1, 2, 5, 5], [3, 2, 3, 8], { padding: [0, 1] as const }],
  ["a dilated window larger than the image", [1, 2, 5, 5], [3, 2, 3, 3], { dilation: 3 }],
])("refuses %s", (_, x, w, options) => {
  expect(() => conv2d(zeros(x), zeros(w), options)).toThrow(ShapeError);
  expect(() => conv2d(zeros(x), zeros(w), options)).toThrow("conv2d: ");
});

test("refuses dtypes that differ", () => {
  expect(() => conv2d(zeros([1, 1, 2, 2]), tensor([[[[1]]]], { dtype: "float64" }))).toThrow(ShapeError);
});
