/** A second classifier in the middle of a deep network, so that its lower half hears of the labels sooner (Szegedy et al. 2015, arXiv 1409.4842). */

import type { Context } from "../core/context.ts";
import { BatchNorm2d } from "../nn/batch-norm2d.ts";
import { Conv2d } from "../nn/conv2d.ts";
import { type Build, normalFanOut } from "../nn/init.ts";
import { Linear } from "../nn/linear.ts";
import { Layer } from "../nn/module.ts";
import { relu } from "../ops/elementwise.ts";
import { avgPool2d, globalAvgPool2d } from "../ops/pooling.ts";
import type { Tensor } from "../tensor/tensor.ts";

/**
 * DARTS's head for 8×8 maps: relu, 5×5 means three pixels apart, 1×1 to 128, norm, relu, 2×2 to 768, norm, relu, linear.   x:[N,C,8,8] → logits:[N,classes].
 * The numbers in `features` are those of the published code, where pooling and relu stand between.
 */
export class AuxiliaryHead extends Layer {
  readonly features: readonly [undefined, undefined, Conv2d, BatchNorm2d, undefined, Conv2d, BatchNorm2d];
  readonly classifier: Linear;

  constructor(channels: number, classes: number, build: Build) {
    super();
    const [narrow, wide] = [128, 768];
    this.features = [
      undefined,
      undefined,
      new Conv2d(channels, narrow, 1, build, { init: normalFanOut }),
      new BatchNorm2d(narrow, build),
      undefined,
      new Conv2d(narrow, wide, 2, build, { init: normalFanOut }),
      new BatchNorm2d(wide, build),
    ];
    this.classifier = new Linear(wide, classes, build);
  }

  /** @throws ShapeError for maps smaller than 8×8, of which pooling would leave less than the 2×2 window needs. */
  forward(x: Tensor, context: Context): Tensor {
    const [, , first, norm1, , second, norm2] = this.features;
    const pooled = avgPool2d(relu(x), { kernel: 5, stride: 3 });
    const narrow = relu(norm1.forward(first.forward(pooled), context));
    const wide = relu(norm2.forward(second.forward(narrow), context));
    // On 8×8 maps one pixel is left, and the mean is it.
    return this.classifier.forward(globalAvgPool2d(wide));
  }
}
