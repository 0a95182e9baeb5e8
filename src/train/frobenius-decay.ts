/** Frobenius decay (Khodak et al. 2021, arXiv 2105.01029): decay of the matrices that factors stand for, instead of the factors. */

import type { Module } from "../nn/module.ts";
import { add, multiply } from "../ops/elementwise.ts";
import { sum } from "../ops/sum-and-broadcast.ts";
import { DenseLinear } from "../structured/dense-linear.ts";
import { HashedConvolution } from "../structured/hashed-convolution.ts";
import { ShuffleConvolution } from "../structured/linear-shuffle.ts";
import { SeparableConvolution } from "../structured/separable.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** The matrices of a model's structured maps; a dense map's weight decays by itself. */
function structuredWeights(model: Module): Tensor[] {
  return model.modules().flatMap((part) => {
    if (part instanceof SeparableConvolution) return part.map instanceof DenseLinear ? [] : [part.map.toDense()];
    return part instanceof ShuffleConvolution || part instanceof HashedConvolution ? [part.toDenseKernel()] : [];
  });
}

/**
 * ½·λ·Σ‖W‖²_F over the structured maps of a model, to be added to the loss: its gradient on W is λ·W, weight decay's own, where decay of the factors
 * would shrink their product unevenly. Undefined for a model without structured maps. Rebuilds every W once.
 */
export function frobeniusPenalty(model: Module, lambda: number): Tensor | undefined {
  const squares = structuredWeights(model).map((w) => sum(multiply(w, w)));
  return squares.length === 0 ? undefined : multiply(squares.reduce(add), lambda / 2);
}
