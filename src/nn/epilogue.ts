/**
 * Layers that compute what follows them in the same pass over memory. `Sequential` gives a norm the ReLU that follows it, and `Residual`
 * gives it the shortcut. So networks are written as in their papers, and are still computed in few passes.
 */

import type { Activation } from "../backend/kernels.ts";
import type { Context } from "../core/context.ts";
import { relu, relu6 } from "../ops/elementwise.ts";
import { applyEpilogue, type Epilogue } from "../ops/epilogue.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Description } from "./describe.ts";
import { isWatcher } from "./layer-names.ts";
import { Layer } from "./module.ts";

/** A layer f that computes activation(f(x) + addend) at once. Its `forward` is f. */
export interface EpilogueLayer extends Layer {
  forwardThen(x: Tensor, context: Context, then: Epilogue): Tensor;
}

/** The object in the prototype chain of `layer` that has the method. A watcher of the method does not count. */
export function ownerOf(layer: object, method: "forward" | "forwardThen" | "forwardAfterNorm"): object | undefined {
  for (let owner: object | null = layer; owner !== null; owner = Object.getPrototypeOf(owner) as object | null) {
    const found = Object.getOwnPropertyDescriptor(owner, method)?.value as unknown;
    if (typeof found === "function" && !isWatcher(found)) return owner;
  }
  return undefined;
}

/**
 * Whether the layer takes an epilogue. It does not where only its `forward` was replaced, by a subclass or on the object: the replacement
 * must be called.
 */
export function takesEpilogue(layer: Layer): layer is EpilogueLayer {
  const owner = ownerOf(layer, "forwardThen");
  return owner !== undefined && owner === ownerOf(layer, "forward");
}

/** activation(f(x) + addend) for any layer f: in one pass if the layer takes an epilogue, else with ops after it. */
export const forwardThen = (layer: Layer, x: Tensor, context: Context, then: Epilogue): Tensor =>
  takesEpilogue(layer) ? layer.forwardThen(x, context, then) : applyEpilogue(layer.forward(x, context), then);

const functions = { relu: { f: relu, kind: "ReLU" }, relu6: { f: relu6, kind: "ReLU6" } } as const;

/** An activation that the layer before it may take as its epilogue. */
export class ActivationLayer extends Layer {
  readonly #activation: Activation;

  constructor(activation: Activation) {
    super();
    this.#activation = activation;
  }

  get activation(): Activation {
    return this.#activation;
  }

  forward(x: Tensor): Tensor {
    return functions[this.#activation].f(x);
  }

  override describe(): Description {
    return { kind: functions[this.#activation].kind };
  }
}

/** The activation that `layer` is; undefined for another layer, and where its `forward` was replaced. */
export const activationOf = (layer: Layer | undefined): Activation | undefined =>
  layer instanceof ActivationLayer && ownerOf(layer, "forward") === ActivationLayer.prototype ? layer.activation : undefined;
