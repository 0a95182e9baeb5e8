/** A BLAST matrix near a given one, by preconditioned alternating descent (Lee et al. 2024, arXiv 2410.21262, algorithm 2). */

import { ShapeError } from "../core/errors.ts";
import { checkNumbers } from "../core/numbers.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import type { Random } from "../core/random.ts";
import { formatShape, sameShape } from "../core/shape.ts";
import { truncated } from "./low-rank.ts";
import {
  checkMatrix,
  frobenius,
  type Matrix,
  matrix,
  powerOfTwoNear,
  product,
  scaleColumns,
  scaled,
  scaleRows,
  transposed,
} from "./matrix.ts";
import { solvePositive } from "./solve.ts";
import { svd } from "./svd.ts";
import { type TensorArray, tensorArray } from "./tensor-array.ts";

/** The factors of a BLAST matrix: block (i, j) is U_i·diag(S_ij)·V_j. U:[b,m/b,r], S:[b,b,r], V:[b,r,n/b]. */
export interface BlastFactors {
  readonly U: TensorArray;
  readonly S: TensorArray;
  readonly V: TensorArray;
}

export interface Blast extends BlastFactors {
  /** ‖A − W‖ at the start, and after each round. It never rises. */
  readonly errors: readonly number[];
}

export interface BlastOptions {
  /** The number b of block rows and block columns, a common divisor of the rows and the columns. */
  readonly blocks: number;
  /** The rank r. */
  readonly rank: number;
  /** The stream of the random starts. */
  readonly random: Random;
  /** The largest number of rounds from one start. Default: 300. */
  readonly iterations?: number;
  /** A start is given up when a round lowers the error by no more than this fraction of ‖A‖. Default: 1e-9. */
  readonly tolerance?: number;
  /** The number of random starts beside the truncated SVD. Default: 1. */
  readonly starts?: number;
}

/** The names of `BlastOptions`. */
export const blastOptions: OptionNames = optionNames<BlastOptions>({
  blocks: true,
  rank: true,
  random: true,
  iterations: true,
  tolerance: true,
  starts: true,
});

/** The factors as matrices for each block. */
interface Blocks {
  readonly u: Matrix[];
  readonly s: Float64Array[][];
  readonly v: Matrix[];
}

/** The share of the mean diagonal of a Gram matrix that is added to its diagonal, times the relative error (the δ of the paper). */
const damping = 0.1;

/** Block (i, j) of A. */
function blockOf(a: Matrix, i: number, j: number, height: number, width: number): Matrix {
  const out = matrix(height, width);
  for (let p = 0; p < height; p++) {
    const from = (i * height + p) * a.columns + j * width;
    out.data.set(a.data.subarray(from, from + width), p * width);
  }
  return out;
}

/** Σ of the matrices, entry by entry. */
function total(parts: readonly Matrix[]): Matrix {
  const out = matrix(parts[0]!.rows, parts[0]!.columns);
  for (const { data } of parts) for (let i = 0; i < data.length; i++) out.data[i]! += data[i]!;
  return out;
}

/**
 * One preconditioned step for X in min ‖X·B − A‖ with G = B·Bᵀ and C = A·Bᵀ:   X − (X·G − C)·(G + δ·I)⁻¹. The error cannot rise. With
 * δ = 0 the step solves the least-squares problem. The paper lets the rate fall from 1 to 0; the constant rate 1 comes nearer here.
 */
function preconditionedStep(x: Matrix, gram: Matrix, c: Matrix, relativeError: number): Matrix {
  const slope = product(x, gram);
  for (let i = 0; i < slope.data.length; i++) slope.data[i]! -= c.data[i]!;
  const r = gram.rows;
  let trace = 0;
  for (let k = 0; k < r; k++) trace += gram.data[k * r + k]!;
  const damped = matrix(r, r, gram.data.slice());
  for (let k = 0; k < r; k++) damped.data[k * r + k]! += (damping * relativeError * trace) / r;
  const step = transposed(solvePositive(damped, transposed(slope)));
  return matrix(
    x.rows,
    r,
    x.data.map((value, i) => value - step.data[i]!),
  );
}

/** One round: every U_i, then every V_j, then every S_ij. `a` holds the blocks of A. */
function descend(a: readonly (readonly Matrix[])[], { u, s, v }: Blocks, relativeError: number): void {
  const b = u.length;
  const all = Array.from({ length: b }, (_, i) => i);
  const gramsOfV = v.map((block) => product(block, transposed(block)));
  for (const i of all) {
    const gram = total(all.map((j) => scaledBySides(gramsOfV[j]!, s[i]![j]!)));
    const c = total(all.map((j) => product(a[i]![j]!, scaleColumns(transposed(v[j]!), s[i]![j]!))));
    u[i] = preconditionedStep(u[i]!, gram, c, relativeError);
  }
  const gramsOfU = u.map((block) => product(transposed(block), block));
  for (const j of all) {
    const gram = total(all.map((i) => scaledBySides(gramsOfU[i]!, s[i]![j]!)));
    const c = total(all.map((i) => product(transposed(a[i]![j]!), scaleColumns(u[i]!, s[i]![j]!))));
    v[j] = transposed(preconditionedStep(transposed(v[j]!), gram, c, relativeError));
  }
  for (const i of all)
    for (const j of all) {
      const gramV = product(v[j]!, transposed(v[j]!));
      const gram = { ...gramV, data: gramV.data.map((value, at) => value * gramsOfU[i]!.data[at]!) };
      const projected = product(a[i]![j]!, transposed(v[j]!));
      const r = gram.rows;
      const c = matrix(1, r);
      for (let p = 0; p < projected.rows; p++)
        for (let k = 0; k < r; k++) c.data[k]! += u[i]!.data[p * r + k]! * projected.data[p * r + k]!;
      s[i]![j] = preconditionedStep(matrix(1, r, s[i]![j]!), gram, c, relativeError).data;
    }
}

/** diag(s)·G·diag(s). */
const scaledBySides = (g: Matrix, s: Float64Array): Matrix => scaleColumns(scaleRows(g, s), s);

/** ‖A − W‖. */
function distance(a: readonly (readonly Matrix[])[], { u, s, v }: Blocks): number {
  const norms = a.flatMap((row, i) =>
    row.map((block, j) => {
      const { data } = product(u[i]!, scaleRows(v[j]!, s[i]![j]!));
      return frobenius(data.map((value, at) => value - block.data[at]!));
    }),
  );
  return frobenius(norms);
}

/** The factors of the truncated SVD, with S = 1. Columns beyond the rank of A have random numbers in U and zeros in V. */
function startOfSvd(a: Matrix, b: number, rank: number, random: Random): Blocks {
  const { left, right } = truncated(svd(a), rank);
  const [height, width] = [a.rows / b, a.columns / b];
  const entries = (rows: number, columns: number, entry: (i: number, j: number) => number): Matrix =>
    matrix(
      rows,
      columns,
      Float64Array.from({ length: rows * columns }, (_, at) => entry(Math.floor(at / columns), at % columns)),
    );
  const known = left.columns;
  const all = Array.from({ length: b }, (_, i) => i);
  return {
    u: all.map((i) => entries(height, rank, (p, k) => (k < known ? left.data[(i * height + p) * known + k]! : random.normal()))),
    s: all.map(() => all.map(() => new Float64Array(rank).fill(1))),
    v: all.map((j) => entries(rank, width, (k, q) => (k < known ? right.data[k * a.columns + j * width + q]! : 0))),
  };
}

/** Factors of normal numbers. */
function randomStart({ rows, columns }: Matrix, b: number, rank: number, random: Random): Blocks {
  const normals = (length: number): Float64Array => Float64Array.from({ length }, () => random.normal());
  const all = Array.from({ length: b }, (_, i) => i);
  return {
    u: all.map(() => matrix(rows / b, rank, normals((rows / b) * rank))),
    s: all.map(() => all.map(() => normals(rank))),
    v: all.map(() => matrix(rank, columns / b, normals((rank * columns) / b))),
  };
}

/** next + stride·(next − last). Where alternating steps are small and alike for many rounds, this skips rounds. */
function extrapolated(last: Blocks, next: Blocks, stride: number): Blocks {
  const beyond = (from: Float64Array, to: Float64Array): Float64Array => to.map((value, i) => value + stride * (value - from[i]!));
  const all = (from: readonly Matrix[], to: readonly Matrix[]): Matrix[] =>
    to.map((block, i) => ({ ...block, data: beyond(from[i]!.data, block.data) }));
  return {
    u: all(last.u, next.u),
    s: next.s.map((row, i) => row.map((values, j) => beyond(last.s[i]![j]!, values))),
    v: all(last.v, next.v),
  };
}

/** A relative error below this is rounding error. */
const negligible = 1e-14;

/**
 * A BLAST matrix near A: the best result of a descent from the truncated SVD and of descents from random factors. The error of a descent
 * never rises, so the result is at least as near as the nearest matrix of rank r. It is a local minimum; where the rank is small beside the
 * blocks, a matrix of the form is usually found again. A round takes about 3·m·n·r multiply-adds. The result scales with A.
 * @throws ShapeError for blocks that do not divide both sides, a rank below 1, an empty matrix, or entries that are not finite.
 */
export function nearestBlast(a: Matrix, options: BlastOptions): Blast {
  checkMatrix("nearestBlast", a);
  checkOptions("nearestBlast", options, blastOptions);
  const { blocks: b, rank, random, iterations = 300, tolerance = 1e-9, starts = 1 } = options;
  checkNumbers("nearestBlast", { iterations, starts }, { integer: true, least: 0 });
  checkNumbers("nearestBlast", { tolerance }, { least: 0 });
  if (!(Number.isInteger(a.rows / b) && Number.isInteger(a.columns / b) && b >= 1))
    throw new ShapeError(`nearestBlast: blocks must divide both sides, got ${b} for ${a.rows}×${a.columns}`);
  if (!Number.isInteger(rank) || rank < 1) throw new ShapeError(`nearestBlast: rank must be an integer ≥ 1, got ${rank}`);
  const scale = powerOfTwoNear(a.data);
  const target = { ...a, data: scaled(a.data, 1 / scale) };
  const norm = frobenius(target.data) || 1;
  const all = Array.from({ length: b }, (_, i) => i);
  const parts = all.map((i) => all.map((j) => blockOf(target, i, j, a.rows / b, a.columns / b)));
  let best: { readonly factors: Blocks; readonly errors: readonly number[] } | undefined;
  for (let start = 0; start <= starts && (best === undefined || best.errors.at(-1)! > negligible * norm); start++) {
    let factors = start === 0 ? startOfSvd(target, b, rank, random) : randomStart(target, b, rank, random);
    const errors = [distance(parts, factors)];
    let stride = 1;
    for (let round = 0; round < iterations && errors.at(-1)! > negligible * norm; round++) {
      const next: Blocks = { u: [...factors.u], s: factors.s.map((row) => [...row]), v: [...factors.v] };
      descend(parts, next, Math.min(1, errors.at(-1)! / norm));
      const [error, further] = [distance(parts, next), extrapolated(factors, next, stride)];
      const beyond = distance(parts, further);
      stride = beyond < error ? 2 * stride : 1;
      factors = beyond < error ? further : next;
      errors.push(Math.min(beyond, error));
      if (errors.at(-2)! - errors.at(-1)! <= tolerance * norm) break;
    }
    if (best === undefined || errors.at(-1)! < best.errors.at(-1)!) best = { factors, errors };
  }
  const { factors, errors } = best!;
  const { u, s, v } = balanced(factors, scale);
  return {
    U: tensorArray(
      [b, a.rows / b, rank],
      u.flatMap(({ data }) => [...data]),
    ),
    S: tensorArray(
      [b, b, rank],
      s.flatMap((row) => row.flatMap((values) => [...values])),
    ),
    V: tensorArray(
      [b, rank, a.columns / b],
      v.flatMap(({ data }) => [...data]),
    ),
    errors: errors.map((error) => error * scale),
  };
}

/**
 * The same matrix times `scale`, where the r-th numbers of U, of S and of V have the same root mean square. The descent does not care how a
 * component is shared between the factors; training does.
 */
function balanced({ u, s, v }: Blocks, scale: number): Blocks {
  const rank = s[0]![0]!.length;
  const size = (values: readonly number[]): number => frobenius(values) / Math.sqrt(values.length);
  const factors = Array.from({ length: rank }, (_, k) => {
    const sizes = {
      u: size(u.flatMap(({ rows, data }) => Array.from({ length: rows }, (_, p) => data[p * rank + k]!))),
      s: size(s.flatMap((row) => row.map((values) => values[k]!))),
      v: size(v.flatMap(({ columns, data }) => [...data.subarray(k * columns, (k + 1) * columns)])),
    };
    const whole = Math.cbrt(sizes.u * sizes.s * sizes.v * scale);
    const to = (part: number): number => (whole === 0 ? 0 : whole / part);
    return { u: to(sizes.u), s: to(sizes.s), v: to(sizes.v) };
  });
  const column = (which: "u" | "s" | "v"): Float64Array => Float64Array.from(factors, (each) => each[which]);
  const [bySide, byDiagonal] = [column("u"), column("s")];
  return {
    u: u.map((block) => scaleColumns(block, bySide)),
    s: s.map((row) => row.map((values) => values.map((value, k) => value * byDiagonal[k]!))),
    v: v.map((block) => scaleRows(block, column("v"))),
  };
}

/** The matrix of BLAST factors. @throws ShapeError when their shapes disagree. */
export function blastToDense({ U, S, V }: BlastFactors): Matrix {
  const [b, height, rank] = U.shape as [number, number, number];
  const width = V.shape[2]!;
  if (!sameShape(S.shape, [b, b, rank]) || !sameShape(V.shape, [b, rank, width]))
    throw new ShapeError(
      `blastToDense: needs U:[b,p,r], S:[b,b,r] and V:[b,r,q], got ${[U, S, V].map(({ shape }) => formatShape(shape)).join(", ")}`,
    );
  const out = matrix(b * height, b * width);
  for (let i = 0; i < b; i++)
    for (let p = 0; p < height; p++)
      for (let j = 0; j < b; j++)
        for (let k = 0; k < rank; k++) {
          const factor = U.data[(i * height + p) * rank + k]! * S.data[(i * b + j) * rank + k]!;
          for (let q = 0; q < width; q++)
            out.data[(i * height + p) * out.columns + j * width + q]! += factor * V.data[(j * rank + k) * width + q]!;
        }
  return out;
}
