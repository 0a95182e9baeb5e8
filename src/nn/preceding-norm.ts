/**
 * Layers that compute the norm and the ReLU before them as they read their input. `Sequential` hands both to such a layer. So what lies
 * between them is not stored, and networks are still written as in their papers.
 */

import type { Activation } from "../backend/kernels.ts";
import type { Context } from "../core/context.ts";
import type { Epilogue } from "../ops/epilogue.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { BatchNorm2d } from "./batch-norm2d.ts";
import { ownerOf } from "./epilogue.ts";
import type { Layer } from "./module.ts";

/** A layer f that can compute f(activation(norm(x))) at once, and what follows it. Its `forward` is f. */
export interface NormedLayer extends Layer {
  /** `then` of f(activation(norm(x))); undefined where the layer does not compute it at once. */
  forwardAfterNorm(x: Tensor, context: Context, norm: BatchNorm2d, activation: Activation, then: Epilogue): Tensor | undefined;
}

/** Whether the layer takes a norm. As with an epilogue, it does not where only its `forward` was replaced. */
function takesNorm(layer: Layer): layer is NormedLayer {
  const owner = ownerOf(layer, "forwardAfterNorm");
  return owner !== undefined && owner === ownerOf(layer, "forward");
}

/**
 * `then` of layer(activation(norm(x))) at once; undefined where `norm` is no batch norm as this library has it, or where `layer` does not
 * take it.
 */
export function forwardAfterNorm(
  layer: Layer | undefined,
  x: Tensor,
  context: Context,
  norm: Layer,
  activation: Activation,
  then: Epilogue,
): Tensor | undefined {
  const isPlain = norm instanceof BatchNorm2d && ownerOf(norm, "forwardThen") === BatchNorm2d.prototype;
  return isPlain && layer !== undefined && takesNorm(layer) ? layer.forwardAfterNorm(x, context, norm, activation, then) : undefined;
}
