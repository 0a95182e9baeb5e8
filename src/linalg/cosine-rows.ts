/** The cosine transform of the columns of a matrix in float64. It works on whole rows, so one pass over memory serves all columns. */

import { cosineMatrix } from "../core/cosine-transform.ts";
import { type Matrix, matrix, product, transposed } from "./matrix.ts";

/**
 * D·X for the DCT-II matrix D[k,i] = 2·cos(πk(2i+1)/2n).   X:[n,m] → [n,m].
 * An even n is split into two transforms of half the length: the even results are those of x_i + x_{n−1−i}, and neighbouring odd results
 * add up to those of 2·cos(π(2i+1)/2n)·(x_i − x_{n−1−i}) (Lee 1984). An odd n is multiplied by the matrix.
 */
export function cosineTransformRows(x: Matrix): Matrix {
  const { rows: n, columns: m, data } = x;
  if (n % 2 === 1) return product(matrix(n, n, cosineMatrix(n)), x);
  const half = n / 2;
  const [sums, differences] = [matrix(half, m), matrix(half, m)];
  for (let i = 0; i < half; i++) {
    const [upper, lower, factor] = [i * m, (n - 1 - i) * m, turn(i, n)];
    for (let j = 0; j < m; j++) {
      const [a, b] = [data[upper + j]!, data[lower + j]!];
      sums.data[upper + j] = a + b;
      differences.data[upper + j] = factor * (a - b);
    }
  }
  const [even, odd] = [cosineTransformRows(sums).data, cosineTransformRows(differences).data];
  const out = matrix(n, m);
  for (let k = 0; k < half; k++)
    for (let j = 0; j < m; j++) {
      out.data[2 * k * m + j] = even[k * m + j]!;
      out.data[(2 * k + 1) * m + j] = k === 0 ? odd[j]! / 2 : odd[k * m + j]! - out.data[(2 * k - 1) * m + j]!;
    }
  return out;
}

/** Dᵀ·X: the steps of D·X transposed, in reverse order.   X:[n,m] → [n,m]. */
export function transposedCosineTransformRows(x: Matrix): Matrix {
  const { rows: n, columns: m, data } = x;
  if (n % 2 === 1) return product(transposed(matrix(n, n, cosineMatrix(n))), x);
  const half = n / 2;
  const [even, odd] = [matrix(half, m), matrix(half, m)];
  for (let k = half - 1; k >= 0; k--)
    for (let j = 0; j < m; j++) {
      even.data[k * m + j] = data[2 * k * m + j]!;
      const after = k === half - 1 ? 0 : odd.data[(k + 1) * m + j]!;
      odd.data[k * m + j] = data[(2 * k + 1) * m + j]! - after;
    }
  for (let j = 0; j < m; j++) odd.data[j]! /= 2;
  const [sums, differences] = [transposedCosineTransformRows(even).data, transposedCosineTransformRows(odd).data];
  const out = matrix(n, m);
  for (let i = 0; i < half; i++) {
    const [upper, lower, factor] = [i * m, (n - 1 - i) * m, turn(i, n)];
    for (let j = 0; j < m; j++) {
      const [a, b] = [sums[upper + j]!, factor * differences[upper + j]!];
      out.data[upper + j] = a + b;
      out.data[lower + j] = a - b;
    }
  }
  return out;
}

/** 2·cos(π(2i+1)/2n). */
const turn = (i: number, n: number): number => 2 * Math.cos((Math.PI * (2 * i + 1)) / (2 * n));
