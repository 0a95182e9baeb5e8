/**
 * The tables that the fast cosine transform reads. Their orders and factors depend on the length alone
 * (docs/derivations/cosine-transform.md).
 */

import type { CosineTransformPlan } from "../../../core/cosine-transform.ts";

export interface CosineTables {
  readonly plan: CosineTransformPlan;
  /** For each pass its radix, its span and its twiddles: (radix − 1) complex factors for each of the span's points. */
  readonly passes: readonly { readonly radix: number; readonly span: number; readonly twiddles: Float32Array }[];
  /**
   * For each row, bytes from a buffer's start to the row's half of a point: in `halves` to where the first pass reads it, in
   * `halvesTransposed` to where the last pass leaves it.
   */
  readonly halves: Int32Array;
  readonly halvesTransposed: Int32Array;
  /** Bytes from a buffer's start to where the first pass reads point k. */
  readonly places: Int32Array;
  readonly rotations: Float32Array;
}

const pointBytes = 32;
const halfBytes = 16;

/** The index that decimation in time needs at each position: transform s of the last pass takes every radix-th point from s on. */
const inputOrder = (radices: readonly number[]): number[] =>
  radices.reduce<number[]>((order, radix) => Array.from({ length: radix }, (_, s) => order.map((index) => radix * index + s)).flat(), [0]);

/** e^(−iπ·angle). */
const turn = (angle: number): [number, number] => [Math.cos(Math.PI * angle), -Math.sin(Math.PI * angle)];

function twiddlesOf(radix: number, span: number): Float32Array {
  const factors: number[] = [];
  for (let j = 0; j < span; j++) for (let s = 1; s < radix; s++) factors.push(...turn((2 * j * s) / (radix * span)));
  return Float32Array.from(factors);
}

/**
 * The factors that turn the spectrum into cosines, with w_k = e^(−iπk/2n). For odd n they are 2w_k. For even n they are w_k and
 * −i·w_k·e^(−2πik/n); the second factor also joins the even and the odd elements.
 */
function rotationsOf(n: number, points: number): Float32Array {
  const factors: number[] = [];
  for (let k = 1; 2 * k < points; k++) {
    const [re, im] = turn(k / (2 * n));
    if (points === n) factors.push(2 * re, 2 * im);
    else factors.push(re, im, ...turn((5 * k) / (2 * n) + 0.5));
  }
  return Float32Array.from(factors);
}

export function cosineTables(n: number, plan: CosineTransformPlan): CosineTables {
  const { points, radices } = plan;
  const order = inputOrder(radices);
  const places = new Int32Array(points);
  for (const [position, index] of order.entries()) places[index] = position * pointBytes;
  /** Makhoul's order of the rows: the even rows upwards, then the odd rows downwards. It is the inverse of 0, 2, 4, …, 5, 3, 1. */
  const elements = Array.from({ length: n }, (_, row) => (row % 2 === 0 ? row / 2 : n - (row + 1) / 2));
  const perPoint = n / points;
  let span = 1;
  const passes = radices.map((radix) => {
    const pass = { radix, span, twiddles: span === 1 ? new Float32Array(0) : twiddlesOf(radix, span) };
    span *= radix;
    return pass;
  });
  return {
    plan,
    passes,
    halves: Int32Array.from(elements, (element) => places[Math.floor(element / perPoint)]! + halfBytes * (element % perPoint)),
    // Real and imaginary parts have changed places (assembly/cosine-transform.ts).
    halvesTransposed: Int32Array.from(elements, (e) => pointBytes * Math.floor(e / perPoint) + halfBytes * (1 - (e % perPoint))),
    places,
    rotations: rotationsOf(n, points),
  };
}
