/** Pooling against loops over windows. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { ShapeError } from "../../src/core/errors.ts";
import { sizeOf } from "../../src/core/shape.ts";
import { zeros } from "../../src/ops/creation.ts";
import { avgPool2d, globalAvgPool2d, maxPool2d, type PoolingOptions } from "../../src/ops/pooling.ts";
import { shapes } from "../arbitraries/shapes.ts";
import { seeds, valuesOf } from "../arbitraries/values.ts";
import { at, build, expectTensor, type NdArray, toTensor } from "../support/nd-array.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";
import { sample } from "../support/sample.ts";

onReferenceBackend();

const cases = fc
  .record({
    shape: shapes({ minRank: 4, maxRank: 4, maxSize: 6, empty: false }),
    kernel: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })),
    stride: fc.option(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })), { nil: undefined }),
    border: fc.tuple(fc.nat({ max: 2 }), fc.nat({ max: 2 })),
  })
  .map(({ shape, kernel, stride, border }) => ({
    shape,
    kernel,
    stride: stride ?? kernel,
    padding: border.map((width, axis) => Math.min(width, Math.floor(kernel[axis]! / 2))) as [number, number],
    options: { kernel, ...(stride === undefined ? {} : { stride }) },
  }));

/** f of the values of each window. The values leave out the padding; `size` is the size of the whole window. */
function pooled(
  x: NdArray,
  { kernel, stride, padding }: { kernel: number[]; stride: number[]; padding: number[] },
  f: (values: number[], size: number) => number,
): NdArray {
  const out = [2, 3].map((axis) =>
    Math.max(0, Math.floor((x.shape[axis]! + 2 * padding[axis - 2]! - kernel[axis - 2]!) / stride[axis - 2]!) + 1),
  );
  return build([x.shape[0]!, x.shape[1]!, ...out], ([n, c, i, j]) => {
    const values: number[] = [];
    for (let u = 0; u < kernel[0]!; u++)
      for (let v = 0; v < kernel[1]!; v++) {
        const [row, column] = [i! * stride[0]! + u - padding[0]!, j! * stride[1]! + v - padding[1]!];
        if (row >= 0 && row < x.shape[2]! && column >= 0 && column < x.shape[3]!) values.push(at(x, [n!, c!, row, column]));
      }
    return f(values, kernel[0]! * kernel[1]!);
  });
}

test("maxPool2d is the largest value, and avgPool2d is the mean with padding as zeros", () =>
  fc.assert(
    fc.asyncProperty(cases, seeds, async ({ shape, options, ...geometry }, seed) => {
      const x: NdArray = { shape, values: [...valuesOf(seed, sizeOf(shape), seed % 2 ? "integers" : "normal")] };
      const all: PoolingOptions = { ...options, padding: geometry.padding };
      await expectTensor(
        maxPool2d(toTensor(x), all),
        pooled(x, geometry, (values) => Math.max(...values)),
      );
      await expectTensor(
        avgPool2d(toTensor(x), all),
        pooled(x, geometry, (values, size) => values.reduce((sum, v) => sum + v, 0) / size),
      );
    }),
    { numRuns: 150 },
  ));

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
