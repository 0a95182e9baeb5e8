/** Layers without state, each of which applies one op. A `Sequential` can hold them. */

import type { Context } from "../core/context.ts";
import { checkWindowOptions } from "../core/convolution-geometry.ts";
import { checkNumbers } from "../core/numbers.ts";
import { checkOptions } from "../core/options.ts";
import { sizeOf } from "../core/shape.ts";
import { dropout } from "../ops/dropout.ts";
import { gelu, sigmoid, tanh } from "../ops/elementwise.ts";
import {
  type AveragePoolingOptions,
  averagePoolingOptions,
  avgPool2d,
  globalAvgPool2d,
  globalMaxPool2d,
  maxPool2d,
  type PoolingOptions,
  poolingOptions,
} from "../ops/pooling.ts";
import { reshape } from "../ops/reshape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Described, type Description, describedPadding } from "./describe.ts";
import { ActivationLayer } from "./epilogue.ts";
import { Layer } from "./module.ts";

/** A layer that applies any function. Printing shows the description, which is `Lambda()` by default. */
export class Lambda extends Layer {
  readonly #apply: (x: Tensor, context: Context) => Tensor;
  readonly #description: Description;

  constructor(apply: (x: Tensor, context: Context) => Tensor, description: Description = { kind: "Lambda" }) {
    super();
    this.#apply = apply;
    this.#description = description;
  }

  forward(x: Tensor, context: Context): Tensor {
    return this.#apply(x, context);
  }

  override describe(): Description {
    return this.#description;
  }
}

/** The options of a pooling layer in the form that its description shows. */
const describedPooling = ({ padding, ...options }: AveragePoolingOptions): Readonly<Record<string, Described | undefined>> => ({
  ...options,
  padding: padding === undefined ? undefined : describedPadding(padding),
});

/** y = max(0, x), element by element. */
export const ReLU = (): Layer => new ActivationLayer("relu");
/** y = min(max(0, x), 6), element by element (MobileNetV2, arXiv 1801.04381). */
export const ReLU6 = (): Layer => new ActivationLayer("relu6");
/** y = x·Φ(x) with Φ the standard normal distribution function, element by element (arXiv 1606.08415). */
export const GELU = (): Layer => new Lambda(gelu, { kind: "GELU" });
/** y = 1/(1 + e⁻ˣ), element by element. */
export const Sigmoid = (): Layer => new Lambda(sigmoid, { kind: "Sigmoid" });
/** y = tanh x, element by element. */
export const Tanh = (): Layer => new Lambda(tanh, { kind: "Tanh" });
/**
 * In training, y = x·m/(1 − rate). Each element of the mask m is 0 with probability `rate`, independently of the others, and 1 otherwise
 * (arXiv 1207.0580). In evaluation, y = x.
 * @throws ConfigError for a rate outside [0, 1).
 */
export function Dropout(rate: number): Layer {
  checkNumbers("Dropout", { rate }, { least: 0, below: 1 });
  return new Lambda((x, context) => dropout(x, rate, context), { kind: "Dropout", sizes: [rate] });
}
/** The maximum of each window.   x:[N,C,H,W] → y:[N,C,H′,W′]. */
export function MaxPool2d(options: PoolingOptions): Layer {
  checkOptions("MaxPool2d", options, poolingOptions);
  checkWindowOptions("MaxPool2d", options);
  return new Lambda((x) => maxPool2d(x, options), { kind: "MaxPool2d", options: describedPooling(options) });
}
/** The mean of each window.   x:[N,C,H,W] → y:[N,C,H′,W′]. */
export function AvgPool2d(options: AveragePoolingOptions): Layer {
  checkOptions("AvgPool2d", options, averagePoolingOptions);
  checkWindowOptions("AvgPool2d", options);
  return new Lambda((x) => avgPool2d(x, options), { kind: "AvgPool2d", options: describedPooling(options) });
}
/** The mean of each channel.   x:[N,C,H,W] → y:[N,C]. */
export const GlobalAvgPool2d = (): Layer => new Lambda(globalAvgPool2d, { kind: "GlobalAvgPool2d" });
/** The maximum of each channel.   x:[N,C,H,W] → y:[N,C]. */
export const GlobalMaxPool2d = (): Layer => new Lambda(globalMaxPool2d, { kind: "GlobalMaxPool2d" });
/** x:[N,…] → y:[N, product of the other sizes]. */
export const Flatten = (): Layer => new Lambda((x) => reshape(x, [x.shape[0]!, sizeOf(x.shape.slice(1))]), { kind: "Flatten" });
