/**
 * Arguments that linalg refuses: empty axes, entries that are not finite, values that are no numbers, and factors that do not fit together.
 */

import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { ShapeError } from "../../src/core/errors.ts";
import { Random } from "../../src/core/random.ts";
import { canonicalPolyadic, canonicalPolyadicToDense, khatriRao } from "../../src/linalg/canonical-polyadic.ts";
import { cholesky } from "../../src/linalg/cholesky.ts";
import { eigh } from "../../src/linalg/eigh.ts";
import { nearestKronecker } from "../../src/linalg/kronecker.ts";
import { lowRank } from "../../src/linalg/low-rank.ts";
import { type Matrix, matrix, product } from "../../src/linalg/matrix.ts";
import { monarchToDense, nearestMonarch } from "../../src/linalg/monarch.ts";
import { qr } from "../../src/linalg/qr.ts";
import { solve } from "../../src/linalg/solve.ts";
import { svd } from "../../src/linalg/svd.ts";
import { fold, modeProduct, type TensorArray, tensorArray, unfold } from "../../src/linalg/tensor-array.ts";
import { tensorTrain, tensorTrainToDense } from "../../src/linalg/tensor-train.ts";
import { tucker, tuckerToDense } from "../../src/linalg/tucker.ts";
import { normalValues } from "./support.ts";

const ofMatrix: Record<string, (a: Matrix) => unknown> = {
  qr,
  svd,
  cholesky,
  eigh,
  solve: (a) => solve(a, matrix(2, 1, [1, 1])),
  lowRank: (a) => lowRank(a, 1),
  nearestKronecker: (a) => nearestKronecker(a, { rows: 1, columns: 1 }, 1),
  nearestMonarch: (a) => nearestMonarch(a, { blocks: 1, middle: 1 }),
};

const ofTensor: Record<string, (x: TensorArray) => unknown> = {
  canonicalPolyadic: (x) => canonicalPolyadic(x, { rank: 1, random: new Random(0) }),
  tensorTrain: (x) =>
    tensorTrain(
      x,
      x.shape.slice(1).map(() => 1),
    ),
  tucker: (x) =>
    tucker(
      x,
      x.shape.map(() => 1),
    ),
};

describe("empty axes and entries that are not finite", () => {
  test.each(Object.entries(ofMatrix))("%s refuses them", (name, decompose) => {
    for (const [rows, columns] of [
      [0, 0],
      [0, 2],
      [2, 0],
    ] as const)
      expect(() => decompose(matrix(rows, columns))).toThrow(
        new ShapeError(`${name}: the matrix must not be empty, got ${rows}×${columns}`),
      );
    for (const bad of [Number.NaN, Infinity, -Infinity])
      expect(() => decompose(matrix(2, 2, [1, 0, bad, 1]))).toThrow(
        new ShapeError(`${name}: entries must be finite, got ${bad} at position 2`),
      );
  });

  test.each(Object.entries(ofTensor))("%s refuses them", (name, decompose) => {
    for (const shape of [
      [0, 3],
      [3, 0, 2],
      [2, 2, 0],
    ])
      expect(() => decompose(tensorArray(shape))).toThrow(new ShapeError(`${name}: needs axes, none of them empty, got [${shape}]`));
    expect(() => decompose(tensorArray([2, 2], [1, Number.NaN, 0, 0]))).toThrow(`${name}: entries must be finite, got NaN at position 1`);
  });
});

test("solve refuses a right-hand side that is empty or not finite", () => {
  const a = matrix(2, 2, [2, 1, 1, 2]);
  expect(() => solve(a, matrix(2, 0))).toThrow(new ShapeError("solve: the matrix must not be empty, got 2×0"));
  for (const bad of [Number.NaN, Infinity, -Infinity])
    expect(() => solve(a, matrix(2, 1, [1, bad]))).toThrow(new ShapeError(`solve: entries must be finite, got ${bad} at position 1`));
});

describe("values", () => {
  test("a Float64Array of another realm is used without a copy, and other typed arrays are converted", () => {
    const foreign: Float64Array = runInNewContext("Float64Array.of(1, 2)");
    expect(matrix(1, 2, foreign).data).toBe(foreign);
    expect(tensorArray([2], foreign).data).toBe(foreign);
    expect([...matrix(1, 2, Uint8Array.of(1, 255)).data]).toEqual([1, 255]);
  });

  test("what is no number is refused", () => {
    for (const bad of [[null], [true], ["1"], new Array(1)] as unknown as number[][]) {
      expect(() => matrix(1, 1, bad)).toThrow(/matrix: values must be numbers, got/);
      expect(() => tensorArray([1], bad)).toThrow(/tensorArray: values must be numbers, got/);
    }
    const big = BigInt64Array.of(1n) as unknown as number[];
    expect(() => matrix(1, 1, big)).toThrow("matrix: values must be numbers, got BigInt64Array");
  });

  test("a shape with negative or fractional sizes is refused", () => {
    expect(() => tensorArray([-1, -1], [1])).toThrow("tensorArray: sizes must be integers ≥ 0, got -1 at axis 0");
    expect(() => tensorArray([2.5])).toThrow(ShapeError);
  });

  test("a product follows IEEE 754: 0·∞ and 0·NaN are NaN", () => {
    expect([...product(matrix(1, 2, [0, 1]), matrix(2, 2, [Infinity, Number.NaN, 1, 1])).data]).toEqual([Number.NaN, Number.NaN]);
    expect([...product(matrix(1, 1, [0]), matrix(1, 2, [1, Infinity])).data]).toEqual([0, Number.NaN]);
  });
});

describe("factors that do not fit together", () => {
  const ones = (rows: number, columns: number): Matrix => matrix(rows, columns, new Float64Array(rows * columns).fill(1));

  test("canonicalPolyadicToDense and khatriRao need one number of columns", () => {
    for (const factors of [[ones(2, 2), ones(3, 1), ones(2, 2)], [ones(2, 1), ones(3, 2)], []]) {
      expect(() => canonicalPolyadicToDense({ factors })).toThrow(
        /canonicalPolyadicToDense: factors must agree in their number of columns, got/,
      );
      expect(() => khatriRao(factors)).toThrow(/khatriRao: factors must agree in their number of columns, got/);
    }
    expect([...canonicalPolyadicToDense({ factors: [ones(3, 2)] }).data]).toEqual([2, 2, 2]);
  });

  test("tuckerToDense needs a factor for each axis of the core", () => {
    const core = tensorArray([2, 1]);
    expect(() => tuckerToDense({ core, factors: [ones(3, 2), ones(3, 2)] })).toThrow(
      "tuckerToDense: needs one factor with r_k columns for each axis of the core [2,1], got 3×2, 3×2",
    );
    expect(() => tuckerToDense({ core, factors: [ones(3, 2)] })).toThrow(ShapeError);
    expect(() => tuckerToDense({ core, factors: [ones(3, 2), ones(3, 1), ones(3, 1)] })).toThrow(ShapeError);
  });

  test("tensorTrainToDense needs cores whose ranks meet, and ranks of 1 at both ends", () => {
    for (const shapes of [
      [
        [1, 2, 2],
        [3, 2, 1],
      ],
      [[2, 2, 1]],
      [[1, 2, 2]],
      [[1, 2]],
      [],
    ])
      expect(() => tensorTrainToDense({ cores: shapes.map((shape) => tensorArray(shape)) })).toThrow(/tensorTrainToDense: cores must be/);
  });

  test("monarchToDense needs two blocks of four axes that agree", () => {
    const left = tensorArray([2, 3, 4, 1]);
    for (const shape of [
      [4, 2, 2, 3],
      [4, 3, 1, 3],
      [3, 2, 1, 3],
      [4, 2, 1],
    ])
      expect(() => monarchToDense({ left, right: tensorArray(shape) })).toThrow(/monarchToDense: needs left:\[q,p,b,r\]/);
  });

  test("unfold, fold and modeProduct refuse modes and matrices that do not fit", () => {
    const x = tensorArray([2, 3, 4], normalValues(24, 1));
    expect(unfold(x, -1).data).toEqual(unfold(x, 2).data);
    expect(() => unfold(x, 3)).toThrow("unfold: axis must be an integer in [-3, 2], got 3");
    expect(() => fold(ones(2, 11), [2, 3, 4], 0)).toThrow("fold: the mode-0 unfolding of [2,3,4] is 2×12, got 2×11");
    expect(() => modeProduct(x, ones(2, 2), 1)).toThrow("modeProduct: M must have 3 columns for axis 1 of [2,3,4], got 2×2");
  });
});
