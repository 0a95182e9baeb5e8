/**
 * `sort` and `topk`. A sort permutes each line along an axis, so its VJP applies the inverse permutation, and the VJP of this VJP applies
 * the permutation again (docs/derivations/indexing.md).
 */

import { kernels } from "../backend/active.ts";
import type { AxisSplit } from "../backend/kernels.ts";
import { ShapeError } from "../core/errors.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { formatShape, normalizeAxis } from "../core/shape.ts";
import { differentiable } from "../tape/tape.ts";
import { share, type Tensor } from "../tensor/tensor.ts";
import { slice } from "./layout.ts";
import { checkFloating, output } from "./output.ts";
import { splitAt } from "./reduce-axes.ts";

/** The options of `sort`. */
export interface SortOptions {
  /** The axis to sort along. Default: the last. */
  readonly axis?: number;
  /** Whether the largest element comes first. Default: false. */
  readonly descending?: boolean;
}

/** The options of `topk`. */
export interface TopkOptions {
  /** The axis to choose along. Default: the last. */
  readonly axis?: number;
  /** Whether the largest elements are chosen. `false` chooses the smallest. Default: true. */
  readonly largest?: boolean;
}

/** The names of `SortOptions`. */
const sortOptions: OptionNames = optionNames<SortOptions>({ axis: true, descending: true });

/** The names of `TopkOptions`. */
const topkOptions: OptionNames = optionNames<TopkOptions>({ axis: true, largest: true });

/** Sorted elements, and the int32 positions along the axis at which they stood. Both have one shape. */
export interface Sorted {
  readonly values: Tensor;
  readonly indices: Tensor;
}

/** The inverse of the permutation of each line: the position at which `order` has 0, then 1, and so on. */
const inverseOf = (order: Tensor, split: AxisSplit): Tensor => output(order.shape, kernels().argsort(order.storage, false, split));

/** y[a…,j,b…] = x[a…, order[a…,j,b…], b…], where each line of `order` is a permutation.   VJP: x̄ = ȳ in the inverse order. */
const permuteLines: (x: Tensor, order: Tensor, split: AxisSplit) => Tensor = differentiable(
  "permuteLines",
  (x: Tensor, order: Tensor, split: AxisSplit) => ({
    inputs: [x],
    value: output(x.shape, kernels().takeAlongAxis(x.storage, order.storage, split)),
    vjp: [(g) => permuteLines(g, inverseOf(order, split), split)],
  }),
);

function sorted(op: string, x: Tensor, axis: number, descending: boolean): Sorted {
  checkFloating(op, x);
  const split = splitAt(x.shape, axis);
  const indices = output(x.shape, kernels().argsort(x.storage, descending, split));
  // The origin of the values holds the order on its own, so that the caller may dispose of the indices.
  return { values: permuteLines(x, share(indices), split), indices };
}

/**
 * The elements of x in rising order along an axis, and the positions at which they stood. Equal elements keep their order, and NaN counts
 * as the largest. x:[A…,n,B…] → values and indices:[A…,n,B…]. VJP: each cotangent goes back to the position of its element.
 * @throws ShapeError for an int32 tensor, or an axis that x does not have.
 */
export function sort(x: Tensor, options: SortOptions = {}): Sorted {
  checkOptions("sort", options, sortOptions);
  const { axis = -1, descending = false } = options;
  return sorted("sort", x, normalizeAxis("sort", axis, x.rank), descending);
}

/**
 * The k largest elements along an axis, the largest first, and the positions at which they stood. Of equal elements the first ones are
 * chosen, and NaN counts as the largest. x:[A…,n,B…] → values and indices:[A…,k,B…]. VJP: each cotangent goes back to the position of its
 * element, and the elements that are not chosen get 0.
 * @throws ShapeError for an int32 tensor, an axis that x does not have, or a k that is no integer in [0, n].
 */
export function topk(x: Tensor, k: number, options: TopkOptions = {}): Sorted {
  checkOptions("topk", options, topkOptions);
  const { axis = -1, largest = true } = options;
  const along = normalizeAxis("topk", axis, x.rank);
  const size = x.shape[along]!;
  if (!Number.isInteger(k) || k < 0 || k > size)
    throw new ShapeError(`topk: k must be an integer in [0, ${size}], got ${k} for ${formatShape(x.shape)}, axis ${along}`);
  const { values, indices } = sorted("topk", x, along, largest);
  const first = x.shape.map((_, i) => (i === along ? ([0, k] as const) : undefined));
  return { values: slice(values, first), indices: slice(indices, first) };
}
