/** Initialisers of parameters. Random initialisers draw from the given stream, so its seed determines all weights of a network. */

import { ConfigError, ShapeError } from "../core/errors.ts";
import { kindOf } from "../core/options.ts";
import { Random } from "../core/random.ts";
import { formatShape, type Shape, sizeOf } from "../core/shape.ts";
import { full, normal, tensor, uniform } from "../ops/creation.ts";
import { concat, slice } from "../ops/layout.ts";
import type { DType } from "../tensor/storage.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** What a new layer needs to initialise its parameters. */
export interface Build {
  /** The stream that initial weights are drawn from. */
  readonly random: Random;
  /** The precision of the parameters and of what is computed with them. Default: float32. */
  readonly dtype?: DType;
}

/** @throws ConfigError unless `build` is an object, for programs in plain JavaScript. The stream is checked where numbers are drawn. */
function checkedBuild(build: Build): Build {
  if (typeof build !== "object" || build === null || build instanceof Random)
    throw new ConfigError(`layer: needs { random }, got ${kindOf(build)}; write new Linear(3, 2, { random: new Random(0) })`);
  return build;
}

/** A new weight of the given shape. */
export type Initialiser = (shape: Shape, build: Build) => Tensor;

/** The number of inputs that one output depends on: the product of every size but the first. */
export const fanIn = (shape: Shape): number => sizeOf(shape.slice(1));
/** The number of outputs that depend on one input: the first size times the product of the window's sizes. */
export const fanOut = (shape: Shape): number => (shape[0] ?? 1) * sizeOf(shape.slice(2));

/**
 * U(−1/√fan, 1/√fan). PyTorch uses this distribution for the weights of Linear and Conv2d. Their biases use the fan-in of the weight.
 * @param fan Default: the fan-in of `shape`.
 */
export const uniformFanIn = (shape: Shape, build: Build, fan = fanIn(shape)): Tensor => {
  const { random, dtype = "float32" } = checkedBuild(build);
  const bound = 1 / Math.sqrt(Math.max(1, fan));
  return uniform(shape, random, { low: -bound, high: bound, dtype });
};

/** N(0, 2/fanOut), with variance 2/fanOut (He et al. 2015, arXiv 1502.01852, eq. 14). WideResNets use it for every convolution. */
export const normalFanOut = (shape: Shape, build: Build): Tensor => {
  const { random, dtype = "float32" } = checkedBuild(build);
  return normal(shape, random, { std: Math.sqrt(2 / Math.max(1, fanOut(shape))), dtype });
};

/**
 * An initialiser of convolutions that pass their input on: output channel c < min(O,I) copies input channel c, by a 1 in the middle of its
 * window. The other output channels are drawn from `others`, by default `uniformFanIn`. A kernel [O,I,k,k] with O ≥ I keeps all channels
 * (Zagoruyko & Komodakis 2017, arXiv 1706.00388; the mixture with random channels is that of Jordan 2024, arXiv 2404.00498, §3.3).
 * @throws ShapeError for a weight without a window, when the initialiser is called.
 */
export const dirac =
  (others: Initialiser = uniformFanIn): Initialiser =>
  (shape, build) => {
    const [outputs, inputs, height, width] = shape as [number, number, number, number];
    if (shape.length !== 4) throw new ShapeError(`dirac: needs the shape [O,I,Kh,Kw] of a convolution, got ${formatShape(shape)}`);
    // A network that is only counted gets a tensor without memory.
    if (!checkedBuild(build).random.isRandom) return others(shape, build);
    const copies = Math.min(outputs, inputs);
    const { dtype = "float32" } = checkedBuild(build);
    const identity = new Float64Array(copies * inputs * height * width);
    const middle = (height >> 1) * width + (width >> 1);
    for (let c = 0; c < copies; c++) identity[(c * inputs + c) * height * width + middle] = 1;
    const copying = tensor(identity, { shape: [copies, inputs, height, width], dtype });
    if (copies === outputs) return copying;
    // All channels are drawn, so that the bounds of the others are those of the whole weight.
    return concat([copying, slice(others(shape, build), [[copies, outputs]])]);
  };

/** Every element is `value`. */
export const constant = (shape: Shape, value: number, build: Build): Tensor =>
  full(shape, value, { dtype: checkedBuild(build).dtype ?? "float32" });
