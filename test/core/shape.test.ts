import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ShapeError } from "../../src/core/errors.ts";
import {
  broadcastShapes,
  broadcastStrides,
  checkShape,
  formatShape,
  normalizeAxes,
  normalizeAxis,
  sameShape,
  sizeOf,
  stridesOf,
} from "../../src/core/shape.ts";
import { axisSubsets, broadcastPairs, shapes } from "../arbitraries/shapes.ts";

/** Every multi-index of a shape. The last axis runs fastest. This oracle counts and uses no strides. */
function multiIndices(shape: readonly number[]): number[][] {
  if (shape.length === 0) return [[]];
  const [size, ...rest] = shape as [number, ...number[]];
  return Array.from({ length: size }, (_, i) => multiIndices(rest).map((index) => [i, ...index])).flat();
}

const place = (index: readonly number[], strides: readonly number[]): number => index.reduce((sum, i, axis) => sum + i * strides[axis]!, 0);

describe("stridesOf and sizeOf", () => {
  it("number the elements 0, 1, 2 … in reading order", () => {
    fc.assert(
      fc.property(shapes(), (shape) => {
        const places = multiIndices(shape).map((index) => place(index, stridesOf(shape)));
        expect(places).toEqual(Array.from({ length: sizeOf(shape) }, (_, i) => i));
      }),
    );
  });

  it("give a scalar one element and no strides", () => {
    expect(sizeOf([])).toBe(1);
    expect(stridesOf([])).toEqual([]);
  });
});

describe("broadcastShapes", () => {
  it("is the shape that both operands were cut from, in either order of the operands", () => {
    fc.assert(
      fc.property(broadcastPairs(), ({ a, b, out }) => {
        expect(broadcastShapes("add", a, b)).toEqual(out);
        expect(broadcastShapes("add", b, a)).toEqual(out);
      }),
    );
  });

  it("is the shape itself for a second operand that is a scalar or has the same shape", () => {
    fc.assert(
      fc.property(shapes(), (shape) => {
        expect(broadcastShapes("add", shape, [])).toEqual(shape);
        expect(broadcastShapes("add", shape, shape)).toEqual(shape);
      }),
    );
  });

  it("refuses sizes that differ when neither is 1, and names both shapes", () => {
    fc.assert(
      fc.property(broadcastPairs({ minRank: 1 }), fc.nat(), ({ out }, pick) => {
        const axis = pick % out.length;
        const a = out.map((size, i) => (i === axis ? size + 2 : size));
        const b = out.map((size, i) => (i === axis ? size + 3 : size));
        expect(() => broadcastShapes("add", a, b)).toThrow(ShapeError);
        expect(() => broadcastShapes("add", a, b)).toThrow(`${formatShape(a)} and ${formatShape(b)}`);
      }),
    );
  });
});

describe("broadcastStrides", () => {
  it("read the same element as the repeated tensor would have there", () => {
    fc.assert(
      fc.property(broadcastPairs(), ({ a, out }) => {
        const strides = broadcastStrides(a, out);
        for (const index of multiIndices(out)) {
          const own = index.slice(out.length - a.length).map((i, axis) => (a[axis] === 1 ? 0 : i));
          expect(place(index, strides)).toBe(place(own, stridesOf(a)));
        }
      }),
    );
  });
});

describe("sameShape", () => {
  it("is true exactly when the shapes are written alike", () => {
    fc.assert(
      fc.property(shapes({ maxSize: 2 }), shapes({ maxSize: 2 }), (a, b) => {
        expect(sameShape(a, b)).toBe(formatShape(a) === formatShape(b));
        expect(sameShape(a, [...a])).toBe(true);
      }),
    );
  });
});

describe("checkShape", () => {
  it("accepts integers ≥ 0 only", () => {
    fc.assert(
      fc.property(shapes({ minRank: 1 }), fc.constantFrom(-1, 0.5, Number.NaN, Infinity), fc.nat(), (shape, bad, pick) => {
        expect(() => checkShape("zeros", shape)).not.toThrow();
        expect(() => checkShape("zeros", shape.with(pick % shape.length, bad))).toThrow(ShapeError);
      }),
    );
  });
});

describe("normalizeAxis and normalizeAxes", () => {
  it("count from either end", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.nat(), (rank, pick) => {
        const axis = pick % rank;
        expect(normalizeAxis("sum", axis, rank)).toBe(axis);
        expect(normalizeAxis("sum", axis - rank, rank)).toBe(axis);
      }),
    );
  });

  it("refuse an axis that does not exist, and name it and the range", () => {
    fc.assert(
      fc.property(fc.nat({ max: 5 }), fc.nat({ max: 9 }), (rank, beyond) => {
        for (const axis of [rank + beyond, -rank - 1 - beyond, 0.5])
          expect(() => normalizeAxis("sum", axis, rank)).toThrow(`sum: axis must be an integer in [${-rank}, ${rank - 1}], got ${axis}`);
      }),
    );
  });

  it("sort the axes, and refuse an axis that is named twice", () => {
    const rankWithAxes = fc.nat({ max: 5 }).chain((rank) => fc.tuple(fc.constant(rank), axisSubsets(rank)));
    fc.assert(
      fc.property(rankWithAxes, ([rank, axes]) => {
        const normalized = normalizeAxes("sum", axes, rank);
        expect(normalized).toEqual(
          Array.from({ length: rank }, (_, axis) => axis).filter((axis) => axes.includes(axis) || axes.includes(axis - rank)),
        );
        for (const axis of axes) expect(() => normalizeAxes("sum", [...axes, axis], rank)).toThrow("distinct");
      }),
    );
  });

  it("give every axis when none is named, and one axis for a number", () => {
    expect(normalizeAxes("sum", undefined, 3)).toEqual([0, 1, 2]);
    expect(normalizeAxes("sum", -1, 3)).toEqual([2]);
    expect(normalizeAxes("sum", undefined, 0)).toEqual([]);
  });
});
