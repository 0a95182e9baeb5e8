/** Ops that move elements against index arithmetic. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ShapeError } from "../../src/core/errors.ts";
import { type Shape, sizeOf } from "../../src/core/shape.ts";
import { tensor } from "../../src/ops/creation.ts";
import { concat, diagonal, flip, pad, permute, slice, stack, tile, transpose } from "../../src/ops/layout.ts";
import { axisSubsets, permutations, shapes, shapesWithAxis } from "../arbitraries/shapes.ts";
import { seeds } from "../arbitraries/values.ts";
import { at, build, expectTensor, type NdArray, toTensor } from "../support/nd-array.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";
import { sample } from "../support/sample.ts";

onReferenceBackend();

const x23 = () =>
  tensor([
    [1, 2, 3],
    [4, 5, 6],
  ]);

test("permute: y[i_order] = x[i]", () =>
  fc.assert(
    fc.asyncProperty(
      shapes().chain((shape) => fc.tuple(fc.constant(shape), permutations(shape.length))),
      seeds,
      fc.boolean(),
      async ([shape, order], seed, fromEnd) => {
        const x = sample(shape, seed);
        const expected = build(
          order.map((axis) => shape[axis]!),
          (index) =>
            at(
              x,
              shape.map((_, axis) => index[order.indexOf(axis)]!),
            ),
        );
        await expectTensor(permute(toTensor(x), fromEnd ? order.map((axis) => axis - shape.length) : order), expected);
      },
    ),
  ));

test("transpose exchanges two axes, and refuses a vector", async () => {
  await expectTensor(transpose(x23()), { shape: [3, 2], values: [1, 4, 2, 5, 3, 6] });
  await expectTensor(transpose(tensor([[[1, 2]], [[3, 4]]]), 0, 2), { shape: [2, 1, 2], values: [1, 3, 2, 4] });
  expect(() => transpose(tensor([1]))).toThrow(ShapeError);
});

test.each([[[0]], [[0, 0]], [[0, 2]], [[0, 1, 1]]])("permute refuses axes %j of a matrix", (axes) =>
  expect(() => permute(x23(), axes)).toThrow(ShapeError),
);

/** The indices that Python's start:end:step selects, by a test of each index. */
function picked(size: number, range: readonly [number, number, number] | undefined): number[] {
  const [start, end, step] = range ?? [0, size, 1];
  const [from, to] = [start, end].map((e) => (e < 0 ? e + size : e)) as [number, number];
  return Array.from({ length: size }, (_, i) => i).filter((i) => i >= from && i < to && (i - Math.max(0, from)) % step === 0);
}

test("slice selects what Python's start:end:step selects", () =>
  fc.assert(
    fc.asyncProperty(
      shapes({ maxSize: 6 }).chain((shape) => {
        const end = fc.integer({ min: -8, max: 8 });
        const range = fc.option(fc.tuple(end, end, fc.integer({ min: 1, max: 4 })), { nil: undefined });
        return fc.tuple(fc.constant(shape), fc.array(range, { maxLength: shape.length }));
      }),
      seeds,
      async ([shape, ranges], seed) => {
        const x = sample(shape, seed);
        const rows = shape.map((size, axis) => picked(size, ranges[axis]));
        const expected = build(
          rows.map((row) => row.length),
          (index) =>
            at(
              x,
              index.map((i, axis) => rows[axis]![i]!),
            ),
        );
        await expectTensor(slice(toTensor(x), ranges), expected);
      },
    ),
    { numRuns: 200 },
  ));

test.each([
  [[[0, 1, 0]]],
  [[[0, 1, -1]]],
  [[[0.5, 1]]],
  [
    [
      [0, 1],
      [0, 1],
      [0, 1],
    ],
  ],
  [[[0, Number.NaN]]],
])("slice refuses %j", (ranges) => expect(() => slice(x23(), ranges as [number, number][])).toThrow(ShapeError));

test("flip reverses axes, and flipping twice is the identity", () =>
  fc.assert(
    fc.asyncProperty(
      shapes().chain((shape) => fc.tuple(fc.constant(shape), axisSubsets(shape.length))),
      seeds,
      async ([shape, axes], seed) => {
        const x = sample(shape, seed);
        const reversed = new Set(axes.map((axis) => (axis < 0 ? axis + shape.length : axis)));
        const expected = build(shape, (index) =>
          at(
            x,
            index.map((i, axis) => (reversed.has(axis) ? shape[axis]! - 1 - i : i)),
          ),
        );
        await expectTensor(flip(toTensor(x), axes), expected);
        await expectTensor(flip(flip(toTensor(x), axes), axes), x);
      },
    ),
  ));

test("pad surrounds x with the value, and slicing gives x back", () =>
  fc.assert(
    fc.asyncProperty(
      shapes().chain((shape) =>
        fc.tuple(fc.constant(shape), fc.tuple(...shape.map(() => fc.tuple(fc.nat({ max: 3 }), fc.nat({ max: 3 }))))),
      ),
      seeds,
      fc.constantFrom(0, -1.5, Infinity),
      async ([shape, widths], seed, value) => {
        const x = sample(shape, seed);
        const expected = build(
          shape.map((size, axis) => size + widths[axis]![0] + widths[axis]![1]),
          (index) => {
            const inner = index.map((i, axis) => i - widths[axis]![0]);
            return inner.every((i, axis) => i >= 0 && i < shape[axis]!) ? at(x, inner) : value;
          },
        );
        const padded = pad(toTensor(x), widths, value);
        await expectTensor(padded, expected);
        await expectTensor(
          slice(
            padded,
            shape.map((size, axis) => [widths[axis]![0], widths[axis]![0] + size] as const),
          ),
          x,
        );
      },
    ),
  ));

test.each([
  [[[1, 1]]],
  [
    [
      [1, 1],
      [-1, 0],
    ],
  ],
  [
    [
      [1, 1],
      [0.5, 0],
    ],
  ],
])("pad refuses widths %j of a matrix", (widths) => expect(() => pad(x23(), widths as [number, number][])).toThrow(ShapeError));

test("diagonal: y[rest, i] = x[i on all the axes]", () =>
  fc.assert(
    fc.asyncProperty(
      fc
        .tuple(shapes({ maxRank: 2, maxSize: 3 }), fc.integer({ min: 0, max: 4 }), fc.integer({ min: 2, max: 3 }))
        .chain(([rest, size, count]) => {
          const rank = rest.length + count;
          return fc.record({
            rest: fc.constant(rest),
            size: fc.constant(size),
            axes: permutations(rank).map((order) => order.slice(0, count)),
          });
        }),
      seeds,
      async ({ rest, size, axes }, seed) => {
        const others = Array.from({ length: rest.length + axes.length }, (_, axis) => axis).filter((axis) => !axes.includes(axis));
        const shape = Array.from({ length: rest.length + axes.length }, (_, axis) =>
          axes.includes(axis) ? size : rest[others.indexOf(axis)]!,
        );
        const x = sample(shape, seed);
        const expected = build([...rest, size], (index) =>
          at(
            x,
            shape.map((_, axis) => (axes.includes(axis) ? index.at(-1)! : index[others.indexOf(axis)]!)),
          ),
        );
        await expectTensor(diagonal(toTensor(x), axes), expected);
      },
    ),
  ));

test.each([[[0]], [[0, 0]], [[0, 1]], [[]]])("diagonal refuses axes %j of [2,3]", (axes) =>
  expect(() => diagonal(x23(), axes)).toThrow(ShapeError),
);

/** Parts that agree in every size except that of one axis. */
const parts = fc.tuple(shapesWithAxis(), fc.array(fc.nat({ max: 3 }), { minLength: 1, maxLength: 4 }));

test("concat puts parts one after the other, and slicing gives them back", () =>
  fc.assert(
    fc.asyncProperty(parts, seeds, fc.boolean(), async ([{ shape, axis }, lengths], seed, fromEnd) => {
      const arrays = lengths.map((length, i) => sample(shape.with(axis, length), seed + i));
      const places = arrays.flatMap((array, part) => Array.from({ length: array.shape[axis]! }, (_, i) => ({ part, i })));
      const expected = build(shape.with(axis, places.length), (index) => {
        const { part, i } = places[index[axis]!]!;
        return at(arrays[part]!, index.with(axis, i));
      });
      const joined = concat(
        arrays.map((array) => toTensor(array)),
        fromEnd ? axis - shape.length : axis,
      );
      await expectTensor(joined, expected);
      let start = 0;
      for (const array of arrays) {
        const end = start + array.shape[axis]!;
        await expectTensor(
          slice(
            joined,
            shape.map((_, i) => (i === axis ? ([start, end] as const) : undefined)),
          ),
          array,
        );
        start = end;
      }
    }),
  ));

test("stack puts parts one after the other along a new axis", () =>
  fc.assert(
    fc.asyncProperty(
      shapes({ maxRank: 3 }).chain((shape) => fc.tuple(fc.constant(shape), fc.nat({ max: shape.length }))),
      fc.integer({ min: 1, max: 3 }),
      seeds,
      async ([shape, axis], count, seed) => {
        const arrays: NdArray[] = Array.from({ length: count }, (_, i) => sample(shape, seed + i));
        const expected = build(shape.toSpliced(axis, 0, count), (index) => at(arrays[index[axis]!]!, index.toSpliced(axis, 1)));
        await expectTensor(
          stack(
            arrays.map((array) => toTensor(array)),
            axis,
          ),
          expected,
        );
      },
    ),
  ));

describe("concat and stack refuse", () => {
  const row = (): ReturnType<typeof tensor> => tensor([[1, 2]]);
  test("no parts", () => {
    expect(() => concat([])).toThrow(ShapeError);
    expect(() => stack([])).toThrow(ShapeError);
  });
  test("sizes, ranks or dtypes that differ", () => {
    expect(() => concat([row(), tensor([[1]])])).toThrow("concat: tensors must agree");
    expect(() => concat([row(), tensor([1, 2])])).toThrow(ShapeError);
    expect(() => concat([row(), tensor([[1, 2]], { dtype: "float64" })])).toThrow(ShapeError);
    expect(() => stack([row(), tensor([[1]])])).toThrow("stack: shapes must agree");
  });
  test("an axis that does not exist", () => {
    expect(() => concat([tensor(1)])).toThrow(ShapeError);
    expect(() => stack([row()], 3)).toThrow(ShapeError);
  });
});

test("tile: y[i] = x[i mod size]", () =>
  fc.assert(
    fc.asyncProperty(
      shapes({ maxRank: 3 }).chain((shape) => fc.tuple(fc.constant(shape), fc.tuple(...shape.map(() => fc.nat({ max: 3 }))))),
      seeds,
      async ([shape, counts], seed) => {
        const x = sample(shape, seed);
        await expectTensor(
          tile(toTensor(x), counts),
          build(
            shape.map((size, axis) => size * counts[axis]!),
            (index) =>
              at(
                x,
                index.map((i, axis) => i % shape[axis]!),
              ),
          ),
        );
      },
    ),
  ));

test.each([[[1]], [[1, -1]], [[1, 0.5]]])("tile refuses counts %j for a matrix", (counts) =>
  expect(() => tile(x23(), counts)).toThrow(ShapeError),
);

test("the result survives the operand, even if no element had to move", async () => {
  const rules: Record<string, (x: ReturnType<typeof tensor>) => ReturnType<typeof tensor>> = {
    permute: (x) => permute(x, [0, 1]),
    slice: (x) => slice(x, []),
    flip: (x) => flip(x, []),
    pad: (x) =>
      pad(x, [
        [0, 0],
        [0, 0],
      ]),
    concat: (x) => concat([x]),
    tile: (x) => tile(x, [1, 1]),
  };
  for (const [name, op] of Object.entries(rules)) {
    const x = x23();
    const y = op(x);
    x.dispose();
    expect([...(await y.data())], name).toEqual([1, 2, 3, 4, 5, 6]);
  }
});

test("int32 tensors keep their dtype", async () => {
  const shape: Shape = [2, 2];
  const x = tensor(Int32Array.of(1, 2, 3, 4), { shape });
  expect(sizeOf(shape)).toBe(x.size);
  for (const y of [transpose(x), slice(x, [[0, 1]]), concat([x, x]), flip(x, [0])]) expect(y.dtype).toBe("int32");
});
