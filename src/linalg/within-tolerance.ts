/** Decompositions whose ranks are chosen by a tolerance: the relative error ‖X − X̂‖/‖X‖ is at most ε. */

import { largest } from "../core/extent.ts";
import { Random } from "../core/random.ts";
import { sizeOf } from "../core/shape.ts";
import { type CanonicalPolyadic, canonicalPolyadic } from "./canonical-polyadic.ts";
import { columnsOf, frobenius, type Matrix, matrix, product, scaleColumns, transposed } from "./matrix.ts";
import { svd } from "./svd.ts";
import { modeProductTransposed, type TensorArray, tensorArray, unfold } from "./tensor-array.ts";
import { type TensorTrain, tensorTrainBy } from "./tensor-train.ts";
import { ErrorBudget } from "./truncation.ts";
import type { Tucker } from "./tucker.ts";

/**
 * The tensor train of TT-SVD with relative error ≤ ε (Oseledets 2011, algorithm 1). The squares of the errors of its d − 1 truncations add
 * up, and each truncation may spend at least ε²/(d−1). So no train with a relative error ≤ ε/√(d−1) has a smaller rank at any bond.
 */
export function tensorTrainWithin(x: TensorArray, tolerance: number): TensorTrain {
  const bonds = x.shape.length - 1;
  const budget = new ErrorBudget(x.data, tolerance);
  const { cores } = tensorTrainBy(x, (s, bond) => budget.spend(s, bonds - bond));
  return { cores: withoutExcess(cores) };
}

/** The same train where no rank exceeds what the core on its right can use, r_{k−1} ≤ d_k·r_k. Nothing is lost. */
function withoutExcess(cores: readonly TensorArray[]): TensorArray[] {
  const out = [...cores];
  for (let k = out.length - 1; k > 0; k--) {
    const [before, size, after] = out[k]!.shape as [number, number, number];
    if (before <= size * after) continue;
    const { u, s, v } = svd(matrix(before, size * after, out[k]!.data));
    const [left, middle] = out[k - 1]!.shape as [number, number];
    out[k] = tensorArray([s.length, size, after], transposed(v).data);
    out[k - 1] = tensorArray([left, middle, s.length], product(matrix(left * middle, before, out[k - 1]!.data), scaleColumns(u, s)).data);
  }
  return out;
}

/**
 * The Tucker decomposition of HOSVD with relative error ≤ ε (De Lathauwer et al. 2000a, property 10). The square of the error is at most
 * the sum of the squares of the d truncations' errors, and each truncation may spend at least ε²/d.
 */
export function tuckerWithin(x: TensorArray, tolerance: number): Tucker {
  const budget = new ErrorBudget(x.data, tolerance);
  const factors = x.shape.map((_, mode): Matrix => {
    const { u, s } = svd(unfold(x, mode));
    return columnsOf(u, 0, budget.spend(s, x.shape.length - mode));
  });
  let core = factors.reduce((y, factor, mode) => modeProductTransposed(y, factor, mode), x);
  // No rank can exceed the product of the others. A larger one is lowered without loss, and then another one may be too large.
  for (;;) {
    const mode = core.shape.findIndex((rank) => rank > sizeOf(core.shape) / rank);
    if (mode < 0) return { core, factors };
    const { u } = svd(unfold(core, mode));
    core = modeProductTransposed(core, u, mode);
    factors[mode] = product(factors[mode]!, u);
  }
}

/**
 * A CP decomposition with relative error ≤ ε. No rule gives the smallest rank (to find it is NP-hard: Hillar & Lim 2013), so the rank is
 * searched: it is doubled until `iterations` rounds of alternating least squares reach ε, and then bisected. The rank that is found need
 * not be the smallest.
 */
export function canonicalPolyadicWithin(
  x: TensorArray,
  tolerance: number,
  { iterations }: { readonly iterations: number },
): Pick<CanonicalPolyadic, "factors"> {
  const lost = tolerance * frobenius(x.data);
  const attempt = (rank: number): Pick<CanonicalPolyadic, "factors"> | undefined => {
    const found = canonicalPolyadic(x, { rank, random: new Random(0), iterations });
    return found.errors.at(-1)! <= lost ? found : undefined;
  };
  const most = sizeOf(x.shape) / largest(x.shape);
  let [low, high] = [0, 1];
  let best = attempt(1);
  while (best === undefined && 2 * high < most) {
    low = high;
    high *= 2;
    best = attempt(high);
  }
  if (best === undefined) [low, high, best] = [high, most, exactCanonicalPolyadic(x)];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    const found = attempt(middle);
    if (found === undefined) low = middle;
    else [high, best] = [middle, found];
  }
  return best;
}

/** X as the sum of its fibres along its longest axis: one term for each index of all other axes. The error is 0. */
function exactCanonicalPolyadic(x: TensorArray): Pick<CanonicalPolyadic, "factors"> {
  const longest = x.shape.indexOf(largest(x.shape));
  const fibres = unfold(x, longest);
  let after = fibres.columns;
  const factors = x.shape.map((size, mode) => {
    if (mode === longest) return fibres;
    after /= size;
    const digit = after;
    const out = matrix(size, fibres.columns);
    for (let column = 0; column < fibres.columns; column++) out.data[(Math.floor(column / digit) % size) * fibres.columns + column] = 1;
    return out;
  });
  return { factors };
}
