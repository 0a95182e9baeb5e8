/** CP decomposition by alternating least squares (Carroll & Chang 1970; Kolda & Bader 2009, SIAM Review 51, figure 3.3). */

import { ShapeError } from "../core/errors.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import type { Random } from "../core/random.ts";
import { columnsOf, frobenius, type Matrix, matrix, product, transposed } from "./matrix.ts";
import { solvePositive } from "./solve.ts";
import { svd } from "./svd.ts";
import { type TensorArray, tensorArray, unfold } from "./tensor-array.ts";

/** X[i,j,…] ≈ Σ_r F₁[i,r]·F₂[j,r]·…, with one factor F_k:[d_k, rank] for each axis. */
export interface CanonicalPolyadic {
  /** F₁, F₂, … in the order of the axes. */
  readonly factors: readonly Matrix[];
  /** ‖X − approximation‖ after each round. It never rises. */
  readonly errors: readonly number[];
}

/** The options of `canonicalPolyadic`. */
export interface CanonicalPolyadicOptions {
  /** The number of terms. */
  readonly rank: number;
  /** The stream that start columns are drawn from, if the rank exceeds the number of singular vectors. */
  readonly random: Random;
  /** The largest number of rounds. Default: 100. */
  readonly iterations?: number;
  /** The search stops when a round lowers the error by no more than this fraction of ‖X‖. Default: 1e-9. */
  readonly tolerance?: number;
}

/** The names of `CanonicalPolyadicOptions`. */
export const canonicalPolyadicOptions: OptionNames = optionNames<CanonicalPolyadicOptions>({
  rank: true,
  random: true,
  iterations: true,
  tolerance: true,
});

/** The Khatri–Rao product: the Kronecker product of the factors, column by column. Its rows have the order of the columns of `unfold`. */
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

/** The start of one factor: the leading left singular vectors of the unfolding, and random columns if there are too few of them. */
function initialFactor(x: TensorArray, mode: number, rank: number, random: Random): Matrix {
  const { u } = svd(unfold(x, mode));
  const kept = Math.min(rank, u.columns);
  const known = columnsOf(u, 0, kept);
  const out = matrix(u.rows, rank);
  for (let i = 0; i < u.rows; i++)
    for (let r = 0; r < rank; r++) out.data[i * rank + r] = r < kept ? known.data[i * kept + r]! : random.normal() / Math.sqrt(u.rows);
  return out;
}

/**
 * The CP decomposition. Each round solves min ‖X_(k) − F_k·(⊙ others)ᵀ‖ for one factor F_k at a time, with the other factors fixed. So the
 * error cannot rise, and it ends in a local minimum.
 * @throws ShapeError for a rank below 1 or a tensor of fewer than two axes.
 */
export function canonicalPolyadic(x: TensorArray, options: CanonicalPolyadicOptions): CanonicalPolyadic {
  checkOptions("canonicalPolyadic", options, canonicalPolyadicOptions);
  const { rank, random, iterations = 100, tolerance = 1e-9 } = options;
  if (!Number.isInteger(rank) || rank < 1 || x.shape.length < 2)
    throw new ShapeError(`canonicalPolyadic: needs a rank ≥ 1 and two axes or more, got rank ${rank} for shape [${x.shape}]`);
  const unfoldings = x.shape.map((_, mode) => unfold(x, mode));
  const factors = x.shape.map((_, mode) => initialFactor(x, mode, rank, random));
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

/** The tensor of a CP decomposition. */
export function canonicalPolyadicToDense({ factors }: Pick<CanonicalPolyadic, "factors">): TensorArray {
  const [first, ...rest] = factors as [Matrix, ...Matrix[]];
  return tensorArray(
    factors.map(({ rows }) => rows),
    product(first, transposed(khatriRao(rest))).data,
  );
}
