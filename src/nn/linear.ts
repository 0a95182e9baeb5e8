/** The dense linear layer. */

import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { add } from "../ops/elementwise.ts";
import { matmul } from "../ops/matmul.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Description } from "./describe.ts";
import { type Build, uniformFanIn } from "./init.ts";
import { Layer } from "./module.ts";
import { Parameter, type Role } from "./state.ts";

export interface LinearOptions {
  /** Whether a bias is added to each output. Default: true, as in PyTorch. */
  readonly bias?: boolean;
  /** What the layer is for. Default: `weight`. */
  readonly role?: Role;
}

/** The names of `LinearOptions`. */
export const linearOptions: OptionNames = optionNames<LinearOptions>({ bias: true, role: true });

/** y = x·Wᵀ + b.   x:[N,I], W:[O,I], b:[O] → y:[N,O].   O·I multiply-adds per sample. */
export class Linear extends Layer {
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;

  constructor(inFeatures: number, outFeatures: number, build: Build, options: LinearOptions = {}) {
    super();
    checkOptions("Linear", options, linearOptions);
    const { bias = true, role = "weight" } = options;
    this.weight = new Parameter(uniformFanIn([outFeatures, inFeatures], build), "full", role);
    this.bias = bias ? new Parameter(uniformFanIn([outFeatures], build, inFeatures), "full", role) : undefined;
  }

  override describe(): Description {
    const [outputs, inputs] = this.weight.shape as [number, number];
    return { kind: "Linear", sizes: [inputs, outputs], options: { bias: this.bias ? undefined : false }, whole: true };
  }

  forward(x: Tensor): Tensor {
    const y = matmul(x, this.weight.value, { transposeB: true });
    return this.bias === undefined ? y : add(y, this.bias.value);
  }
}
