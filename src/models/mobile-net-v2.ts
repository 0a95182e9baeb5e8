/**
 * MobileNetV2 (Sandler et al. 2018, arXiv 1801.04381): a chain of inverted residuals, which have many channels inside and few at their
 * ends. A factory makes every 1×1 convolution, that of the classifier included (paper, §4.3). State names are those of torchvision.
 */

import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { BatchNorm2d } from "../nn/batch-norm2d.ts";
import { Block } from "../nn/block.ts";
import { Residual, Sequential } from "../nn/combinators.ts";
import { Conv2d } from "../nn/conv2d.ts";
import { type Build, normalFanOut } from "../nn/init.ts";
import { Dropout, Flatten, GlobalAvgPool2d, Lambda, ReLU6 } from "../nn/layers.ts";
import type { Layer } from "../nn/module.ts";
import { reshape } from "../ops/reshape.ts";
import type { ConvolutionFactory } from "../structured/convolution-factory.ts";
import { Conv } from "../structured/dense.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { ImageClassifier } from "./image-classifier.ts";

export interface MobileNetV2Options {
  /** Default: 1000. */
  readonly classes?: number;
  /** The rate of the dropout in front of the classifier, in [0, 1). Default: 0.2. */
  readonly dropout?: number;
  /** What makes the 1×1 convolutions. Default: `Conv`, the dense ones. */
  readonly convolution?: ConvolutionFactory;
}

/** The names of `MobileNetV2Options`. */
export const mobileNetV2Options: OptionNames = optionNames<MobileNetV2Options>({ classes: true, dropout: true, convolution: true });

/** Expansion, output channels, number of blocks, and stride of the first block (Sandler et al., table 2). */
const stages = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
] as const;

const convolutionNormReLU6 = (convolution: Layer, channels: number, build: Build): Sequential =>
  new Sequential(convolution, new BatchNorm2d(channels, build), ReLU6());

const depthwise = (channels: number, stride: number, build: Build): Conv2d =>
  new Conv2d(channels, channels, 3, build, { stride, padding: 1, groups: channels, init: normalFanOut });

/** Convolutions of 1×1 to `expansion` times the channels, depthwise 3×3, and 1×1 with no ReLU after it. x is added where shapes agree. */
class InvertedResidual extends Block {
  readonly conv: Sequential;
  readonly #residual: boolean;

  constructor(inChannels: number, outChannels: number, stride: number, expansion: number, convolution: ConvolutionFactory, build: Build) {
    super();
    const wide = inChannels * expansion;
    const widen =
      expansion === 1 ? [] : [convolutionNormReLU6(convolution({ inChannels, outChannels: wide, kernel: 1 }, build), wide, build)];
    this.conv = new Sequential(
      ...widen,
      convolutionNormReLU6(depthwise(wide, stride, build), wide, build),
      convolution({ inChannels: wide, outChannels, kernel: 1 }, build),
      new BatchNorm2d(outChannels, build),
    );
    this.#residual = stride === 1 && inChannels === outChannels;
  }

  body(): Layer {
    return this.#residual ? new Residual(this.conv) : this.conv;
  }
}

/** x:[N,C] → y:[N,C,1,1]: vectors as images of one pixel, so that a 1×1 convolution can classify them. */
const OnePixel = (): Layer => new Lambda((x) => reshape(x, [...x.shape, 1, 1]));

/** x:[N,3,H,W] → logits:[N,classes]. */
export class MobileNetV2 extends ImageClassifier {
  readonly features: Sequential;
  /** The linear layer is a 1×1 convolution here, so that it can be structured. */
  readonly classifier: Sequential;
  readonly #options: MobileNetV2Options;

  constructor(options: MobileNetV2Options, build: Build) {
    super();
    checkOptions("MobileNetV2", options, mobileNetV2Options);
    this.#options = options;
    const { classes = 1000, dropout = 0.2, convolution = Conv } = options;
    let channels = 32;
    const first = new Conv2d(3, channels, 3, build, { stride: 2, padding: 1, init: normalFanOut });
    const stem = convolutionNormReLU6(first, channels, build);
    const blocks = stages.flatMap(([expansion, outChannels, count, stride]) =>
      Array.from({ length: count }, (_, i) => {
        const block = new InvertedResidual(channels, outChannels, i === 0 ? stride : 1, expansion, convolution, build);
        channels = outChannels;
        return block;
      }),
    );
    const last = convolutionNormReLU6(convolution({ inChannels: channels, outChannels: 1280, kernel: 1 }, build), 1280, build);
    this.features = new Sequential(stem, ...blocks, last);
    this.classifier = new Sequential(
      Dropout(dropout),
      convolution({ inChannels: 1280, outChannels: classes, kernel: 1, bias: true }, build),
    );
  }

  /** The same network, newly initialised, with convolutions from another factory. */
  withConvolution(convolution: ConvolutionFactory, build: Build): MobileNetV2 {
    return new MobileNetV2({ ...this.#options, convolution }, build);
  }

  protected backbone(): Sequential {
    return this.features;
  }

  protected head(): Sequential {
    return new Sequential(GlobalAvgPool2d(), OnePixel(), this.classifier, Flatten());
  }

  /** The output of the last inverted residual at each size. */
  protected attended(outputs: readonly Tensor[]): readonly Tensor[] {
    const blocks = outputs.slice(1, -1);
    return blocks.filter((y, i) => y.shape[2] !== blocks[i + 1]?.shape[2]);
  }
}
