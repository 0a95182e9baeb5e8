/**
 * 12. Decompose a matrix in four ways.
 *
 * Which family is best depends on the matrix. The program approximates three 64×64 matrices: a smooth one, a sum of Kronecker products, and
 * noise. It prints the relative error of every family, with about a quarter of the matrix's parameters and with about half.
 *
 * Run: npx tsx examples/12-decompose-a-matrix.ts
 */

import * as s from "separable";

const n = 64;
const random = new s.Random(0);
const fill = (entry: (i: number, j: number) => number) =>
  s.matrix(
    n,
    n,
    Float64Array.from({ length: n * n }, (_, at) => entry(Math.floor(at / n), at % n)),
  );
const small = () => Float64Array.from({ length: 64 }, () => random.normal());
const terms = Array.from({ length: 4 }, () => ({ b: small(), c: small() }));
const matrices = {
  "smooth: exp(−((i − j)/20)²)": fill((i, j) => Math.exp(-(((i - j) / 20) ** 2))),
  "four Kronecker products of 8×8": fill((i, j) =>
    terms.reduce((sum, { b, c }) => sum + b[(i >> 3) * 8 + (j >> 3)]! * c[(i & 7) * 8 + (j & 7)]!, 0),
  ),
  "independent normal numbers": fill(() => random.normal()),
};

type Approximation = { readonly parameters: number; readonly error: number };
const size = ({ data }: { data: ArrayLike<number> }) => data.length;
const families: Record<string, (a: s.Matrix, share: number) => Approximation> = {
  "low rank (SVD)": (a, share) => {
    const { left, right, error } = s.lowRank(a, Math.round((share * n) / 2));
    return { parameters: size(left) + size(right), error: error / s.frobenius(a.data) };
  },
  // As in the paper, the 64×64 matrix is read as a tensor of 16×16×16.
  "tensor train (TT-SVD)": (a, share) => {
    const train = s.tensorTrain(s.tensorArray([16, 16, 16], a.data), share < 0.5 ? [7, 7] : [11, 11]);
    const error = s.relativeDistance(s.tensorTrainToDense(train).data, a.data);
    return { parameters: train.cores.reduce((sum, core) => sum + size(core), 0), error };
  },
  "Kronecker sum": (a, share) => {
    const { terms: kept, error } = s.nearestKronecker(a, { rows: 8, columns: 8 }, Math.round(share * 32));
    return { parameters: kept.reduce((sum, { b, c }) => sum + size(b) + size(c), 0), error: error / s.frobenius(a.data) };
  },
  Monarch: (a, share) => {
    const { left, right, error } = s.nearestMonarch(a, { blocks: 8, middle: 8, rank: Math.round(share * 4) });
    return { parameters: size(left) + size(right), error: error / s.frobenius(a.data) };
  },
};

for (const [description, a] of Object.entries(matrices)) {
  console.log(`\n${description}`);
  for (const [name, approximate] of Object.entries(families)) {
    const cells = [0.25, 0.5].map((share) => approximate(a, share)).map(({ parameters, error }) => `${parameters} → ${error.toFixed(4)}`);
    console.log(`  ${name.padEnd(22)} parameters → error:  ${cells.join("   ")}`);
  }
}
