/**
 * A second classifier in the middle of a deep network. It gives the lower half of the network a gradient of its own (Szegedy et al. 2015,
 * arXiv 1409.4842).
 */

import { BatchNorm2d } from "../nn/batch-norm2d.ts";
import { Block } from "../nn/block.ts";
import { Sequential } from "../nn/combinators.ts";
import { Conv2d } from "../nn/conv2d.ts";
import type { Description } from "../nn/describe.ts";
import { type Build, normalFanOut } from "../nn/init.ts";
import { AvgPool2d, GlobalAvgPool2d, ReLU } from "../nn/layers.ts";
import { Linear } from "../nn/linear.ts";

/** The head of DARTS for feature maps of 8×8; the state names are those of the published code.   x:[N,C,8,8] → logits:[N,classes]. */
export class AuxiliaryHead extends Block {
  readonly features: Sequential;
  readonly classifier: Linear;

  constructor(channels: number, classes: number, build: Build) {
    super();
    const [narrow, wide] = [128, 768];
    this.features = new Sequential(
      ReLU(),
      AvgPool2d({ kernel: 5, stride: 3 }),
      new Conv2d(channels, narrow, 1, build, { init: normalFanOut }),
      new BatchNorm2d(narrow, build),
      ReLU(),
      new Conv2d(narrow, wide, 2, build, { init: normalFanOut }),
      new BatchNorm2d(wide, build),
      ReLU(),
    );
    this.classifier = new Linear(wide, classes, build, { role: "classifier" });
  }

  override describe(): Description {
    return { kind: "AuxiliaryHead" };
  }

  /** `features` reduces 8×8 pixels to one, so the mean over the pixels changes nothing. The forward pass refuses smaller maps. */
  body(): Sequential {
    return new Sequential(this.features, GlobalAvgPool2d(), this.classifier);
  }
}
