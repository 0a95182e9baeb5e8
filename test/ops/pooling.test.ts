/** Pooling against loops over windows. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ShapeError } from "../../src/core/errors.ts";
import { sizeOf } from "../../src/core/shape.ts";
import { zeros } from "../../src/ops/creation.ts";
import { avgPool2d, globalAvgPool2d, maxPool2d, type PoolingOptions } from "../../src/ops/pooling.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { shapes } from "../arbitraries/shapes.ts";
import { seeds, valuesOf } from "../arbitraries/values.ts";
import { at, build, expectTensor, type NdArray, toTensor } from "../support/nd-array.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";
import { sample } from "../support/sample.ts";

onReferenceBackend();

/** The padding [before, after] of one axis: each side smaller than the window, and both at most the window. */
const border = (kernel: number): fc.Arbitrary<[number, number]> =>
  fc.tuple(fc.nat({ max: kernel - 1 }), fc.nat({ max: kernel - 1 })).map(([before, after]) => [before, Math.min(after, kernel - before)]);

interface PoolingCase {
  readonly shape: number[];
  readonly kernel: [number, number];
  readonly stride: [number, number];
  readonly borders: [[number, number], [number, number]];
  readonly ceilMode: boolean;
  readonly countIncludePad: boolean;
}

/** The starts of the windows along one axis, one window after the other. A window of ceil mode starts before the end of the image. */
function startsOf({ shape, kernel, stride, borders, ceilMode }: PoolingCase, axis: 0 | 1): number[] {
  const [size, [before, after]] = [shape[axis + 2]!, borders[axis]];
  const starts: number[] = [];
  for (let start = -before; ; start += stride[axis]) {
    const exists = start + kernel[axis] <= size + after;
    // In ceil mode a window also exists where the window before it, if there were one, would not reach the end of the padding.
    if (!exists && !(ceilMode && start < size && start - stride[axis] + kernel[axis] < size + after)) return starts;
    starts.push(start);
  }
}

const fits = (drawn: PoolingCase): boolean => startsOf(drawn, 0).length * startsOf(drawn, 1).length > 0;

const cases: fc.Arbitrary<PoolingCase> = fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })).chain((kernel) =>
  fc.record({
    shape: shapes({ minRank: 4, maxRank: 4, maxSize: 6, empty: false }),
    kernel: fc.constant(kernel),
    stride: fc.oneof(fc.constant(kernel), fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 }))),
    borders: fc.tuple(border(kernel[0]), border(kernel[1])),
    ceilMode: fc.boolean(),
    countIncludePad: fc.boolean(),
  }),
);

const optionsOf = ({ kernel, stride, borders: [[top, bottom], [left, right]], ceilMode }: PoolingCase): PoolingOptions => ({
  kernel,
  ...(stride === kernel ? {} : { stride }),
  padding: { top, left, bottom, right },
  ceilMode,
});

/** f of the values of each window. The values leave out the padding; `padded` is the number of pixels with those of the padding. */
function pooled(x: NdArray, drawn: PoolingCase, f: (values: number[], padded: number) => number): NdArray {
  const { kernel, borders } = drawn;
  const [rows, columns] = [startsOf(drawn, 0), startsOf(drawn, 1)];
  return build([x.shape[0]!, x.shape[1]!, rows.length, columns.length], ([n, c, i, j]) => {
    const values: number[] = [];
    let padded = 0;
    for (let u = 0; u < kernel[0]; u++)
      for (let v = 0; v < kernel[1]; v++) {
        const [row, column] = [rows[i!]! + u, columns[j!]! + v];
        if (row < x.shape[2]! + borders[0][1] && column < x.shape[3]! + borders[1][1]) padded++;
        if (row >= 0 && row < x.shape[2]! && column >= 0 && column < x.shape[3]!) values.push(at(x, [n!, c!, row, column]));
      }
    return f(values, padded);
  });
}

test("maxPool2d is the largest value, and avgPool2d the mean of the pixels that count, with any padding and in ceil mode", () =>
  fc.assert(
    fc.asyncProperty(cases.filter(fits), seeds, async (drawn, seed) => {
      const { shape, countIncludePad } = drawn;
      const x: NdArray = { shape, values: [...valuesOf(seed, sizeOf(shape), seed % 2 ? "integers" : "normal")] };
      const options = optionsOf(drawn);
      await expectTensor(
        maxPool2d(toTensor(x), options),
        pooled(x, drawn, (values) => Math.max(...values)),
      );
      await expectTensor(
        avgPool2d(toTensor(x), { ...options, countIncludePad }),
        pooled(x, drawn, (values, padded) => values.reduce((sum, v) => sum + v, 0) / (countIncludePad ? padded : values.length)),
      );
    }),
    { numRuns: 200 },
  ));

test("a window larger than the padded image is refused", () =>
  fc.assert(
    fc.property(
      cases.filter((drawn) => !fits(drawn)),
      (drawn) => {
        for (const op of [maxPool2d, avgPool2d]) {
          expect(() => op(zeros(drawn.shape), optionsOf(drawn))).toThrow(ShapeError);
          expect(() => op(zeros(drawn.shape), optionsOf(drawn))).toThrow(
            new RegExp(`${op.name}: the window must not be larger than the padded image, got a window of ${drawn.kernel.join("×")} pixels`),
          );
        }
      },
    ),
    { numRuns: 50 },
  ));

describe("the numbers of PyTorch 1.13 for the image 0 … 24", () => {
  const image: NdArray = { shape: [1, 1, 5, 5], values: Array.from({ length: 25 }, (_, i) => i) };
  // A fourth window of ceil mode would start at 5, where the image ends, so there are 3 windows along each axis.
  const common = { kernel: 2, padding: 1, ceilMode: true } as const;

  test.each([
    ["maxPool2d", [0, 2, 4, 10, 12, 14, 20, 22, 24], () => maxPool2d(toTensor(image), common)],
    ["avgPool2d", [0.0, 0.75, 1.75, 3.75, 9.0, 11.0, 8.75, 19.0, 21.0], () => avgPool2d(toTensor(image), common)],
    [
      "avgPool2d without the padding",
      [0.0, 1.5, 3.5, 7.5, 9.0, 11.0, 17.5, 19.0, 21.0],
      () => avgPool2d(toTensor(image), { ...common, countIncludePad: false }),
    ],
    [
      "avgPool2d whose last windows reach beyond the image",
      [3.0, 5.0, 6.5, 13.0, 15.0, 16.5, 20.5, 22.5, 24.0],
      () => avgPool2d(toTensor(image), { kernel: 2, ceilMode: true }),
    ],
  ])("%s", (_, expected, pool) => expectTensor((pool as () => Tensor)(), { shape: [1, 1, 3, 3], values: expected as number[] }));
});

test('"same" gives ⌈size/stride⌉ windows along each axis', async () => {
  const x = sample([1, 2, 5, 6], 3);
  expect(maxPool2d(toTensor(x), { kernel: 2, stride: 1, padding: "same" }).shape).toEqual([1, 2, 5, 6]);
  expect(maxPool2d(toTensor(x), { kernel: [3, 4], padding: "same" }).shape).toEqual([1, 2, 2, 2]);
  await expectTensor(
    avgPool2d(toTensor(x), { kernel: 2, stride: 1, padding: "same", countIncludePad: false }),
    build([1, 2, 5, 6], ([n, c, i, j]) => {
      const values = [i!, Math.min(4, i! + 1)].flatMap((row) => [j!, Math.min(5, j! + 1)].map((column) => at(x, [n!, c!, row, column])));
      return values.reduce((sum, v) => sum + v, 0) / 4;
    }),
  );
});

test("globalAvgPool2d is the mean of each channel", async () => {
  const x = sample([2, 3, 2, 4], 5);
  const mean = build([2, 3], ([n, c]) => {
    let total = 0;
    for (let i = 0; i < 2; i++) for (let j = 0; j < 4; j++) total += at(x, [n!, c!, i, j]);
    return total / 8;
  });
  await expectTensor(globalAvgPool2d(toTensor(x)), mean);
});

test("no images give no images, and no channels give no channels", () => {
  for (const op of [maxPool2d, avgPool2d])
    for (const shape of [
      [0, 2, 4, 4],
      [2, 0, 4, 4],
    ])
      expect(op(zeros(shape), { kernel: 2 }).shape).toEqual([...shape.slice(0, 2), 2, 2]);
});

test.each([
  ["a rank other than 4", [2, 4, 4], { kernel: 2 }],
  ["padding over half the window", [1, 1, 4, 4], { kernel: 3, padding: 2 }],
  ["a side's padding as wide as the window", [1, 1, 4, 4], { kernel: 2, padding: { top: 0, left: 2, bottom: 0, right: 0 } }],
  ["a window larger than the image", [1, 1, 4, 4], { kernel: 5 }],
  ["an image without pixels", [1, 1, 4, 0], { kernel: 1 }],
  ["a window of 0", [1, 1, 4, 4], { kernel: 0, stride: 1 }],
  ["a fractional window", [1, 1, 4, 4], { kernel: 1.5, stride: 1 }],
  ["stride 0", [1, 1, 4, 4], { kernel: 2, stride: 0 }],
  ["a window wholly in the padding of an empty image", [1, 1, 0, 4], { kernel: 2, padding: 1 }],
])("refuse %s", (_, shape, options: PoolingOptions) => {
  for (const op of [maxPool2d, avgPool2d]) {
    expect(() => op(zeros(shape), options)).toThrow(ShapeError);
    expect(() => op(zeros(shape), options)).toThrow(`${op.name}: `);
  }
  if (shape.length !== 4) expect(() => globalAvgPool2d(zeros(shape))).toThrow(ShapeError);
});
