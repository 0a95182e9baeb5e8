/** Ops as layers, which have no state. A `Sequential` can hold them. */

import type { Context } from "../core/context.ts";
import { checkOptions } from "../core/options.ts";
import { sizeOf } from "../core/shape.ts";
import { dropout } from "../ops/dropout.ts";
import { gelu, relu, relu6, sigmoid, tanh } from "../ops/elementwise.ts";
import {
  type AveragePoolingOptions,
  averagePoolingOptions,
  avgPool2d,
  globalAvgPool2d,
  maxPool2d,
  type PoolingOptions,
  poolingOptions,
} from "../ops/pooling.ts";
import { reshape } from "../ops/reshape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Layer } from "./module.ts";

/** Any function as a layer. */
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

/** y = max(0, x), element by element. */
export const ReLU = (): Layer => new Lambda(relu);
/** y = min(max(0, x), 6), element by element (MobileNetV2, arXiv 1801.04381). */
export const ReLU6 = (): Layer => new Lambda(relu6);
/** y = x·Φ(x) with Φ the standard normal distribution function, element by element (arXiv 1606.08415). */
export const GELU = (): Layer => new Lambda(gelu);
/** y = 1/(1 + e⁻ˣ), element by element. */
export const Sigmoid = (): Layer => new Lambda(sigmoid);
/** y = tanh x, element by element. */
export const Tanh = (): Layer => new Lambda(tanh);
/** In training y = x·m/(1 − rate) with each m independently 0 with probability `rate`, else 1 (arXiv 1207.0580). In evaluation y = x. */
export const Dropout = (rate: number): Layer => new Lambda((x, context) => dropout(x, rate, context));
/** The maximum of each window.   x:[N,C,H,W] → y:[N,C,H′,W′]. */
export function MaxPool2d(options: PoolingOptions): Layer {
  checkOptions("MaxPool2d", options, poolingOptions);
  return new Lambda((x) => maxPool2d(x, options));
}
/** The mean of each window.   x:[N,C,H,W] → y:[N,C,H′,W′]. */
export function AvgPool2d(options: AveragePoolingOptions): Layer {
  checkOptions("AvgPool2d", options, averagePoolingOptions);
  return new Lambda((x) => avgPool2d(x, options));
}
/** The mean of each channel.   x:[N,C,H,W] → y:[N,C]. */
export const GlobalAvgPool2d = (): Layer => new Lambda(globalAvgPool2d);
/** x:[N,…] → y:[N, product of the other sizes]. */
export const Flatten = (): Layer => new Lambda((x) => reshape(x, [x.shape[0]!, sizeOf(x.shape.slice(1))]));
