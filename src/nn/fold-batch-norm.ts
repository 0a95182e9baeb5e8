/**
 * Folds the batch norms of a trained network into its convolutions. In evaluation a norm is y = s·x + t, with s = γ/√(σ² + ε) and
 * t = β − μ·s. A convolution w ∗ x + b and the norm after it are one convolution, with weight s·w and bias s·b + t. A norm that follows no
 * convolution becomes a layer whose scale and shift are computed once (docs/predict.md).
 */

import type { Context } from "../core/context.ts";
import { ConfigError } from "../core/errors.ts";
import { noGrad } from "../tape/tape.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { BatchNorm2d } from "./batch-norm2d.ts";
import { Block } from "./block.ts";
import { AffineLayer, affineOfChannels, type ChannelAffine } from "./channel-affine.ts";
import { Combinator, Concat, Sequential } from "./combinators.ts";
import type { Description } from "./describe.ts";
import { isFoldable } from "./foldable-layer.ts";
import { Layer, type Module } from "./module.ts";
import { Counter } from "./state.ts";

/** `layer` in evaluation, with everything computed that depends on weights alone. It may share layers and tensors with `layer`. */
export function folded(layer: Layer): Layer {
  if (layer instanceof Block) return folded(layer.body());
  if (layer instanceof Sequential) return new Sequential(...foldedInTurn(layer.layers));
  if (layer instanceof Combinator) return layer.map(folded);
  if (layer instanceof BatchNorm2d) return new AffineLayer(layer.affine());
  return isFoldable(layer) ? layer.fold() : layer;
}

/** Each layer folded, from the first to the last. A layer that a norm follows takes in the norm if it can. */
function foldedInTurn(layers: readonly Layer[]): Layer[] {
  const result: Layer[] = [];
  for (let i = 0; i < layers.length; i++) {
    const norm = layers[i + 1];
    const both = norm instanceof BatchNorm2d ? absorbed(layers[i]!, norm.affine()) : undefined;
    result.push(both ?? folded(layers[i]!));
    if (both !== undefined) i++;
  }
  return result;
}

/** s·f(x) + t with s and t in the weights of f, folded; undefined where f does not end in weights. */
function absorbed(layer: Layer, affine: ChannelAffine): Layer | undefined {
  if (layer instanceof Block) return absorbed(layer.body(), affine);
  if (layer instanceof Concat) return absorbedByBranches(layer, affine);
  if (layer instanceof Sequential) {
    const [before, last] = [layer.layers.slice(0, -1), layer.layers.at(-1)];
    const taken = last && absorbed(last, affine);
    return taken && new Sequential(...foldedInTurn(before), taken);
  }
  return isFoldable(layer) ? layer.fold(affine) : undefined;
}

/** Each branch takes in the scales and shifts of its own channels. */
function absorbedByBranches({ branches, channels }: Concat, affine: ChannelAffine): Layer | undefined {
  let first = 0;
  const taken = branches.flatMap((branch, i) => {
    const layer = absorbed(branch, affineOfChannels(affine, first, first + channels[i]!));
    first += channels[i]!;
    return layer === undefined ? [] : [{ layer, channels: channels[i]! }];
  });
  return taken.length === branches.length ? new Concat(...taken) : undefined;
}

/** A network in evaluation. It shares the tensors that folding did not change with its original, so the original must outlive it. */
export class FoldedNetwork extends Layer {
  readonly network: Layer;
  readonly #shared: ReadonlySet<Tensor>;

  constructor(network: Layer, original: Module) {
    super();
    this.network = network;
    this.#shared = new Set(tensorsOf(original));
  }

  override describe(): Description {
    return { kind: "FoldedNetwork" };
  }

  /** @throws ConfigError in training, because no norm is left that could learn. */
  forward(x: Tensor, context: Context): Tensor {
    if (context.training)
      throw new ConfigError("foldBatchNorm: a folded network only evaluates, got training true; train the network it was folded from");
    return this.network.forward(x, context);
  }

  protected override parts(): Iterable<[string, unknown]> {
    return Object.entries(this.network);
  }

  /** Frees the tensors that folding made. The tensors of the original stay. */
  override dispose(): void {
    for (const tensor of tensorsOf(this)) if (!this.#shared.has(tensor)) tensor.dispose();
  }
}

const tensorsOf = (module: Module): Tensor[] =>
  [...module.state().values()].flatMap((state) => (state instanceof Counter ? [] : [state.value]));

/**
 * `network` in evaluation, with fewer passes over its feature maps. Norms are folded into the convolutions before them, and other norms are
 * computed once. Where a structured map is multiplied as a dense matrix, the matrix is built once. The logits agree to rounding.
 * `network` does not change. After a change of its parameters it must be folded again.
 */
export const foldBatchNorm = (network: Layer): FoldedNetwork => scope(() => noGrad(() => new FoldedNetwork(folded(network), network)));
