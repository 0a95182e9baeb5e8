/** CP decomposition by alternating least squares (Carroll & Chang 1970; Kolda & Bader 2009, SIAM Review 51, figure 3.3). */

import { ShapeError } from "../core/errors.ts";
import type { Random } from "../core/random.ts";
import { columnsOf, frobenius, type Matrix, matrix, product, transposed } from "./matrix.ts";
import { solvePositive } from "./solve.ts";
import { svd } from "./svd.ts";
import { type TensorArray, tensorArray, unfold } from "./tensor-array.ts";

/** X[i,j,…] ≈ Σ_r F₁[i,r]·F₂[j,r]·…, factors [d_k, rank]. */
export interface CanonicalPolyadic {
  readonly factors: readonly Matrix[];
  /** ‖X − approximation‖ after each round; never rises. */
  readonly errors: readonly number[];
}

export interface CanonicalPolyadicOptions {
  readonly rank: number;
  /** Fills start columns beyond what the leading singular vectors give. */
  readonly random: Random;
  readonly iterations?: number;
  /** Stops when a round improves the error by less than this share of ‖X‖. */
  readonly tolerance?: number;
}

/** The columnwise Kronecker product of all factors but one, in the order of `unfold`'s columns. */
export function khatriRao(factors: readonly Matrix[]): Matrix {
  return factors.reduce((left, right) => {
    const out = matrix(left.rows * right.rows, left.columns);
    for (let i = 0; i < left.rows; i++)
      for (let j = 0; j < right.rows; j++)
        for (let r = 0; r < left.columns; r++)
          out.data[(i * right.rows + j) * left.columns + r] = left.data[i * left.columns + r]! * right.data[j * left.columns + r]!;
    return out;
  });
}

/** Leading left singular vectors, then normal draws. */
function start(x: TensorArray, mode: number, rank: number, random: Random): Matrix {
  const { u } = svd(unfold(x, mode));
  const kept = Math.min(rank, u.columns);
  const known = columnsOf(u, 0, kept);
  const out = matrix(u.rows, rank);
  for (let i = 0; i < u.rows; i++)
    for (let r = 0; r < rank; r++) out.data[i * rank + r] = r < kept ? known.data[i * kept + r]! : random.normal() / Math.sqrt(u.rows);
  return out;
}

/**
 * Each round solves for one factor at a time with the others fixed, min ‖X_(k) − F_k·(⊙ others)ᵀ‖: the error cannot rise. The minimum found is local.
 * @throws ShapeError for a rank below 1 or a tensor of fewer than two axes.
 */
export function canonicalPolyadic(
  x: TensorArray,
  { rank, random, iterations = 100, tolerance = 1e-9 }: CanonicalPolyadicOptions,
): CanonicalPolyadic {
  if (!Number.isInteger(rank) || rank < 1 || x.shape.length < 2)
    throw new ShapeError(`canonicalPolyadic: needs a rank ≥ 1 and two axes or more, got rank ${rank} for [${x.shape}]`);
  const unfoldings = x.shape.map((_, mode) => unfold(x, mode));
  const factors = x.shape.map((_, mode) => start(x, mode, rank, random));
  const norm = frobenius(x.data);
  const errors: number[] = [];
  for (let round = 0; round < iterations; round++) {
    for (let mode = 0; mode < factors.length; mode++) {
      const others = factors.filter((_, k) => k !== mode);
      const gram = others
        .map((f) => product(transposed(f), f))
        .reduce((a, b) =>
          matrix(
            rank,
            rank,
            a.data.map((v, i) => v * b.data[i]!),
          ),
        );
      const right = product(unfoldings[mode]!, khatriRao(others));
      factors[mode] = transposed(solvePositive(gram, transposed(right)));
    }
    const approximation = canonicalPolyadicToDense({ factors });
    errors.push(frobenius(x.data.map((v, i) => v - approximation.data[i]!)));
    const before = errors.at(-2) ?? Number.POSITIVE_INFINITY;
    if (before - errors.at(-1)! <= tolerance * norm) break;
  }
  return { factors, errors };
}

export function canonicalPolyadicToDense({ factors }: Pick<CanonicalPolyadic, "factors">): TensorArray {
  const [first, ...rest] = factors as [Matrix, ...Matrix[]];
  return tensorArray(
    factors.map(({ rows }) => rows),
    product(first, transposed(khatriRao(rest))).data,
  );
}
