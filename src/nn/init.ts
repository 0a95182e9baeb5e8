/** How parameters begin. Each takes its random stream, so a seed decides a network. */

import type { Random } from "../core/random.ts";
import { type Shape, sizeOf } from "../core/shape.ts";
import { full, normal, uniform } from "../ops/creation.ts";
import type { DType } from "../tensor/storage.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Where a new layer's numbers come from, and in which precision it computes. */
export interface Build {
  readonly random: Random;
  readonly dtype?: DType;
}

/** Inputs that meet in one output: the product of every size but the first. */
export const fanIn = (shape: Shape): number => sizeOf(shape.slice(1));
/** Outputs one input reaches: the first size times the window. */
export const fanOut = (shape: Shape): number => (shape[0] ?? 1) * sizeOf(shape.slice(2));

/** U(−1/√fanIn, 1/√fanIn): PyTorch's default for Linear and Conv2d weights, and for their biases with the weight's fan. */
export const uniformFanIn = (shape: Shape, { random, dtype = "float32" }: Build, fan = fanIn(shape)): Tensor => {
  const bound = 1 / Math.sqrt(Math.max(1, fan));
  return uniform(shape, random, { low: -bound, high: bound, dtype });
};

/** N(0, 2/fanOut): He et al. 2015 (1502.01852, eq. 14), what WideResNets use for every convolution. */
export const normalFanOut = (shape: Shape, { random, dtype = "float32" }: Build): Tensor =>
  normal(shape, random, { std: Math.sqrt(2 / Math.max(1, fanOut(shape))), dtype });

export const constant = (shape: Shape, value: number, { dtype = "float32" }: Build): Tensor => full(shape, value, { dtype });
