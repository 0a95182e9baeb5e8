/** Creation of tensors: shapes, dtypes, values, and arguments that do not fit. */

import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { kernels, memory } from "../../src/backend/active.ts";
import { ShapeError } from "../../src/core/errors.ts";
import { Random } from "../../src/core/random.ts";
import { sizeOf } from "../../src/core/shape.ts";
import { arange, eye, full, type NestedArray, normal, ones, tensor, uniform, zeros } from "../../src/ops/creation.ts";
import { scatterAdd } from "../../src/ops/indexing.ts";
import { tile } from "../../src/ops/layout.ts";
import { reshape } from "../../src/ops/reshape.ts";
import { broadcastTo } from "../../src/ops/sum-and-broadcast.ts";
import { scope } from "../../src/tensor/scope.ts";
import type { DType } from "../../src/tensor/storage.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
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

  test("takes typed arrays of another realm and of subclasses, in their own dtype", async () => {
    class Scaled extends Float64Array {}
    const foreign: [Float64Array, DType][] = [
      [runInNewContext("Float64Array.of(0.1, 2)"), "float64"],
      [runInNewContext("Float32Array.of(0.5, 2)"), "float32"],
      [runInNewContext("Int32Array.of(7, 2)"), "int32"],
      [Scaled.of(0.1, 2), "float64"],
      [runInNewContext("new (class extends Float64Array {})([0.1, 2])"), "float64"],
    ];
    for (const [values, dtype] of foreign) {
      const x = tensor(values);
      expect([x.dtype, x.shape]).toEqual([dtype, [2]]);
      expect([...(await x.data())]).toEqual([...values]);
    }
    // A nested array of another realm is an array like any other.
    expect(tensor(runInNewContext("[[1, 2], [3, 4]]")).shape).toEqual([2, 2]);
  });

  test("takes integers that float32 holds exactly, and refuses those that no dtype holds", async () => {
    for (const values of [
      Int8Array.of(-128, 127),
      Uint8Array.of(0, 255),
      Uint8ClampedArray.of(0, 255),
      Int16Array.of(-32768, 32767),
      Uint16Array.of(0, 65535),
    ]) {
      expect(tensor(values).dtype).toBe("float32");
      expect([...(await tensor(values).data())]).toEqual([...values]);
    }
    const float16 = (globalThis as { Float16Array?: { of(...values: number[]): Float32Array } }).Float16Array;
    if (float16 !== undefined) expect([...(await tensor(float16.of(0.5, 65504)).data())]).toEqual([0.5, 65504]);
    const wide = Uint32Array.of(4294967295) as unknown as NestedArray;
    expect(() => tensor(wide)).toThrow(
      new ShapeError("tensor: neither float32 nor int32 holds every number of a Uint32Array; choose with { dtype }"),
    );
    expect([...(await tensor(wide, { dtype: "float64" }).data())]).toEqual([4294967295]);
    for (const array of [BigInt64Array.of(1n), BigUint64Array.of(1n)]) {
      const values = array as unknown as NestedArray;
      expect(() => tensor(values)).toThrow(/tensor: no dtype holds the numbers of a Big(Ui|I)nt64Array; convert it first/);
      expect(() => tensor(values, { dtype: "float64" })).toThrow(ShapeError);
    }
    expect(() => tensor(new DataView(new ArrayBuffer(8)) as unknown as NestedArray)).toThrow(ShapeError);
  });

  test.each([
    [[null], "got null at index [0]"],
    [[true], "got true at index [0]"],
    [new Array(5), "got undefined at index [0]"],
    [
      [
        [1, 2],
        [3, undefined],
      ],
      "got undefined at index [1,1]",
    ],
    [["1"], "got 1 at index [0]"],
    [null, "got null"],
    [undefined, "got undefined"],
    [{ length: 1, 0: 1 }, "got [object Object]"],
    [[Float64Array.of(1, 2)], "got Float64Array at index [0]"],
    [[1n], "got 1 at index [0]"],
  ])("refuses what is neither a number nor an array of numbers: %#", (values, message) => {
    expect(() => tensor(values as NestedArray)).toThrow(ShapeError);
    expect(() => tensor(values as NestedArray)).toThrow(`tensor: needs numbers or arrays of numbers, ${message}`);
  });

  test("refuses an array that contains itself", () => {
    const loop: unknown[] = [];
    loop.push(loop);
    expect(() => tensor(loop as NestedArray)).toThrow("tensor: arrays may be nested 64 deep; does an array contain itself?");
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

/** Every function that takes a shape, with a shape that it must refuse before it allocates anything. */
const takeShapes: Record<string, (shape: readonly number[]) => unknown> = {
  tensor: (shape) => tensor([1], { shape }),
  full: (shape) => full(shape, 1),
  zeros: (shape) => zeros(shape),
  ones: (shape) => ones(shape),
  uniform: (shape) => uniform(shape, new Random(0)),
  normal: (shape) => normal(shape, new Random(0)),
  eye: (shape) => eye(shape[0]!, shape[1] ?? 1),
  broadcastTo: (shape) => broadcastTo(tensor(1), shape),
  reshape: (shape) => reshape(tensor(1), shape),
  scatterAdd: (shape) => scatterAdd(tensor([1]), tensor(Int32Array.of(0)), shape),
  tile: (shape) => tile(zeros(shape.map(() => 1)), shape),
  Tensor: (shape) => new Tensor(shape, kernels().full("float32", 1, 1)),
};

test.each(Object.keys(takeShapes))("%s refuses sizes that are not integers ≥ 0, and leaves no memory held", (name) => {
  const before = memory().storages;
  for (const shape of [[-2, -2], [2, 2.22], [2.5], [Number.NaN], [Infinity], [-1, -1], ["2"] as unknown as number[]]) {
    expect(() => scope(() => takeShapes[name]!(shape)), `${name} ${shape}`).toThrow(ShapeError);
    expect(memory().storages).toBe(before);
    expect(Number.isInteger(memory().used)).toBe(true);
  }
});

test("a shape with holes, or one that is no array, is refused", () => {
  expect(() => zeros(new Array(2))).toThrow("full: sizes must be integers ≥ 0, got undefined at axis 0");
  expect(() => zeros(5 as unknown as number[])).toThrow("full: a shape must be an array of sizes, got 5");
});

test("a dtype that does not exist is refused", () => {
  const options = { dtype: "float16" as "float32" };
  for (const make of [
    () => tensor([1], options),
    () => full([1], 1, options),
    () => arange(0, 3, 1, options),
    () => eye(2, 2, options),
    () => uniform([1], new Random(0), options),
    () => normal([1], new Random(0), options),
  ])
    expect(make).toThrow(/dtype must be float32, float64 or int32, got float16/);
});
