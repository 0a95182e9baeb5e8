/**
 * Batch norms of a trained network folded away. In evaluation a norm is y = s·x + t with s = γ/√(σ² + ε) and t = β − μ·s; behind a convolution
 * w ∗ x + b it is that convolution with weight s·w and bias s·b + t, elsewhere a scale and a shift computed once (docs/predict.md).
 */

import type { Context } from "../core/context.ts";
import { ConfigError } from "../core/errors.ts";
import { noGrad } from "../tape/tape.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Layer, type Module } from "./module.ts";
import { Counter } from "./state.ts";

/** A network that knows itself in evaluation. */
export interface Foldable extends Module {
  /** What it computes in evaluation, its norms folded. */
  folded(): Layer;
}

/** A network in evaluation. It shares what folding left alone with the network it was made of, so that must outlive it. */
export class FoldedNetwork extends Layer {
  readonly network: Layer;
  readonly #shared: ReadonlySet<Tensor>;

  constructor(network: Layer, original: Module) {
    super();
    this.network = network;
    this.#shared = new Set(tensorsOf(original));
  }

  /** @throws ConfigError in training: it has no norms left that could learn. */
  forward(x: Tensor, context: Context): Tensor {
    if (context.training)
      throw new ConfigError("foldBatchNorm: a folded network only evaluates, got training true; train the network it was folded from");
    return this.network.forward(x, context);
  }

  protected override parts(): Iterable<[string, unknown]> {
    return Object.entries(this.network);
  }

  /** Frees what folding made; what is shared stays with the network it came from. */
  override dispose(): void {
    for (const tensor of tensorsOf(this)) if (!this.#shared.has(tensor)) tensor.dispose();
  }
}

const tensorsOf = (module: Module): Tensor[] =>
  [...module.state().values()].flatMap((state) => (state instanceof Counter ? [] : [state.value]));

/**
 * `network` in evaluation, with fewer passes over its feature maps: norms folded into the convolutions before them, the others computed once, and
 * weights of structured maps that are multiplied as a whole built once. Logits agree to rounding. `network` stays as it is, and a change of its
 * parameters afterwards is not seen: fold again.
 */
export const foldBatchNorm = (network: Foldable): FoldedNetwork => scope(() => noGrad(() => new FoldedNetwork(network.folded(), network)));
