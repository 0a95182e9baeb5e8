/** CP decomposition by alternating least squares (Carroll & Chang 1970; Kolda & Bader 2009, SIAM Review 51, figure 3.3). */

import { ShapeError } from "../core/errors.ts";
import { checkNumbers } from "../core/numbers.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import type { Random } from "../core/random.ts";
import { columnsOf, frobenius, type Matrix, matrix, powerOfTwoNear, product, scaled, transposed } from "./matrix.ts";
import { solvePositive } from "./solve.ts";
import { svd } from "./svd.ts";
import { checkTensorArray, type TensorArray, tensorArray, unfold } from "./tensor-array.ts";

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
  /** The stream that columns are drawn from, if the rank exceeds the number of singular vectors or a component comes out as zero. */
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

/**
 * The Khatri–Rao product A ⊙ B ⊙ …, the Kronecker product of the factors column by column (Kolda & Bader 2009, §2.6). A:[m,r], B:[n,r], … →
 * [m·n·…, r]. Its rows have the order of the columns of `unfold`, so X_(k) = F_k·(F₁ ⊙ … without F_k … ⊙ F_d)ᵀ for a CP decomposition.
 * @throws ShapeError for no factors, or factors that differ in their number of columns.
 */
export function khatriRao(factors: readonly Matrix[]): Matrix {
  if (factors.length === 0 || factors.some(({ columns }) => columns !== factors[0]!.columns))
    throw new ShapeError(`khatriRao: factors must agree in their number of columns, got ${shapesOf(factors)}`);
  return factors.reduce((left, right) => {
    const out = matrix(left.rows * right.rows, left.columns);
    for (let i = 0; i < left.rows; i++)
      for (let j = 0; j < right.rows; j++)
        for (let r = 0; r < left.columns; r++)
          out.data[(i * right.rows + j) * left.columns + r] = left.data[i * left.columns + r]! * right.data[j * left.columns + r]!;
    return out;
  });
}

/** The shapes of factors, as error messages write them. */
const shapesOf = (factors: readonly Matrix[]): string =>
  factors.map(({ rows, columns }) => `${rows}×${columns}`).join(", ") || "no factors";

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
 * error cannot rise, and it ends in a local minimum. A step further in the direction of a round is taken where it lowers the error more,
 * which gets through flat stretches. A component that comes out as zero would stay zero, so it is set to a rank-one
 * approximation of what the others leave. The entries are divided by a power of two first, so the result does not depend on their scale.
 * @throws ShapeError for a rank below 1, fewer than two axes, an empty axis, or entries that are not finite.
 */
export function canonicalPolyadic(x: TensorArray, options: CanonicalPolyadicOptions): CanonicalPolyadic {
  checkOptions("canonicalPolyadic", options, canonicalPolyadicOptions);
  const { rank, random, iterations = 100, tolerance = 1e-9 } = options;
  checkNumbers("canonicalPolyadic", { iterations }, { integer: true, least: 0 });
  checkNumbers("canonicalPolyadic", { tolerance }, { least: 0 });
  if (!Number.isInteger(rank) || rank < 1 || x.shape.length < 2)
    throw new ShapeError(`canonicalPolyadic: needs a rank ≥ 1 and two axes or more, got rank ${rank} for shape [${x.shape}]`);
  checkTensorArray("canonicalPolyadic", x);
  const scale = powerOfTwoNear(x.data);
  const target = tensorArray(x.shape, scaled(x.data, 1 / scale));
  const unfoldings = x.shape.map((_, mode) => unfold(target, mode));
  let factors = x.shape.map((_, mode) => initialFactor(target, mode, rank, random));
  let stride = 1;
  const norm = frobenius(target.data);
  const errors: number[] = [];
  for (let round = 0; round < iterations; round++) {
    const last = [...factors];
    for (let mode = 0; mode < factors.length; mode++) factors[mode] = bestFactor(unfoldings[mode]!, factors, mode);
    let left = residual(target, factors);
    const further = extrapolated(last, factors, stride);
    const beyond = residual(target, further);
    stride = frobenius(beyond.data) < frobenius(left.data) ? 2 * stride : 1;
    if (stride > 1) [factors, left] = [further, beyond];
    if (frobenius(left.data) > negligible * norm && reviveComponents(factors, left, norm, random)) left = residual(target, factors);
    errors.push(frobenius(left.data));
    const before = errors.at(-2) ?? Number.POSITIVE_INFINITY;
    if (before - errors.at(-1)! <= tolerance * norm) break;
  }
  factors[0] = { ...factors[0]!, data: scaled(factors[0]!.data, scale) };
  return { factors, errors: errors.map((error) => error * scale) };
}

/** Components and errors below this fraction of ‖X‖ are rounding error. */
const negligible = 1e-12;

/**
 * Every factor moved on by `stride` times its change in this round. Where alternating steps are small and alike for many rounds, this skips
 * rounds (Rajih, Comon & Harshman 2008, SIAM J. Matrix Anal. 30).
 */
const extrapolated = (last: readonly Matrix[], next: readonly Matrix[], stride: number): Matrix[] =>
  next.map((factor, k) => ({ ...factor, data: factor.data.map((value, i) => value + stride * (value - last[k]!.data[i]!)) }));

/** The factor F_k that minimises ‖X_(k) − F_k·(⊙ others)ᵀ‖, from the normal equations. */
function bestFactor(unfolded: Matrix, factors: readonly Matrix[], mode: number): Matrix {
  const others = factors.filter((_, k) => k !== mode);
  const grams = others.map((f) => product(transposed(f), f));
  const rank = factors[mode]!.columns;
  const gram = matrix(
    rank,
    rank,
    grams.map(({ data }) => data).reduce((a, b) => a.map((value, i) => value * b[i]!)),
  );
  return transposed(solvePositive(gram, transposed(product(unfolded, khatriRao(others)))));
}

/** X minus the tensor of the factors. */
function residual(x: TensorArray, factors: readonly Matrix[]): TensorArray {
  const approximation = canonicalPolyadicToDense({ factors });
  return tensorArray(
    x.shape,
    x.data.map((value, i) => value - approximation.data[i]!),
  );
}

/**
 * Sets each component that is zero to a rank-one approximation of the residual, and subtracts it from the residual. The weight of a
 * component is the least-squares one, so the error cannot rise.
 * @returns Whether a component was zero.
 */
function reviveComponents(factors: readonly Matrix[], left: TensorArray, norm: number, random: Random): boolean {
  const rank = factors[0]!.columns;
  let revived = false;
  for (let r = 0; r < rank; r++) {
    const columns = factors.map((f) => columnsOf(f, r, r + 1));
    if (columns.reduce((size, column) => size * frobenius(column.data), 1) > negligible * norm) continue;
    const found = rankOne(left, random);
    for (const [k, factor] of factors.entries()) for (let i = 0; i < factor.rows; i++) factor.data[i * rank + r] = found[k]!.data[i]!;
    const { data } = canonicalPolyadicToDense({ factors: found });
    for (let i = 0; i < data.length; i++) left.data[i]! -= data[i]!;
    revived = true;
  }
  return revived;
}

/**
 * A rank-one approximation of X, by the higher-order power method from a random start (De Lathauwer, De Moor & Vandewalle 2000b, algorithm
 * 3.2). All columns have norm 1 except the first, which holds the weight.
 */
function rankOne(x: TensorArray, random: Random): Matrix[] {
  const vectors = x.shape.map((size) =>
    unit(
      matrix(
        size,
        1,
        Float64Array.from({ length: size }, () => random.normal()),
      ),
    ),
  );
  for (let round = 0; round < powerRounds; round++)
    for (let mode = x.shape.length - 1; mode >= 0; mode--) {
      const projected = product(unfold(x, mode), khatriRao(vectors.filter((_, k) => k !== mode)));
      vectors[mode] = round === powerRounds - 1 && mode === 0 ? projected : unit(projected);
    }
  return vectors;
}

/** The rounds of the power method. The start of a component need not be exact. */
const powerRounds = 10;

/** The vector with norm 1, or zeros if it is zero. */
function unit(vector: Matrix): Matrix {
  const size = frobenius(vector.data);
  return size === 0 ? vector : { ...vector, data: scaled(vector.data, 1 / size) };
}

/**
 * The tensor of a CP decomposition. F_k:[d_k,r] → X:[d₁,d₂,…].
 * @throws ShapeError for no factors, or factors that differ in their number of columns.
 */
export function canonicalPolyadicToDense({ factors }: Pick<CanonicalPolyadic, "factors">): TensorArray {
  const [first, ...rest] = factors;
  if (first === undefined || rest.some(({ columns }) => columns !== first.columns))
    throw new ShapeError(`canonicalPolyadicToDense: factors must agree in their number of columns, got ${shapesOf(factors)}`);
  const others = rest.length === 0 ? matrix(1, first.columns, new Float64Array(first.columns).fill(1)) : khatriRao(rest);
  return tensorArray(
    factors.map(({ rows }) => rows),
    product(first, transposed(others)).data,
  );
}
