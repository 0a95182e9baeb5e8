/**
 * A butterfly matrix near a given one, by peeling off one stage after the other (Le, Zheng, Riccietti & Gribonval 2024, arXiv 2411.04506:
 * hierarchical factorisation with orthonormal factors).
 */

import { ShapeError } from "../core/errors.ts";
import { checkMatrix, frobenius, type Matrix, matrix, powerOfTwoNear } from "./matrix.ts";
import { svd } from "./svd.ts";
import { type TensorArray, tensorArray } from "./tensor-array.ts";

/**
 * W = B_{L−1}·…·B₀, cut to the size of A. B_s mixes the places that differ in bit s, with one 2×2 matrix for each pair of them.
 */
export interface Butterfly {
  /** [L, N/2, 2, 2] with N = 2^L: stage, pair (the place's other bits), output bit, input bit. */
  readonly twiddle: TensorArray;
  /** ‖A − W‖. It is at most √(L−1) times the least error of any butterfly matrix. */
  readonly error: number;
}

/** L, the number of stages of a butterfly matrix that covers rows × columns. */
export const butterflyStages = (rows: number, columns: number): number => Math.max(1, Math.ceil(Math.log2(Math.max(rows, columns))));

/**
 * A butterfly matrix near A.
 *
 * Let l be the low bits of a row that the stages before s have written, and h the high bits of a column that they have not read. For every
 * s, a butterfly matrix has rank one wherever l and h are fixed. So stage s takes, for each (l, h), the best vector of two numbers for the
 * next bit of the column. What remains is a matrix with half as many columns for each value of l, and so on. The vectors have norm 1. So
 * the errors of the stages are orthogonal to each other, and none is larger than that of the best butterfly matrix: the last stage has no
 * error, and the others add up to √(L−1) times the optimum at most. An A of this form is found again to rounding.
 * @throws ShapeError for an empty matrix, or entries that are not finite.
 */
export function nearestButterfly(a: Matrix): Butterfly {
  checkMatrix("nearestButterfly", a);
  const stages = butterflyStages(a.rows, a.columns);
  const size = 2 ** stages;
  const twiddle = tensorArray([stages, size / 2, 2, 2]);
  const write = (s: number, pair: number, bit: number, values: ArrayLike<number>): void =>
    twiddle.data.set(values, ((s * (size / 2) + pair) * 2 + bit) * 2);
  const scale = powerOfTwoNear(a.data);
  // What remains for each l, as a matrix of the high bits of rows and of columns. Rows and columns that A lacks are zeros: they change
  // neither the vectors nor the error.
  const first = matrix(size, size);
  for (let i = 0; i < a.rows; i++) for (let j = 0; j < a.columns; j++) first.data[i * size + j] = a.data[i * a.columns + j]! / scale;
  let rest: readonly Matrix[] = [first];
  const lost: number[] = [];
  for (let s = 0; s < stages - 1; s++) {
    const half = 2 ** (stages - 1 - s);
    const next = new Array<Matrix>(2 * rest.length);
    for (const [l, whole] of rest.entries())
      for (const bit of [0, 1]) {
        const left = matrix(half, half);
        for (let h = 0; h < half; h++) {
          const { vector, error } = bestPair(whole, bit, h, left);
          write(s, h * rest.length + l, bit, vector);
          lost.push(error);
        }
        next[bit * rest.length + l] = left;
      }
    rest = next;
  }
  for (const [l, { data }] of rest.entries())
    for (const bit of [0, 1]) write(stages - 1, l, bit, [data[bit * 2]! * scale, data[bit * 2 + 1]! * scale]);
  return { twiddle, error: frobenius(lost) * scale };
}

/**
 * The best vector v of norm 1 for the columns 2h and 2h + 1 of the rows with this last bit. Their product with v becomes column h of
 * `left`. `error` is what no vector keeps.
 */
function bestPair(whole: Matrix, bit: number, h: number, left: Matrix): { vector: readonly [number, number]; error: number } {
  const block = matrix(left.rows, 2);
  for (let i = 0; i < left.rows; i++) {
    const from = (2 * i + bit) * whole.columns + 2 * h;
    block.data[2 * i] = whole.data[from]!;
    block.data[2 * i + 1] = whole.data[from + 1]!;
  }
  const { s, v } = svd(block);
  const [x, y] = [v.data[0]!, v.data[v.columns]!];
  for (let i = 0; i < left.rows; i++) left.data[i * left.columns + h] = block.data[2 * i]! * x + block.data[2 * i + 1]! * y;
  return { vector: [x, y], error: s[1] ?? 0 };
}

/**
 * The matrix of a twiddle, from the formula: entry (o, i) is the product over the stages s of the number at the place that has the bits of
 * o below s and the bits of i above s. twiddle:[L,N/2,2,2] → W:[rows,columns].
 * @throws ShapeError for a twiddle of another shape than the size needs.
 */
export function butterflyToDense({ twiddle }: Pick<Butterfly, "twiddle">, rows: number, columns: number): Matrix {
  const stages = butterflyStages(rows, columns);
  const pairs = 2 ** (stages - 1);
  if (twiddle.data.length !== stages * pairs * 4)
    throw new ShapeError(`butterflyToDense: needs twiddle:[${stages},${pairs},2,2] for ${rows}×${columns}, got [${twiddle.shape}]`);
  const out = matrix(rows, columns);
  for (let o = 0; o < rows; o++)
    for (let i = 0; i < columns; i++) {
      let entry = 1;
      for (let s = 0; s < stages; s++) {
        const pair = ((i >> (s + 1)) << s) | (o & ((1 << s) - 1));
        entry *= twiddle.data[(s * pairs + pair) * 4 + ((o >> s) & 1) * 2 + ((i >> s) & 1)]!;
      }
      out.data[o * columns + i] = entry;
    }
  return out;
}
