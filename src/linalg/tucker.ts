/**
 * The Tucker decomposition: HOSVD (De Lathauwer, De Moor & Vandewalle 2000a, SIAM J. Matrix Anal. 21), refined by HOOI (2000b, in the same
 * volume).
 */

import { ShapeError } from "../core/errors.ts";
import { checkNumbers } from "../core/numbers.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { formatShape } from "../core/shape.ts";
import { columnsOf, frobenius, type Matrix, matrix } from "./matrix.ts";
import { svd } from "./svd.ts";
import { checkTensorArray, modeProduct, modeProductTransposed, type TensorArray, unfold } from "./tensor-array.ts";

/** X ≈ core ×₁ F₁ ×₂ F₂ …. */
export interface Tucker {
  /** The core:[r₁, r₂, …]. */
  readonly core: TensorArray;
  /** The factors F_k:[d_k, r_k], with orthonormal columns. A rank above d_k is lowered to d_k, and `core.shape` says so. */
  readonly factors: readonly Matrix[];
}

/** The options of `tucker`. */
export interface TuckerOptions {
  /** The largest number of rounds of HOOI after HOSVD. No round raises the error. Default: 10. */
  readonly iterations?: number;
}

/** The names of `TuckerOptions`. */
export const tuckerOptions: OptionNames = optionNames<TuckerOptions>({ iterations: true });

/**
 * The `rank` leading left singular vectors of the mode-k unfolding. An unfolding with fewer columns than that has fewer singular vectors,
 * so columns of zeros are added to it. They do not change its singular vectors, and the SVD completes these to an orthonormal basis.
 */
const leadingVectors = (x: TensorArray, mode: number, rank: number): Matrix => {
  const unfolded = unfold(x, mode);
  const { u } = svd(unfolded.columns < rank ? withZeroColumns(unfolded, rank) : unfolded);
  return columnsOf(u, 0, rank);
};

/** The matrix with columns of zeros added up to `columns`. */
function withZeroColumns(a: Matrix, columns: number): Matrix {
  const out = matrix(a.rows, columns);
  for (let i = 0; i < a.rows; i++) out.data.set(a.data.subarray(i * a.columns, (i + 1) * a.columns), i * columns);
  return out;
}

/** X ×₁ F₁ᵀ ×₂ F₂ᵀ …, without the factor of the axis `except`. */
const project = (x: TensorArray, factors: readonly Matrix[], except = -1): TensorArray =>
  factors.reduce((y, factor, mode) => (mode === except ? y : modeProductTransposed(y, factor, mode)), x);

/**
 * The Tucker decomposition with the ranks r₁ … r_d. HOSVD takes each factor from its own unfolding, and its error is at most √d times the
 * best. HOOI then improves one factor at a time with the others fixed, so the norm ‖core‖ never falls and the error never rises.
 * @throws ShapeError unless there is one rank ≥ 1 for each axis, no axis is empty, and all entries are finite.
 */
export function tucker(x: TensorArray, ranks: readonly number[], options: TuckerOptions = {}): Tucker {
  checkOptions("tucker", options, tuckerOptions);
  const { iterations = 10 } = options;
  checkNumbers("tucker", { iterations }, { integer: true, least: 0 });
  if (ranks.length !== x.shape.length || ranks.some((rank) => !Number.isInteger(rank) || rank < 1))
    throw new ShapeError(`tucker: needs an integer rank ≥ 1 for each of the ${x.shape.length} axes, got [${ranks}]`);
  checkTensorArray("tucker", x);
  const factors = x.shape.map((size, mode) => leadingVectors(x, mode, Math.min(ranks[mode]!, size)));
  let captured = frobenius(project(x, factors).data);
  for (let round = 0; round < iterations; round++) {
    for (let mode = 0; mode < factors.length; mode++)
      factors[mode] = leadingVectors(project(x, factors, mode), mode, factors[mode]!.columns);
    const now = frobenius(project(x, factors).data);
    if (now - captured <= 1e-12 * now) break;
    captured = now;
  }
  return { core: project(x, factors), factors };
}

/**
 * The tensor of a Tucker decomposition. core:[r₁,r₂,…], F_k:[d_k,r_k] → X:[d₁,d₂,…].
 * @throws ShapeError unless there is one factor for each axis of the core, with as many columns as the axis is long.
 */
export function tuckerToDense({ core, factors }: Tucker): TensorArray {
  if (factors.length !== core.shape.length || factors.some(({ columns }, k) => columns !== core.shape[k]))
    throw new ShapeError(
      `tuckerToDense: needs one factor with r_k columns for each axis of the core ${formatShape(core.shape)}, ` +
        `got ${factors.map(({ rows, columns }) => `${rows}×${columns}`).join(", ") || "no factors"}`,
    );
  return factors.reduce((x, factor, mode) => modeProduct(x, factor, mode), core);
}
