/** Products of diagonals and cosine transforms near a given matrix (Moczulski et al. 2016, arXiv 1511.05946), by descent. */

import { checkNumbers } from "../core/numbers.ts";
import type { Random } from "../core/random.ts";
import { cosineTransformRows, transposedCosineTransformRows } from "./cosine-rows.ts";
import { checkMatrix, frobenius, type Matrix, matrix, powerOfTwoNear, scaled, scaleRows } from "./matrix.ts";
import { minimise, type ValueAndGradient } from "./minimise.ts";

/** How the product is built, and how it is cut to rows × columns. */
export interface AcdcForm {
  /** c, the length of the transforms, a multiple of the rows. */
  readonly size: number;
  /** n, the number of factors. */
  readonly factors: number;
  /** The column of A that each of the c places of the input reads. */
  readonly sources: ArrayLike<number>;
  /** The place that each channel comes to in a shuffle. Default: no shuffle. */
  readonly places?: ArrayLike<number> | undefined;
}

/**
 * W = S·K₁·…·K_n·T with K = diag(a)·F·diag(d)·G, F = Dᵀ·Π and G = D⁻ᵀ·Π. D is the cosine transform, so F·G = 1 where Π shuffles nothing.
 * T:[c,columns] copies inputs to the c places, and S:[rows,c] adds up adjacent outputs.
 */
export interface Acdc {
  /** a and d of each factor, from the first to the last. */
  readonly diagonals: readonly AcdcDiagonals[];
  /** ‖A − W‖ at the start of the descent, and after each step. It never rises. */
  readonly errors: readonly number[];
}

export interface AcdcDiagonals {
  readonly a: Float64Array;
  readonly d: Float64Array;
}

/** The fixed maps of the product, and their transposes. */
interface Parts {
  readonly toSpectrum: (x: Matrix) => Matrix;
  readonly toSignal: (x: Matrix) => Matrix;
  readonly toSpectrumTransposed: (x: Matrix) => Matrix;
  readonly toSignalTransposed: (x: Matrix) => Matrix;
}

function partsOf({ size: c, places }: AcdcForm): Parts {
  const rowTo = (to: (j: number) => readonly [target: number, source: number], { rows, columns, data }: Matrix): Matrix => {
    const out = matrix(rows, columns);
    for (let j = 0; j < c; j++) {
      const [target, source] = to(j);
      out.data.set(data.subarray(source * columns, (source + 1) * columns), target * columns);
    }
    return out;
  };
  const shuffled = (x: Matrix): Matrix => (places === undefined ? x : rowTo((j) => [places[j]!, j], x));
  const unshuffled = (x: Matrix): Matrix => (places === undefined ? x : rowTo((j) => [j, places[j]!], x));
  // D·Dᵀ is the diagonal of 4c, 2c, 2c, …
  const inverse = Float64Array.from({ length: c }, (_, k) => 1 / ((k === 0 ? 4 : 2) * c));
  return {
    toSpectrum: (x) => scaleRows(cosineTransformRows(shuffled(x)), inverse),
    toSignal: (x) => transposedCosineTransformRows(shuffled(x)),
    toSpectrumTransposed: (x) => unshuffled(transposedCosineTransformRows(scaleRows(x, inverse))),
    toSignalTransposed: (x) => unshuffled(cosineTransformRows(x)),
  };
}

/** The diagonal of X·Yᵀ. */
function rowProducts(x: Matrix, y: Matrix): Float64Array {
  const out = new Float64Array(x.rows);
  for (let i = 0; i < x.rows; i++) for (let j = 0; j < x.columns; j++) out[i]! += x.data[i * x.columns + j]! * y.data[i * x.columns + j]!;
  return out;
}

/** The diagonals a₁, d₁, a₂, d₂, … of a point of the descent. */
const diagonalsOf = (point: Float64Array, c: number): AcdcDiagonals[] =>
  Array.from({ length: point.length / (2 * c) }, (_, k) => ({
    a: point.subarray(2 * k * c, (2 * k + 1) * c),
    d: point.subarray((2 * k + 1) * c, (2 * k + 2) * c),
  }));

/** S·X: row i is the sum of c/rows adjacent rows. */
function addUp(x: Matrix, rows: number): Matrix {
  const adjacent = x.rows / rows;
  const out = matrix(rows, x.columns);
  for (let i = 0; i < x.rows; i++)
    for (let j = 0; j < x.columns; j++) out.data[Math.floor(i / adjacent) * x.columns + j]! += x.data[i * x.columns + j]!;
  return out;
}

/** Sᵀ·X: every row of X, c/rows times. */
function spreadOut(x: Matrix, c: number): Matrix {
  const out = matrix(c, x.columns);
  for (let i = 0; i < c; i++) {
    const row = Math.floor(i / (c / x.rows));
    out.data.set(x.data.subarray(row * x.columns, (row + 1) * x.columns), i * x.columns);
  }
  return out;
}

interface Chain {
  readonly dense: Matrix;
  /** What each diagonal multiplies while W is built from the right. */
  readonly inputs: readonly { readonly a: Matrix; readonly d: Matrix }[];
}

/** The product, where the last factor acts first. */
function chain(point: Float64Array, parts: Parts, { size: c, sources }: AcdcForm, rows: number, columns: number): Chain {
  let x = matrix(c, columns);
  for (let i = 0; i < c; i++) x.data[i * columns + sources[i]!] = 1;
  const inputs: { a: Matrix; d: Matrix }[] = [];
  for (const { a, d } of diagonalsOf(point, c).toReversed()) {
    const spectrum = parts.toSpectrum(x);
    const signal = parts.toSignal(scaleRows(spectrum, d));
    inputs.unshift({ a: signal, d: spectrum });
    x = scaleRows(signal, a);
  }
  return { dense: addUp(x, rows), inputs };
}

/** ½‖W − A‖² of the diagonals a₁, d₁, a₂, d₂, … in one row, and its gradient. */
export const acdcLoss = (point: Float64Array, target: Matrix, form: AcdcForm): ValueAndGradient =>
  lossAt(point, target, partsOf(form), form);

/** The loss. A diagonal's gradient is the diagonal of (what comes back to its place)·(what it multiplied)ᵀ. */
function lossAt(point: Float64Array, target: Matrix, parts: Parts, form: AcdcForm): ValueAndGradient {
  const { rows, columns, data } = target;
  const { dense, inputs } = chain(point, parts, form, rows, columns);
  const rest = matrix(
    rows,
    columns,
    dense.data.map((value, i) => value - data[i]!),
  );
  const c = form.size;
  const gradient = new Float64Array(point.length);
  let back = spreadOut(rest, c);
  for (const [k, { a, d }] of diagonalsOf(point, c).entries()) {
    gradient.set(rowProducts(back, inputs[k]!.a), 2 * k * c);
    const spectrum = parts.toSignalTransposed(scaleRows(back, a));
    gradient.set(rowProducts(spectrum, inputs[k]!.d), (2 * k + 1) * c);
    back = parts.toSpectrumTransposed(scaleRows(spectrum, d));
  }
  return { value: rest.data.reduce((sum, value) => sum + value * value, 0) / 2, gradient };
}

/** Beside the least-squares multiple of the first product, which may be near 0, the start has at least this share of the norm of A. */
const leastStart = 0.1;
/** The deviation of the first diagonals from 1, as in the paper. */
const spread = 0.01;

/**
 * A product near A, by L-BFGS from diagonals near 1, whose product is scaled to A. With one factor, whose entries are linear in a and in
 * d, a matrix of the form is found again to rounding. With more factors the descent ends in a local minimum, or after `iterations` steps.
 * A step takes about 4·n·c·columns·log₂c multiply-adds. The result scales with A.
 * @throws ShapeError for an empty matrix, or entries that are not finite.
 */
export function nearestAcdc(a: Matrix, form: AcdcForm, { random, iterations = 200 }: { random: Random; iterations?: number }): Acdc {
  checkMatrix("nearestAcdc", a);
  checkNumbers("nearestAcdc", { iterations }, { integer: true, least: 0 });
  const { size: c, factors } = form;
  const scale = powerOfTwoNear(a.data);
  const target = matrix(a.rows, a.columns, scaled(a.data, 1 / scale));
  const parts = partsOf(form);
  const first = Float64Array.from({ length: 2 * c * factors }, () => 1 + spread * random.normal());
  const whole = chain(first, parts, form, a.rows, a.columns).dense;
  const [norm, size] = [frobenius(target.data), frobenius(whole.data)];
  const product = whole.data.reduce((sum, value, i) => sum + value * target.data[i]!, 0);
  const multiple = (product < 0 ? -1 : 1) * Math.max(Math.abs(product) / size ** 2, (leastStart * norm) / size);
  // Every diagonal takes the same share of the multiple, and the first one its sign.
  const share = Math.abs(multiple) ** (1 / (2 * factors));
  const start = first.map((value, i) => value * share * (i < c ? Math.sign(multiple) : 1));
  const { point, values } = minimise((at) => lossAt(at, target, parts, form), start, { iterations, tolerance: 1e-26 });
  const shared = scale ** (1 / (2 * factors));
  return {
    diagonals: diagonalsOf(scaled(point, shared), c),
    errors: values.map((value) => Math.sqrt(2 * value) * scale),
  };
}

/** The matrix W of a product. */
export function acdcToDense({ diagonals }: Pick<Acdc, "diagonals">, rows: number, columns: number, form: AcdcForm): Matrix {
  const point = Float64Array.from(diagonals.flatMap(({ a, d }) => [...a, ...d]));
  return chain(point, partsOf(form), form, rows, columns).dense;
}
