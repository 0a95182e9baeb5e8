/** Matrices to look at. Each shows what some structure is good at. */

import { cosineMatrix } from "../../../core/cosine-transform.ts";
import { Random } from "../../../core/random.ts";

export interface Target {
  readonly name: string;
  readonly title: string;
  /** What the matrix is. */
  readonly about: string;
  /** The entry at row i and column j of n. */
  readonly entries: (side: number) => Float64Array;
}

const fill = (side: number, entry: (i: number, j: number) => number): Float64Array =>
  Float64Array.from({ length: side * side }, (_, at) => entry(Math.floor(at / side), at % side));

function random(side: number, seed: number): Float64Array {
  const stream = new Random(seed);
  return fill(side, () => stream.normal());
}

export const targets: readonly Target[] = [
  {
    name: "smooth",
    title: "Smooth",
    about: "a Gaussian blur: a few singular values hold nearly everything",
    entries: (side) => fill(side, (i, j) => Math.exp(-(((i - j) / (0.12 * side)) ** 2))),
  },
  {
    name: "blocks",
    title: "Blocks",
    about: "eight independent random blocks on the diagonal",
    entries: (side) => {
      const values = random(side, 1);
      const block = side / 8;
      return fill(side, (i, j) => (Math.floor(i / block) === Math.floor(j / block) ? values[i * side + j]! : 0));
    },
  },
  {
    name: "kronecker",
    title: "Kronecker",
    about: "A ⊗ B of two random 8×8 matrices",
    entries: (side) => {
      const [a, b] = [random(8, 2), random(8, 3)];
      const inner = side / 8;
      return fill(side, (i, j) => a[Math.floor(i / inner) * 8 + Math.floor(j / inner)]! * b[(i % 8) * 8 + (j % 8)]!);
    },
  },
  {
    name: "cosine",
    title: "Cosine transform",
    about: "orthogonal: all singular values are equal, and a fast algorithm exists",
    entries: (side) => {
      // Row 0 has another norm than the rest.
      const rowScale = (i: number): number => (i === 0 ? 0.5 : Math.SQRT1_2) / Math.sqrt(side);
      return cosineMatrix(side).map((value, at) => value * rowScale(Math.floor(at / side)));
    },
  },
  { name: "random", title: "Random", about: "independent normal numbers: no structure helps", entries: (side) => random(side, 4) },
  { name: "empty", title: "Draw your own", about: "draw on the matrix with the pointer", entries: (side) => new Float64Array(side * side) },
];
