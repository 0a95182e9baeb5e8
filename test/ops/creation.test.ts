/** Creation of tensors: shapes, dtypes, values, and arguments that do not fit. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ShapeError } from "../../src/core/errors.ts";
import { Random } from "../../src/core/random.ts";
import { sizeOf } from "../../src/core/shape.ts";
import { arange, eye, full, type NestedArray, normal, ones, tensor, uniform, zeros } from "../../src/ops/creation.ts";
import { shapes } from "../arbitraries/shapes.ts";
import { seeds } from "../arbitraries/values.ts";
import { expectTensor, indicesOf, toTensor } from "../support/nd-array.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";
import { sample } from "../support/sample.ts";

onReferenceBackend();

/** The values as nested arrays of a shape. */
const nested = (shape: readonly number[], values: readonly number[]): NestedArray => {
  const [size, ...rest] = shape;
  if (size === undefined) return values[0]!;
  const each = sizeOf(rest);
  return Array.from({ length: size }, (_, i) => nested(rest, values.slice(i * each, (i + 1) * each)));
};

describe("tensor", () => {
  test("takes the shape of nested arrays of any rank", () =>
    fc.assert(
      fc.asyncProperty(shapes({ empty: false }), seeds, async (shape, seed) => {
        const x = sample(shape, seed);
        await expectTensor(tensor(nested(shape, x.values), { dtype: "float64" }), x);
        expect([...indicesOf(shape)].length).toBe(sizeOf(shape));
      }),
    ));

  test("takes empty arrays", () => {
    expect(tensor([]).shape).toEqual([0]);
    expect(tensor([[], []]).shape).toEqual([2, 0]);
  });

  test("keeps the dtype of a typed array, makes bytes float32, and takes the dtype option", async () => {
    expect(tensor(Float32Array.of(1)).dtype).toBe("float32");
    expect(tensor(Float64Array.of(1)).dtype).toBe("float64");
    expect(tensor(Int32Array.of(1)).dtype).toBe("int32");
    expect(tensor(Uint8Array.of(200)).dtype).toBe("float32");
    expect(await tensor(Uint8Array.of(200)).item()).toBe(200);
    expect(tensor(Int32Array.of(1), { dtype: "float64" }).dtype).toBe("float64");
    expect(tensor(1).dtype).toBe("float32");
  });

  test("copies the array, so that later changes to it have no effect", async () => {
    const values = Float64Array.of(1, 2);
    const x = tensor(values);
    values[0] = 9;
    expect([...(await x.data())]).toEqual([1, 2]);
    (await x.data())[0] = 9;
    expect([...(await x.data())]).toEqual([1, 2]);
  });

  test.each([[[[1, 2], [3]]], [[[1], 2]], [[1, [2]]], [[[[1]], [[2, 3]]]], [[[], [1]]]])("refuses ragged %j", (values) =>
    expect(() => tensor(values as NestedArray)).toThrow("tensor: nested arrays must be rectangular"),
  );

  test.each([[[3]], [[-2, -1]], [[0.5, 4]], [[Number.NaN]]])("refuses shape %j for two values", (shape) =>
    expect(() => tensor([1, 2], { shape })).toThrow(ShapeError),
  );
});

test("zeros, ones, full", async () => {
  await expectTensor(zeros([2, 2]), { shape: [2, 2], values: [0, 0, 0, 0] });
  await expectTensor(ones([], { dtype: "float64" }), { shape: [], values: [1] });
  await expectTensor(full([0, 3], 7), { shape: [0, 3], values: [] });
  for (const make of [zeros, ones]) expect(() => make([-1])).toThrow(ShapeError);
});

test("arange counts from start in steps and stays below stop", async () => {
  await expectTensor(arange(0, 3), { shape: [3], values: [0, 1, 2] });
  await expectTensor(arange(3, 0, -2), { shape: [2], values: [3, 1] });
  await expectTensor(arange(1, 1), { shape: [0], values: [] });
  await expectTensor(arange(0, 1, 0.25, { dtype: "float64" }), { shape: [4], values: [0, 0.25, 0.5, 0.75] });
  for (const [start, stop, step] of [
    [0, 1, 0],
    [0, Infinity, 1],
    [Number.NaN, 1, 1],
    [0, 1, Number.NaN],
  ] as const)
    expect(() => arange(start, stop, step)).toThrow(ShapeError);
});

test("eye has ones on the diagonal", async () => {
  await expectTensor(eye(2), { shape: [2, 2], values: [1, 0, 0, 1] });
  await expectTensor(eye(2, 3), { shape: [2, 3], values: [1, 0, 0, 0, 1, 0] });
  await expectTensor(eye(3, 1), { shape: [3, 1], values: [1, 0, 0] });
  expect(() => eye(-1)).toThrow(ShapeError);
});

describe("random tensors", () => {
  const moments = (values: ArrayLike<number>): { mean: number; variance: number } => {
    const list = Array.from(values);
    const mean = list.reduce((sum, v) => sum + v, 0) / list.length;
    return { mean, variance: list.reduce((sum, v) => sum + (v - mean) ** 2, 0) / list.length };
  };

  test("are determined by the stream", async () => {
    for (const make of [uniform, normal]) {
      const draw = async (seed: number): Promise<number[]> => [...(await make([8], new Random(seed)).data())];
      expect(await draw(1)).toEqual(await draw(1));
      expect(await draw(1)).not.toEqual(await draw(2));
    }
  });

  test("uniform and normal have their mean and variance, within 5 standard errors", async () => {
    const count = 40_000;
    const flat = await uniform([count], new Random(5), { low: -1, high: 3, dtype: "float64" }).data();
    expect(flat.every((v) => v >= -1 && v < 3)).toBe(true);
    expect(Math.abs(moments(flat).mean - 1)).toBeLessThan(5 * Math.sqrt(16 / 12 / count));
    // The variance of (x − μ)² is m₄ − σ⁴. This is w⁴/180 for a uniform distribution of width w, and 2σ⁴ for a normal distribution.
    expect(Math.abs(moments(flat).variance - 16 / 12)).toBeLessThan(5 * Math.sqrt(256 / 180 / count));
    const bell = await normal([count], new Random(6), { mean: 2, std: 3, dtype: "float64" }).data();
    expect(Math.abs(moments(bell).mean - 2)).toBeLessThan(5 * Math.sqrt(9 / count));
    expect(Math.abs(moments(bell).variance - 9)).toBeLessThan(5 * Math.sqrt((2 * 81) / count));
  });
});

test("a float32 tensor has the values of a float64 array, rounded", async () => {
  const x = sample([2, 3], 1);
  await expectTensor(toTensor(x, "float32"), x, 1e-7);
});
