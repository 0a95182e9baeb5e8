/** Frobenius decay (Khodak et al. 2021, arXiv 2105.01029): weight decay of the matrices that factors stand for, in place of the factors. */

import type { Module } from "../nn/module.ts";
import { add, multiply } from "../ops/elementwise.ts";
import { sum } from "../ops/sum-and-broadcast.ts";
import { StructuredConvolution } from "../structured/structured-convolution.ts";
import { StructuredLinear } from "../structured/structured-linear.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** The matrices and kernels that the structured layers of a model stand for. A convolution answers for the map inside it. */
function structuredWeights(model: Module): Tensor[] {
  const parts = model.modules();
  const inside = new Set(parts.flatMap((part) => (part instanceof StructuredConvolution ? part.modules().slice(1) : [])));
  return parts.flatMap((part) => {
    if (part instanceof StructuredConvolution || (part instanceof StructuredLinear && !inside.has(part))) return part.decayedWeight() ?? [];
    return [];
  });
}

/**
 * ½·λ·Σ‖W‖²_F over the structured layers of a model, to be added to the loss; undefined for a model without any. Its gradient with respect
 * to W is λ·W, the gradient of ordinary weight decay. Decay of the factors would shrink their product unevenly. Each W is formed once.
 */
export function frobeniusPenalty(model: Module, lambda: number): Tensor | undefined {
  const squares = structuredWeights(model).map((w) => sum(multiply(w, w)));
  return squares.length === 0 ? undefined : multiply(squares.reduce(add), lambda / 2);
}
