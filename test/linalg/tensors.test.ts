/**
 * Tensor-Train, Tucker, CP, Monarch and Kronecker: exact at full rank, within their error bounds below it, and never worse with a higher
 * rank.
 */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Random } from "../../src/core/random.ts";
import { sizeOf } from "../../src/core/shape.ts";
import { canonicalPolyadic, canonicalPolyadicToDense, khatriRao } from "../../src/linalg/canonical-polyadic.ts";
import { nearestKronecker } from "../../src/linalg/kronecker.ts";
import { columnsOf, frobenius, type Matrix, matrix, relativeDistance } from "../../src/linalg/matrix.ts";
import { monarchToDense, nearestMonarch } from "../../src/linalg/monarch.ts";
import { svd } from "../../src/linalg/svd.ts";
import { fold, modeProduct, permuted, type TensorArray, tensorArray, unfold } from "../../src/linalg/tensor-array.ts";
import { tensorTrain, tensorTrainToDense } from "../../src/linalg/tensor-train.ts";
import { tucker, tuckerToDense } from "../../src/linalg/tucker.ts";
import { buildTensor, departureFromOrthonormal, normalValues, tensorRecipes } from "./support.ts";

const exact = 1e-10;

const distance = (a: TensorArray, b: TensorArray): number => frobenius(a.data.map((v, i) => v - b.data[i]!));
const ranks = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 4, maxLength: 4 });

/** One entry of a tensor train, as a product of matrices G₁[1,i₁,:]·G₂[:,i₂,:]·…. This oracle needs no unfoldings. */
function trainEntry(cores: readonly TensorArray[], index: readonly number[]): number {
  let row = [1];
  cores.forEach(({ shape, data }, k) => {
    const [before, size, after] = shape as [number, number, number];
    row = Array.from({ length: after }, (_, b) =>
      row.reduce((sum, value, a) => sum + value * data[(a * size + index[k]!) * after + b]!, 0),
    );
    expect(row.length === after && before > 0).toBe(true);
  });
  return row[0]!;
}

/** The norm ε_k of what the unfolding of x at each bond k loses at these ranks. */
const bondErrors = (x: TensorArray, ranks: readonly number[]): number[] =>
  ranks.map((rank, k) => {
    const rows = sizeOf(x.shape.slice(0, k + 1));
    return frobenius(svd(matrix(rows, x.data.length / rows, x.data)).s.subarray(rank));
  });

/** Every index of a shape, in row-major order. */
function indices(shape: readonly number[]): number[][] {
  return shape.reduce<number[][]>((all, size) => all.flatMap((index) => Array.from({ length: size }, (_, i) => [...index, i])), [[]]);
}

describe("unfold", () => {
  test("fold is its inverse, and its columns are the fibres", () => {
    fc.assert(
      fc.property(tensorRecipes, fc.nat({ max: 3 }), (recipe, axis) => {
        const x = buildTensor(recipe);
        const mode = axis % x.shape.length;
        const unfolded = unfold(x, mode);
        expect(fold(unfolded, x.shape, mode).data).toEqual(x.data);
        // The columns follow the other axes in order, so moving the mode to the front gives the same matrix.
        const order = [mode, ...x.shape.map((_, k) => k).filter((k) => k !== mode)];
        expect(permuted(x, order).data).toEqual(unfolded.data);
      }),
    );
  });

  test("a mode product equals its sum", () => {
    fc.assert(
      fc.property(tensorRecipes, fc.nat({ max: 3 }), fc.integer({ min: 1, max: 4 }), (recipe, axis, rows) => {
        const x = buildTensor(recipe);
        const mode = axis % x.shape.length;
        const m = matrix(rows, x.shape[mode]!, normalValues(rows * x.shape[mode]!, recipe.seed + 5));
        const y = modeProduct(x, m, mode);
        const at = (t: TensorArray, index: readonly number[]): number => t.data[index.reduce((flat, i, k) => flat * t.shape[k]! + i, 0)]!;
        for (const index of indices(y.shape)) {
          let sum = 0;
          for (let i = 0; i < x.shape[mode]!; i++)
            sum +=
              m.data[index[mode]! * m.columns + i]! *
              at(
                x,
                index.map((v, k) => (k === mode ? i : v)),
              );
          expect(at(y, index)).toBeCloseTo(sum, 12);
        }
      }),
      { numRuns: 50 },
    );
  });
});

describe("tensorTrain", () => {
  test("is exact at full ranks, entry by entry", () => {
    fc.assert(
      fc.property(tensorRecipes, (recipe) => {
        const x = buildTensor(recipe);
        const train = tensorTrain(
          x,
          x.shape.slice(1).map(() => sizeOf(x.shape)),
        );
        expect(relativeDistance(tensorTrainToDense(train).data, x.data)).toBeLessThan(exact);
        for (const [flat, index] of indices(x.shape).entries())
          expect(Math.abs(trainEntry(train.cores, index) - x.data[flat]!)).toBeLessThan(exact);
      }),
      { numRuns: 60 },
    );
  });

  test("has an error of at most √(Σ ε_k²), and so at most √(d−1) times the best", () => {
    fc.assert(
      fc.property(tensorRecipes, ranks, (recipe, wanted) => {
        const x = buildTensor(recipe);
        const bonds = wanted.slice(0, x.shape.length - 1);
        const error = distance(x, tensorTrainToDense(tensorTrain(x, bonds)));
        const lost = bondErrors(x, bonds);
        expect(error).toBeLessThanOrEqual(frobenius(lost) + exact);
        // No train of these ranks has a smaller error than max ε_k. So the bound above is at most √(d−1) times the best error.
        expect(error).toBeGreaterThanOrEqual(Math.max(...lost) - exact);
      }),
    );
  });

  test("has no larger error with a higher rank", () => {
    fc.assert(
      fc.property(tensorRecipes, (recipe) => {
        const x = buildTensor(recipe);
        const errors = [1, 2, 3, 5, 25].map((rank) =>
          distance(
            x,
            tensorTrainToDense(
              tensorTrain(
                x,
                x.shape.slice(1).map(() => rank),
              ),
            ),
          ),
        );
        for (const [i, error] of errors.entries()) expect(error).toBeLessThanOrEqual((errors[i - 1] ?? Number.POSITIVE_INFINITY) + exact);
      }),
    );
  });
});

describe("tucker", () => {
  test("is exact at full ranks, with orthonormal factors", () => {
    fc.assert(
      fc.property(tensorRecipes, (recipe) => {
        const x = buildTensor(recipe);
        const decomposition = tucker(
          x,
          x.shape.map(() => 5),
        );
        expect(relativeDistance(tuckerToDense(decomposition).data, x.data)).toBeLessThan(exact);
        for (const factor of decomposition.factors) expect(departureFromOrthonormal(factor)).toBeLessThan(exact);
      }),
      { numRuns: 60 },
    );
  });

  test("HOSVD has an error of at most √d times the best, and HOOI has no larger error", () => {
    fc.assert(
      fc.property(tensorRecipes, ranks, (recipe, wanted) => {
        const x = buildTensor(recipe);
        const chosen = wanted.slice(0, x.shape.length);
        const plain = distance(x, tuckerToDense(tucker(x, chosen, { iterations: 0 })));
        const refined = distance(x, tuckerToDense(tucker(x, chosen)));
        const lost = chosen.map((rank, mode) => frobenius(svd(unfold(x, mode)).s.subarray(rank)));
        expect(plain).toBeLessThanOrEqual(frobenius(lost) + exact);
        expect(refined).toBeLessThanOrEqual(plain + exact);
        expect(refined).toBeGreaterThanOrEqual(Math.max(...lost) - exact);
      }),
    );
  });
});

test("HOOI improves on HOSVD for a random tensor", () => {
  fc.assert(
    fc.property(fc.nat({ max: 10_000 }), (seed) => {
      const x = buildTensor({ shape: [5, 5, 5], seed });
      const captured = (iterations: number): number => frobenius(tucker(x, [2, 2, 2], { iterations }).core.data);
      expect(captured(20)).toBeGreaterThan(captured(0) * (1 + 1e-6));
    }),
    { numRuns: 20 },
  );
});

describe("canonicalPolyadic", () => {
  test("the error never rises from round to round, and is the distance that is reported", () => {
    fc.assert(
      fc.property(tensorRecipes, fc.integer({ min: 1, max: 4 }), (recipe, rank) => {
        const x = buildTensor(recipe);
        const result = canonicalPolyadic(x, { rank, random: new Random(recipe.seed), iterations: 15 });
        const scale = frobenius(x.data);
        for (const [i, error] of result.errors.entries())
          expect(error).toBeLessThanOrEqual((result.errors[i - 1] ?? Number.POSITIVE_INFINITY) + 1e-7 * scale);
        expect(Math.abs(distance(x, canonicalPolyadicToDense(result)) - result.errors.at(-1)!)).toBeLessThan(exact * scale);
      }),
      { numRuns: 60 },
    );
  });

  test("finds a tensor of rank one exactly", () => {
    fc.assert(
      fc.property(tensorRecipes, ({ shape, seed }) => {
        const vectors = shape.map((size, k) => normalValues(size, seed + k));
        const x = tensorArray(
          shape,
          Float64Array.from(indices(shape), (index) => index.reduce((value, i, k) => value * vectors[k]![i]!, 1)),
        );
        const { errors } = canonicalPolyadic(x, { rank: 1, random: new Random(seed) });
        expect(errors.at(-1)! / frobenius(x.data)).toBeLessThan(exact);
      }),
      { numRuns: 60 },
    );
  });
});

describe("canonicalPolyadic in flat stretches", () => {
  test("finds random tensors of rank 5 and 8 again within the default rounds", () => {
    for (const [size, rank] of [
      [6, 5],
      [8, 8],
    ] as const)
      for (let seed = 0; seed < 6; seed++) {
        const random = new Random(seed);
        const factors = [0, 1, 2].map(() =>
          matrix(
            size,
            rank,
            Float64Array.from({ length: size * rank }, () => random.normal()),
          ),
        );
        const x = canonicalPolyadicToDense({ factors });
        const { errors } = canonicalPolyadic(x, { rank, random: new Random(0) });
        expect(errors.at(-1)! / frobenius(x.data)).toBeLessThan(1e-6);
      }
  });
});

describe("canonicalPolyadic where components die", () => {
  /** Components whose share of the tensor is zero. */
  const dead = ({ factors }: { factors: readonly Matrix[] }, x: TensorArray): number =>
    Array.from({ length: factors[0]!.columns }, (_, r) =>
      factors.reduce((size, f) => size * frobenius(columnsOf(f, r, r + 1).data), 1 / frobenius(x.data)),
    ).filter((size) => !(size > 1e-9)).length;
  const relative = (x: TensorArray, rank: number, seed: number) => {
    const found = canonicalPolyadic(x, { rank, random: new Random(seed) });
    return { error: found.errors.at(-1)! / frobenius(x.data), dead: dead(found, x) };
  };
  /** The tensor whose matrix of shape [32,32] is the identity. Singular vectors of its unfoldings are orthogonal to it in pairs. */
  const identity = tensorArray(
    [8, 16, 8],
    Array.from({ length: 1024 }, (_, at) => Number(Math.floor(at / 32) === at % 32)),
  );
  /** The W state, of rank 3. Tensors of rank 2 come arbitrarily near to it. */
  const wState = tensorArray([2, 2, 2], [0, 1, 1, 0, 1, 0, 0, 0]);

  test("no component of the identity stays zero, and the error is that of random starts", () => {
    for (const seed of [0, 1, 2, 3]) {
      const found = relative(identity, 12, seed);
      expect(found.dead).toBe(0);
      // Each of twelve components can take over one of the 32 ones: √(20/32) = 0.79. With six components it is √(26/32) = 0.90.
      expect(found.error).toBeLessThan(Math.sqrt(20 / 32) + 1e-3);
    }
  });

  test("the W state is approached at rank 2 and found at rank 3", () => {
    for (const seed of [0, 1, 2, 3]) {
      expect(relative(wState, 2, seed).dead).toBe(0);
      expect(relative(wState, 2, seed).error).toBeLessThan(0.05);
      expect(relative(wState, 3, seed).error).toBeLessThan(1e-12);
    }
  });

  test("a tensor with one entry is found at any rank, without NaN", () => {
    const single = tensorArray(
      [4, 4, 4],
      Array.from({ length: 64 }, (_, at) => Number(at === 21)),
    );
    for (const rank of [1, 2, 5, 20]) {
      const { factors, errors } = canonicalPolyadic(single, { rank, random: new Random(1) });
      expect(errors.at(-1)).toBeLessThan(1e-12);
      expect(factors.every(({ data }) => data.every(Number.isFinite))).toBe(true);
    }
    expect(canonicalPolyadic(tensorArray([2, 3, 2]), { rank: 2, random: new Random(1) }).errors.at(-1)).toBe(0);
  });

  test("the error never rises where components are revived, and they do not all take the same part of the residual", () => {
    // Sums of few unit tensors: the singular vectors of the unfoldings meet few of them, so most components die at once.
    const place = fc.integer({ min: 0, max: 3 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(place, place, place), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 2, max: 8 }),
        fc.nat(100),
        (entries, rank, seed) => {
          const x = tensorArray([4, 4, 4]);
          for (const [i, j, k] of entries) x.data[16 * i + 4 * j + k] = 1;
          const { factors, errors } = canonicalPolyadic(x, { rank, random: new Random(seed), iterations: 20 });
          for (const [round, error] of errors.entries())
            expect(error).toBeLessThanOrEqual((errors[round - 1] ?? frobenius(x.data)) + 1e-12 * frobenius(x.data));
          expect(factors.every(({ data }) => data.every(Number.isFinite))).toBe(true);
        },
      ),
      { numRuns: 60, seed: 1 },
    );
  });

  test("components are revived down to rounding error", () => {
    // One large entry, and the identity a million times smaller beside it.
    const small = 1e-6;
    const x = tensorArray([9, 17, 9]);
    for (let at = 0; at < identity.data.length; at++)
      x.data[(Math.floor(at / 128) * 17 + (Math.floor(at / 8) % 16)) * 9 + (at % 8)] = small * identity.data[at]!;
    x.data[x.data.length - 1] = 1;
    const { errors } = canonicalPolyadic(x, { rank: 13, random: new Random(0), tolerance: 1e-9 * small });
    expect(errors.at(-1)! / small / frobenius(identity.data)).toBeLessThan(Math.sqrt(20 / 32) + 1e-3);
  });

  test("the result does not depend on the scale of the entries", () => {
    fc.assert(
      fc.property(tensorRecipes, fc.integer({ min: 1, max: 4 }), fc.constantFrom(-660, -60, 30, 660), (recipe, rank, exponent) => {
        const x = buildTensor(recipe);
        const scale = 2 ** exponent;
        const scaled = tensorArray(
          x.shape,
          x.data.map((v) => v * scale),
        );
        const plain = canonicalPolyadic(x, { rank, random: new Random(recipe.seed), iterations: 10 });
        const far = canonicalPolyadic(scaled, { rank, random: new Random(recipe.seed), iterations: 10 });
        expect(far.errors.map((error) => error / scale)).toEqual([...plain.errors]);
        expect(canonicalPolyadicToDense(far).data.map((v) => v / scale)).toEqual(canonicalPolyadicToDense(plain).data);
      }),
      { numRuns: 40 },
    );
  });
});

test("tucker gives the sizes that were asked for, also where the other ranks allow no more", () => {
  fc.assert(
    fc.property(tensorRecipes, ranks, (recipe, wanted) => {
      const x = buildTensor(recipe);
      const chosen = wanted.slice(0, x.shape.length);
      for (const iterations of [0, 3]) {
        const { core, factors } = tucker(x, chosen, { iterations });
        const expected = chosen.map((rank, k) => Math.min(rank, x.shape[k]!));
        expect(core.shape).toEqual(expected);
        expect(factors.map(({ rows, columns }) => [rows, columns])).toEqual(expected.map((rank, k) => [x.shape[k]!, rank]));
        for (const factor of factors) expect(departureFromOrthonormal(factor)).toBeLessThan(exact);
      }
    }),
  );
  expect(tucker(buildTensor({ shape: [4, 4, 4], seed: 1 }), [4, 1, 2]).core.shape).toEqual([4, 1, 2]);
});

test("khatriRao is the Kronecker product of the columns", () => {
  const [a, b] = [matrix(2, 2, [1, 2, 3, 4]), matrix(3, 2, [1, 0, 0, 1, 5, 6])];
  expect([...khatriRao([a, b]).data]).toEqual([1, 0, 0, 2, 5, 12, 3, 0, 0, 4, 15, 24]);
});

const block = fc.record({
  p: fc.integer({ min: 1, max: 4 }),
  q: fc.integer({ min: 1, max: 4 }),
  b: fc.integer({ min: 1, max: 4 }),
  s: fc.integer({ min: 1, max: 4 }),
  seed: fc.nat({ max: 999 }),
});

describe("nearestMonarch", () => {
  test("finds a Monarch matrix exactly, and reports the distance to any other matrix", () => {
    fc.assert(
      fc.property(block, fc.integer({ min: 1, max: 3 }), ({ p, q, b, s, seed }, rank) => {
        const monarch = monarchToDense({
          left: tensorArray([q, p, b, rank], normalValues(q * p * b * rank, seed)),
          right: tensorArray([b, q, rank, s], normalValues(b * q * rank * s, seed + 1)),
        });
        expect(relativeDistance(monarchToDense(nearestMonarch(monarch, { blocks: b, middle: q, rank })).data, monarch.data)).toBeLessThan(
          exact,
        );
        const a = matrix(p * q, b * s, normalValues(p * q * b * s, seed + 2));
        const near = nearestMonarch(a, { blocks: b, middle: q, rank });
        const left = frobenius(a.data.map((v, i) => v - monarchToDense(near).data[i]!));
        expect(Math.abs(left - near.error)).toBeLessThan(exact);
        expect(frobenius(a.data.map((v, i) => v - monarch.data[i]!))).toBeGreaterThanOrEqual(near.error - exact);
      }),
    );
  });
});

describe("nearestKronecker", () => {
  test("t terms find a sum of t products exactly, and fewer terms report their distance", () => {
    fc.assert(
      fc.property(block, fc.integer({ min: 1, max: 3 }), ({ p, q, b, s, seed }, terms) => {
        const dense = (sum: ReturnType<typeof nearestKronecker>): Float64Array => {
          const out = new Float64Array(p * q * b * s);
          for (const { b: left, c: right } of sum.terms)
            for (let i = 0; i < p * q; i++)
              for (let j = 0; j < b * s; j++)
                out[i * b * s + j]! += left.data[Math.floor(i / q) * b + Math.floor(j / s)]! * right.data[(i % q) * s + (j % s)]!;
          return out;
        };
        const make = (t: number) => ({
          b: matrix(p, b, normalValues(p * b, seed + t)),
          c: matrix(q, s, normalValues(q * s, seed + 50 + t)),
        });
        const a = matrix(p * q, b * s, dense({ terms: Array.from({ length: terms }, (_, t) => make(t)), error: 0 }));
        expect(relativeDistance(dense(nearestKronecker(a, { rows: p, columns: b }, terms)), a.data)).toBeLessThan(exact);
        const fewer = nearestKronecker(a, { rows: p, columns: b }, 1);
        const left = frobenius(a.data.map((v, i) => v - dense(fewer)[i]!));
        expect(Math.abs(left - fewer.error)).toBeLessThan(exact * Math.max(1, frobenius(a.data)));
      }),
    );
  });
});
