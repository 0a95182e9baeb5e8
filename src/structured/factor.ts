/** Factors of structured maps, and their initialisation. The weight decay of factors is scaled by the compression ratio. */

import { ConfigError } from "../core/errors.ts";
import type { Shape } from "../core/shape.ts";
import { type Matrix, matrix } from "../linalg/matrix.ts";
import { type Build, fanIn, normalFanOut, uniformFanIn } from "../nn/init.ts";
import { Module } from "../nn/module.ts";
import { type Decay, Parameter } from "../nn/state.ts";
import { normal, zeros } from "../ops/creation.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Initialisation } from "./structured-linear.ts";

/** σ = √(1/in)·min(1, √(out/in)), the deviation of the initial numbers of a factor. */
export const deviation = (inputs: number, outputs: number): number => Math.sqrt(1 / inputs) * Math.min(1, Math.sqrt(outputs / inputs));

/**
 * N(0, σ²) with σ = √(1/in)·min(1, √(out/in)). It keeps the sizes of activations and of their gradients (the spectral condition, arXiv
 * 2310.17813).
 */
export const variancePreserving = (shape: Shape, inputs: number, outputs: number, { random, dtype = "float32" }: Build): Tensor =>
  normal(shape, random, { std: deviation(inputs, outputs), dtype });

/** A factor of a structured map. @param axes The matrices of the factor, as in `MatrixView`. Default: one matrix. */
export function factor(value: Tensor, axes?: string): Parameter {
  const parameter = new Parameter(value, "compressed");
  parameter.matrices = axes === undefined ? undefined : { shape: value.shape, axes };
  return parameter;
}

/** A factor of zeros, to be filled by `fromDense`. */
export const emptyFactor = (shape: Shape, { dtype = "float32" }: Build): Parameter => factor(zeros(shape, { dtype }));

/**
 * A bias of one value per output, initialised as in PyTorch for `inputs` inputs per output. `decay` is `full` by default, because a bias is
 * no factor.
 */
export const biasParameter = (outputs: number, inputs: number, build: Build, decay: Decay = "full"): Parameter =>
  new Parameter(uniformFanIn([outputs], build, inputs), decay);

/**
 * The parameters w:[out,in/groups,1,1] and b:[out] of a 1×1 convolution, with PyTorch's names. The bias decays as w does, as in the paper's
 * code.
 */
export class PointwiseFactor extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;

  constructor(outputs: number, inputs: number, build: Build, init: Initialisation = "reference", bias = false) {
    super();
    const shape = [outputs, inputs, 1, 1];
    // In the paper's networks every weight of a convolution is drawn from N(0, 2/(k²·out)).
    this.weight = factor(init === "variance-preserving" ? variancePreserving(shape, inputs, outputs, build) : normalFanOut(shape, build));
    this.bias = bias ? biasParameter(outputs, fanIn(shape), build, "compressed") : undefined;
  }
}

/** A dense initial weight from U(±1/√in), which the paper's code decomposes. */
export function uniformMatrix(outputs: number, inputs: number, { random }: Build): Matrix {
  const bound = 1 / Math.sqrt(inputs);
  return matrix(
    outputs,
    inputs,
    Float64Array.from({ length: outputs * inputs }, () => bound * (2 * random.uniform() - 1)),
  );
}

/** A dense initial weight from N(0, 2/out), as of a WideResNet's 1×1 convolution. Spectral initialisation decomposes it. */
export function normalMatrix(outputs: number, inputs: number, { random }: Build): Matrix {
  const deviation = Math.sqrt(2 / outputs);
  return matrix(
    outputs,
    inputs,
    Float64Array.from({ length: outputs * inputs }, () => deviation * random.normal()),
  );
}

/** Refuses spectral initialisation for a family whose nearest map is found by a long descent, or not at all. @throws ConfigError */
export function refuseSpectral(name: string, init: Initialisation): void {
  if (init === "spectral")
    throw new ConfigError(
      `${name}: init must not be spectral, as this family has no quick best approximation; use reference or variance-preserving`,
    );
}
