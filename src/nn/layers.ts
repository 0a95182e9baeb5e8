/** Layers without parameters, as modules, so that a Sequential can hold them; and Sequential itself. */

import { reshape } from "../ops/broadcast.ts";
import { dropout, type Forward } from "../ops/dropout.ts";
import { gelu, relu, relu6, sigmoid, tanh } from "../ops/elementwise.ts";
import { avgPool2d, globalAvgPool2d, maxPool2d, type PoolingOptions } from "../ops/pooling.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Layer } from "./module.ts";

/** A function as a layer. */
export class Lambda extends Layer {
  readonly #apply: (x: Tensor, forward: Forward) => Tensor;

  constructor(apply: (x: Tensor, forward: Forward) => Tensor) {
    super();
    this.#apply = apply;
  }

  forward(x: Tensor, forward: Forward): Tensor {
    return this.#apply(x, forward);
  }
}

export const ReLU = (): Layer => new Lambda(relu);
export const ReLU6 = (): Layer => new Lambda(relu6);
export const GELU = (): Layer => new Lambda(gelu);
export const Sigmoid = (): Layer => new Lambda(sigmoid);
export const Tanh = (): Layer => new Lambda(tanh);
export const Dropout = (rate: number): Layer => new Lambda((x, forward) => dropout(x, rate, forward));
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

  forward(x: Tensor, forward: Forward): Tensor {
    return this.#layers.reduce((y, layer) => layer.forward(y, forward), x);
  }
}
