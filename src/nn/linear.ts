/** The dense linear layer. */

import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { add } from "../ops/elementwise.ts";
import { matmul } from "../ops/matmul.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Build, uniformFanIn } from "./init.ts";
import { Layer } from "./module.ts";
import { Parameter } from "./state.ts";

export interface LinearOptions {
  /** Whether a bias is added to each output. Default: true, as in PyTorch. */
  readonly bias?: boolean;
}

/** The names of `LinearOptions`. */
export const linearOptions: OptionNames = optionNames<LinearOptions>({ bias: true });

/** y = x·Wᵀ + b.   x:[N,I], W:[O,I], b:[O] → y:[N,O].   O·I multiply-adds per sample. */
export class Linear extends Layer {
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;

  constructor(inFeatures: number, outFeatures: number, build: Build, options: LinearOptions = {}) {
    super();
    checkOptions("Linear", options, linearOptions);
    const { bias = true } = options;
    this.weight = new Parameter(uniformFanIn([outFeatures, inFeatures], build));
    this.bias = bias ? new Parameter(uniformFanIn([outFeatures], build, inFeatures)) : undefined;
  }

  forward(x: Tensor): Tensor {
    const y = matmul(x, this.weight.value, { transposeB: true });
    return this.bias === undefined ? y : add(y, this.bias.value);
  }
}
