/** The map of `Sep`: a dense matrix of O·I parameters. Every other family is compared with it. */

import { checkOptions } from "../core/options.ts";
import { checkShape } from "../core/shape.ts";
import type { Matrix } from "../linalg/matrix.ts";
import type { Build } from "../nn/init.ts";
import { normalFanOut } from "../nn/init.ts";
import { Module } from "../nn/module.ts";
import { Parameter } from "../nn/state.ts";
import { reshape } from "../ops/reshape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { biasParameter } from "./factor.ts";
import { defineFamily, familyOptions } from "./family.ts";
import { StructuredLinear, type StructuredOptions } from "./structured-linear.ts";

/** w:[O,I,1,1]. It has no structure, so it keeps the full weight decay. */
class Pointwise extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;

  constructor(outputs: number, inputs: number, build: Build, bias: boolean) {
    super();
    this.weight = new Parameter(normalFanOut([outputs, inputs, 1, 1], build));
    this.bias = bias ? biasParameter(outputs, inputs, build) : undefined;
  }
}

/** y = W·x.   in·out multiply-adds per column. */
export class DenseLinear extends StructuredLinear {
  readonly name = "DenseLinear";
  readonly pointwise: Pointwise;

  constructor(inFeatures: number, outFeatures: number, build: Build, options: StructuredOptions = {}) {
    super(inFeatures, outFeatures);
    checkOptions("DenseLinear", options, familyOptions);
    const { bias = false } = options;
    checkShape("DenseLinear", [outFeatures, inFeatures]);
    this.pointwise = new Pointwise(outFeatures, inFeatures, build, bias);
  }

  override get bias(): Parameter | undefined {
    return this.pointwise.bias;
  }

  toDense(): Tensor {
    return reshape(this.pointwise.weight.value, [this.outFeatures, this.inFeatures]);
  }

  denseCost(): number {
    return 0;
  }

  override fromDense({ data }: Matrix): void {
    this.pointwise.weight.write(data);
  }
}

export const sepFamily = defineFamily({
  kind: "Sep",
  title: "Dense separable",
  alias: "depthwise-separable",
  parameters: [],
  examples: { inspect: { kind: "Sep" } },
  linear: (_, inFeatures, outFeatures, build, options) => new DenseLinear(inFeatures, outFeatures, build, options),
});
