/** Tucker decomposition: HOSVD (De Lathauwer et al. 2000, SIAM J. Matrix Anal. 21) refined by HOOI (the same issue). */

import { ShapeError } from "../core/errors.ts";
import { columnsOf, frobenius, type Matrix } from "./matrix.ts";
import { svd } from "./svd.ts";
import { modeProduct, modeProductTransposed, type TensorArray, unfold } from "./tensor-array.ts";

/** X = core ×₁ F₁ ×₂ F₂ …, factors [d_k, r_k] with orthonormal columns. */
export interface Tucker {
  readonly core: TensorArray;
  readonly factors: readonly Matrix[];
}

export interface TuckerOptions {
  /** Rounds of HOOI after HOSVD; each lowers the error or leaves it. */
  readonly iterations?: number;
}

const leading = (x: TensorArray, mode: number, rank: number): Matrix => {
  const { u } = svd(unfold(x, mode));
  return columnsOf(u, 0, Math.min(rank, u.columns));
};

const project = (x: TensorArray, factors: readonly Matrix[], except = -1): TensorArray =>
  factors.reduce((y, factor, mode) => (mode === except ? y : modeProductTransposed(y, factor, mode)), x);

/**
 * HOSVD takes each factor from its own unfolding: error at most √d times the best. HOOI then improves one factor at a time with the others
 * fixed: the captured norm ‖core‖ never falls. @throws ShapeError unless there is one rank ≥ 1 per axis.
 */
export function tucker(x: TensorArray, ranks: readonly number[], { iterations = 10 }: TuckerOptions = {}): Tucker {
  if (ranks.length !== x.shape.length || ranks.some((rank) => !Number.isInteger(rank) || rank < 1))
    throw new ShapeError(`tucker: needs an integer rank ≥ 1 for each of the ${x.shape.length} axes, got [${ranks}]`);
  const factors = x.shape.map((_, mode) => leading(x, mode, ranks[mode]!));
  let captured = frobenius(project(x, factors).data);
  for (let round = 0; round < iterations; round++) {
    for (let mode = 0; mode < factors.length; mode++) factors[mode] = leading(project(x, factors, mode), mode, factors[mode]!.columns);
    const now = frobenius(project(x, factors).data);
    if (now - captured <= 1e-12 * now) break;
    captured = now;
  }
  return { core: project(x, factors), factors };
}

export const tuckerToDense = ({ core, factors }: Tucker): TensorArray =>
  factors.reduce((x, factor, mode) => modeProduct(x, factor, mode), core);
