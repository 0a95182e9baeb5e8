import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { BinaryOp, UnaryOp } from "../../../src/backend/kernels.ts";
import { broadcastStrides, sizeOf } from "../../../src/core/shape.ts";
import { broadcastPairs } from "../../arbitraries/shapes.ts";
import { seeds, valuesOf } from "../../arbitraries/values.ts";
import { broadcastAt, build } from "../../support/nd-array.ts";
import { float64, numbers, reference } from "./run-kernels.ts";

const [nan, inf] = [Number.NaN, Infinity];

describe("unary", () => {
  const inputs = [nan, inf, -inf, 0, -0, 2.25, -1.5];
  /** f at each of `inputs`. The digits of the transcendental functions are from mpmath. */
  const known: Record<UnaryOp, readonly number[]> = {
    negate: [nan, -inf, inf, -0, 0, -2.25, 1.5],
    absolute: [nan, inf, inf, 0, 0, 2.25, 1.5],
    sign: [nan, 1, -1, 0, -0, 1, -1],
    reciprocal: [nan, 0, -0, inf, -inf, 4 / 9, -2 / 3],
    exp: [nan, inf, 0, 1, 1, 9.487735836358526, 0.22313016014842982],
    expm1: [nan, inf, -1, 0, -0, 8.487735836358526, -0.7768698398515702],
    log: [nan, inf, nan, -inf, -inf, 0.8109302162163288, nan],
    log1p: [nan, inf, nan, 0, -0, 1.1786549963416462, nan],
    sqrt: [nan, inf, nan, 0, -0, 1.5, nan],
    reciprocalSqrt: [nan, 0, nan, inf, -inf, 2 / 3, nan],
    tanh: [nan, 1, -1, 0, -0, 0.9780261147388136, -0.9051482536448664],
    sigmoid: [nan, 1, 0, 0.5, 0.5, 0.9046505351008906, 0.18242552380635635],
    erf: [nan, 1, -1, 0, -0, 0.9985372834133188, -0.9661051464753108],
    normalCdf: [nan, 1, 0, 0.5, 0.5, 0.9877755273449551, 0.06680720126885807],
    gelu: [nan, inf, -0, 0, -0, 2.2224949365261493, -0.1002108019032871],
    sin: [nan, nan, nan, 0, -0, 0.7780731968879212, -0.9974949866040544],
    cos: [nan, nan, nan, 1, 1, -0.6281736227227391, 0.0707372016677029],
    relu: [nan, inf, 0, 0, 0, 2.25, 0],
    step: [0, 1, 0, 0, 0, 1, 0],
    floor: [nan, inf, -inf, 0, -0, 2, -2],
    not: [0, 0, 0, 1, 1, 0, 0],
  };

  for (const [op, expected] of Object.entries(known))
    it(`${op} at NaN, ±∞, ±0, a positive and a negative number`, () => {
      const got = numbers(reference.unary(op as UnaryOp, float64(inputs)));
      expect(got.slice(0, 5)).toEqual(expected.slice(0, 5));
      for (const i of [5, 6])
        if (Number.isNaN(expected[i])) expect(got[i]).toBeNaN();
        else expect(Math.abs(got[i]! - expected[i]!)).toBeLessThanOrEqual(4 * 2 ** -52 * Math.abs(expected[i]!));
    });
});

describe("binary", () => {
  /** Rows of [a, b, f(a, b)]. */
  const known: Record<BinaryOp, readonly (readonly [number, number, number])[]> = {
    add: [
      [2, 3, 5],
      [inf, -inf, nan],
      [nan, 1, nan],
    ],
    subtract: [
      [2, 3, -1],
      [inf, inf, nan],
    ],
    multiply: [
      [2, -3, -6],
      [0, inf, nan],
      [-0, 2, -0],
    ],
    divide: [
      [3, 2, 1.5],
      [1, 0, inf],
      [-1, 0, -inf],
      [0, 0, nan],
    ],
    power: [
      [1, nan, 1],
      [1, inf, 1],
      [1, -inf, 1],
      [-1, inf, 1],
      [-1, -inf, 1],
      [-1, nan, nan],
      [nan, 0, 1],
      [nan, 1, nan],
      [2, 10, 1024],
      [-2, 3, -8],
      [4, -0.5, 0.5],
      [-8, 1 / 3, nan],
      [0, 0, 1],
      [nan, 0, 1],
      [0, -1, inf],
    ],
    maximum: [
      [2, 3, 3],
      [nan, 1, nan],
      [1, nan, nan],
      [-0, 0, 0],
    ],
    minimum: [
      [2, 3, 2],
      [nan, 1, nan],
      [1, nan, nan],
      [0, -0, -0],
    ],
    equal: [
      [2, 2, 1],
      [2, 3, 0],
      [nan, nan, 0],
      [0, -0, 1],
    ],
    notEqual: [
      [2, 2, 0],
      [2, 3, 1],
      [nan, nan, 1],
    ],
    less: [
      [2, 3, 1],
      [2, 2, 0],
      [3, 2, 0],
      [nan, 1, 0],
      [1, nan, 0],
    ],
    lessEqual: [
      [2, 3, 1],
      [2, 2, 1],
      [3, 2, 0],
      [nan, nan, 0],
    ],
    greater: [
      [2, 3, 0],
      [2, 2, 0],
      [3, 2, 1],
      [nan, 1, 0],
    ],
    greaterEqual: [
      [2, 3, 0],
      [2, 2, 1],
      [3, 2, 1],
      [nan, nan, 0],
    ],
    reluGradient: [
      [2, 7, 7],
      [0, 7, 0],
      [-1, nan, 0],
      [inf, -3, -3],
      [nan, 7, 0],
    ],
    geluGradient: [
      [0, 7, 3.5],
      [inf, -3, -3],
      [-inf, 3, 0],
      [-inf, inf, nan],
      [nan, 7, nan],
    ],
  };

  for (const [op, rows] of Object.entries(known))
    it(`${op} of chosen pairs`, () => {
      const [a, b, c] = [0, 1, 2].map((column) => rows.map((row) => row[column]!)) as [number[], number[], number[]];
      const result = reference.binary(op as BinaryOp, float64(a), float64(b), { shape: [a.length], stridesA: [1], stridesB: [1] });
      expect(numbers(result)).toEqual(c);
    });

  it("broadcasts as NumPy does", () => {
    fc.assert(
      fc.property(seeds, broadcastPairs(), (seed, { a, b, out }) => {
        const x = { shape: a, values: [...valuesOf(seed, sizeOf(a))] };
        const y = { shape: b, values: [...valuesOf(seed + 1, sizeOf(b))] };
        const expected = build(out, (index) => broadcastAt(x, index) - broadcastAt(y, index));
        const broadcast = { shape: out, stridesA: broadcastStrides(a, out), stridesB: broadcastStrides(b, out) };
        expect(numbers(reference.binary("subtract", float64(x.values), float64(y.values), broadcast))).toEqual(expected.values);
      }),
    );
  });
});

describe("select and clamp", () => {
  it("select takes a where the condition is not 0", () => {
    expect(numbers(reference.select(float64([0, -0, 1, -2, nan]), float64([1, 2, 3, 4, 5]), float64([6, 7, 8, 9, 10])))).toEqual([
      6, 7, 3, 4, 5,
    ]);
  });

  it("clamp gives the nearest number within the bounds", () => {
    expect(numbers(reference.clamp(float64([-9, 0.5, 9, nan, inf]), -1, 6))).toEqual([-1, 0.5, 6, nan, 6]);
  });
});
