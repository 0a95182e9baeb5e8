/** Factors of structured maps: parameters whose weight decay is scaled by the compression ratio, and how they begin. */

import { ConfigError } from "../core/errors.ts";
import type { Shape } from "../core/shape.ts";
import { type Matrix, matrix } from "../linalg/matrix.ts";
import { type Build, fanIn, normalFanOut, uniformFanIn } from "../nn/init.ts";
import { Module } from "../nn/module.ts";
import { type Decay, Parameter } from "../nn/state.ts";
import { normal, zeros } from "../ops/creation.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Initialisation } from "./structured-linear.ts";

/** N(0, σ²) with σ = √(1/in)·min(1, √(out/in)): keeps the size of activations and of their gradients (spectral condition, 2310.17813). */
export const variancePreserving = (shape: Shape, inputs: number, outputs: number, { random, dtype = "float32" }: Build): Tensor =>
  normal(shape, random, { std: Math.sqrt(1 / inputs) * Math.min(1, Math.sqrt(outputs / inputs)), dtype });

/** A factor of a structured map. */
export const factor = (value: Tensor): Parameter => new Parameter(value, "compressed");

/** A factor that `fromDense` will fill: zeros until then. */
export const emptyFactor = (shape: Shape, { dtype = "float32" }: Build): Parameter => factor(zeros(shape, { dtype }));

/** The bias of a convolution of `inputs` inputs a value, as PyTorch begins it; no factor, so its decay is an ordinary weight's unless told. */
export const biasParameter = (outputs: number, inputs: number, build: Build, decay: Decay = "full"): Parameter =>
  new Parameter(uniformFanIn([outputs], build, inputs), decay);

/** w:[out,in/groups,1,1] (and b:[out]): a 1×1 convolution's parameters under PyTorch's names. Its bias decays with it, as in the paper's code. */
export class PointwiseFactor extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;

  constructor(outputs: number, inputs: number, build: Build, init: Initialisation = "reference", bias = false) {
    super();
    const shape = [outputs, inputs, 1, 1];
    // Every convolution of the paper's networks that has a weight begins N(0, 2/(k²·out)).
    this.weight = factor(init === "variance-preserving" ? variancePreserving(shape, inputs, outputs, build) : normalFanOut(shape, build));
    this.bias = bias ? biasParameter(outputs, fanIn(shape), build, "compressed") : undefined;
  }
}

/** A dense weight as a network would begin with: U(±1/√in), what the paper's code decomposes. */
export function uniformMatrix(outputs: number, inputs: number, { random }: Build): Matrix {
  const bound = 1 / Math.sqrt(inputs);
  return matrix(
    outputs,
    inputs,
    Float64Array.from({ length: outputs * inputs }, () => bound * (2 * random.uniform() - 1)),
  );
}

/** A dense weight N(0, 2/out), what a WideResNet's 1×1 convolution begins with: the start of spectral initialisation. */
export function normalMatrix(outputs: number, inputs: number, { random }: Build): Matrix {
  const deviation = Math.sqrt(2 / outputs);
  return matrix(
    outputs,
    inputs,
    Float64Array.from({ length: outputs * inputs }, () => deviation * random.normal()),
  );
}

/** @throws ConfigError for a layer that has no nearest approximation to start from. */
export function refuseSpectral(name: string, init: Initialisation): void {
  if (init === "spectral")
    throw new ConfigError(`${name}: spectral initialisation needs a best approximation, which this family has not; use another init`);
}
