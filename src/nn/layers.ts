/** Layers without parameters, as modules, so that a Sequential can hold them; and Sequential itself. */

import type { Context } from "../core/context.ts";
import { dropout } from "../ops/dropout.ts";
import { gelu, relu, relu6, sigmoid, tanh } from "../ops/elementwise.ts";
import { avgPool2d, globalAvgPool2d, maxPool2d, type PoolingOptions } from "../ops/pooling.ts";
import { reshape } from "../ops/reshape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { AffineLayer, type ChannelAffine } from "./channel-affine.ts";
import { Layer } from "./module.ts";

/** A function as a layer. */
export class Lambda extends Layer {
  readonly #apply: (x: Tensor, context: Context) => Tensor;

  constructor(apply: (x: Tensor, context: Context) => Tensor) {
    super();
    this.#apply = apply;
  }

  forward(x: Tensor, context: Context): Tensor {
    return this.#apply(x, context);
  }
}

export const ReLU = (): Layer => new Lambda(relu);
export const ReLU6 = (): Layer => new Lambda(relu6);
export const GELU = (): Layer => new Lambda(gelu);
export const Sigmoid = (): Layer => new Lambda(sigmoid);
export const Tanh = (): Layer => new Lambda(tanh);
export const Dropout = (rate: number): Layer => new Lambda((x, context) => dropout(x, rate, context));
export const MaxPool2d = (options: PoolingOptions): Layer => new Lambda((x) => maxPool2d(x, options));
export const AvgPool2d = (options: PoolingOptions): Layer => new Lambda((x) => avgPool2d(x, options));
export const GlobalAvgPool2d = (): Layer => new Lambda(globalAvgPool2d);
/** x:[N,…] → y:[N, product of the rest]. */
export const Flatten = (): Layer =>
  new Lambda((x) => reshape(x, [x.shape[0]!, x.shape.slice(1).reduce((product, size) => product * size, 1)]));

/** Layers one after the other, named by their position. */
export class Sequential extends Layer {
  [position: number]: Layer;
  readonly #layers: readonly Layer[];

  constructor(...layers: readonly Layer[]) {
    super();
    this.#layers = layers;
    Object.assign(this, layers);
  }

  get layers(): readonly Layer[] {
    return this.#layers;
  }

  forward(x: Tensor, context: Context): Tensor {
    return this.#layers.reduce((y, layer) => layer.forward(y, context), x);
  }

  override folded(): Sequential {
    return new Sequential(...foldedInTurn(this.#layers));
  }
}

/** Layers one after the other as they are in evaluation: where one is a scale and a shift, the one before takes it in if it can. */
export function foldedInTurn(layers: readonly Layer[]): Layer[] {
  const folded: Layer[] = [];
  for (let i = 0; i < layers.length; i++) {
    const affine = layers[i + 1]?.affine();
    const both = affine && layers[i]!.absorb(affine);
    folded.push(both ?? layers[i]!.folded());
    if (both !== undefined) i++;
  }
  return folded;
}

/** s·f(x) + t of any layer f. */
export const followedBy = (layer: Layer, affine: ChannelAffine): Layer =>
  layer.absorb(affine) ?? new Sequential(layer.folded(), new AffineLayer(affine));

/** Parts and what is computed with them: a block whose parts have been exchanged. `run` is the forward pass it shares with the block it came from. */
export class Composed<P extends object> extends Layer {
  readonly #parts: P;
  readonly #run: (parts: P, x: Tensor, context: Context) => Tensor;

  constructor(parts: P, run: (parts: P, x: Tensor, context: Context) => Tensor) {
    super();
    this.#parts = parts;
    this.#run = run;
    Object.assign(this, parts);
  }

  forward(x: Tensor, context: Context): Tensor {
    return this.#run(this.#parts, x, context);
  }
}
