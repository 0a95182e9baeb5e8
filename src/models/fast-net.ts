/**
 * A network that learns CIFAR-10 in few passes over the images: that of cifar10-airbench (Jordan 2024, arXiv 2404.00498, §3.1; after Page
 * 2018, "How to train your ResNet"). A factory makes its 3×3 convolutions, so the network can be dense, separable or structured.
 */

import { ConfigError } from "../core/errors.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import type { Shape } from "../core/shape.ts";
import { BatchNorm2d } from "../nn/batch-norm2d.ts";
import { Block } from "../nn/block.ts";
import { Sequential } from "../nn/combinators.ts";
import { Conv2d } from "../nn/conv2d.ts";
import type { Description } from "../nn/describe.ts";
import { type Build, dirac } from "../nn/init.ts";
import { GELU, GlobalMaxPool2d, Lambda, MaxPool2d } from "../nn/layers.ts";
import { Linear } from "../nn/linear.ts";
import type { Layer } from "../nn/module.ts";
import { multiply } from "../ops/elementwise.ts";
import type { ConvolutionFactory } from "../structured/convolution-factory.ts";
import { Conv } from "../structured/dense.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkSize, mostClasses } from "./check-size.ts";
import { ImageClassifier } from "./image-classifier.ts";
import { type WhitenedNetwork, whiteningFilters } from "./whitening.ts";

export interface FastNetOptions {
  /** The channels of the three groups, from 1 to 2048 each. Default: [64, 256, 256], those of airbench94. Airbench93 has [64, 128, 128]. */
  readonly widths?: readonly number[];
  /** Default: 10. */
  readonly classes?: number;
  /** What makes the 3×3 convolutions of the groups. Default: `Conv`, the dense ones. */
  readonly convolution?: ConvolutionFactory;
}

/** The names of `FastNetOptions`. */
export const fastNetOptions: OptionNames = optionNames<FastNetOptions>({ widths: true, classes: true, convolution: true });

/** The widths of airbench94, and the largest width. */
export const fastNetLimits = { widths: [64, 256, 256], width: 2048 } as const;

/** The side of a whitened patch in pixels. */
const patch = 2;
/** The filters of 2×2 patches of three channels, with both signs. */
const filters = 2 * 3 * patch * patch;
/** The logits are divided by it, so that they begin small. */
const logitDivisor = 9;

/** The norms of the network: without a scale, and with statistics that follow the last batches. */
const norm = (channels: number, build: Build): BatchNorm2d =>
  new BatchNorm2d(channels, build, { epsilon: 1e-12, momentum: 0.4, trainScale: false });

/** y = x/9, which keeps the logits of the untrained network small. */
const ScaledLogits = (): Layer => new Lambda((x) => multiply(x, 1 / logitDivisor), { kind: "ScaledLogits" });

/** Conv, max-pool, norm, GELU, conv, norm, GELU.   x:[N,I,H,W] → y:[N,O,⌊H/2⌋,⌊W/2⌋]. */
class Group extends Block {
  readonly conv1: Layer;
  readonly norm1: BatchNorm2d;
  readonly conv2: Layer;
  readonly norm2: BatchNorm2d;

  constructor(inChannels: number, outChannels: number, convolution: ConvolutionFactory, build: Build) {
    super();
    const site = { outChannels, kernel: 3, denseState: "weight", denseInit: dirac() } as const;
    this.conv1 = convolution({ inChannels, ...site }, build);
    this.norm1 = norm(outChannels, build);
    this.conv2 = convolution({ inChannels: outChannels, ...site }, build);
    this.norm2 = norm(outChannels, build);
  }

  override describe(): Description {
    return { kind: "Group" };
  }

  body(): Sequential {
    return new Sequential(this.conv1, MaxPool2d({ kernel: 2 }), this.norm1, GELU(), this.conv2, this.norm2, GELU());
  }
}

/**
 * x:[N,3,H,W] → logits:[N,classes], for images of at least 17×17 pixels. The first layer has 24 filters of 2×2 pixels, which are frozen:
 * `whiten` sets them from training images. Before, they are random.
 */
export class FastNet extends ImageClassifier implements WhitenedNetwork {
  readonly whitening: Conv2d;
  readonly group1: Group;
  readonly group2: Group;
  readonly group3: Group;
  readonly fc: Linear;
  readonly #options: FastNetOptions;

  /** @throws ConfigError unless there are three widths, integers from 1 to 2048. */
  constructor(options: FastNetOptions, build: Build) {
    super();
    checkOptions("FastNet", options, fastNetOptions);
    const { widths = fastNetLimits.widths, classes = 10, convolution = Conv } = options;
    this.#options = options;
    if (!Array.isArray(widths) || widths.length !== 3) throw new ConfigError(`FastNet: widths must be three integers, got ${widths}`);
    for (const [i, width] of widths.entries()) checkSize("FastNet", `widths[${i}]`, width, fastNetLimits.width);
    checkSize("FastNet", "classes", classes, mostClasses);
    const [first, second, third] = widths as [number, number, number];
    this.whitening = new Conv2d(3, filters, patch, build, { bias: true });
    this.whitening.weight.trainable = false;
    this.group1 = new Group(filters, first, convolution, build);
    this.group2 = new Group(first, second, convolution, build);
    this.group3 = new Group(second, third, convolution, build);
    this.fc = new Linear(third, classes, build, { bias: false, role: "classifier" });
  }

  override describe(): Description {
    return { kind: "FastNet" };
  }

  /** What the network was made with. */
  get options(): FastNetOptions {
    return this.#options;
  }

  /** The same network, newly initialised, with convolutions from another factory. */
  withConvolution(convolution: ConvolutionFactory, build: Build): FastNet {
    return new FastNet({ ...this.#options, convolution }, build);
  }

  whiten(images: ArrayLike<number>, shape: Shape): void {
    this.whitening.weight.write(whiteningFilters(images, shape, { kernel: patch }));
    this.whitening.bias!.write(new Float64Array(filters));
  }

  protected backbone(): Sequential {
    return new Sequential(new Sequential(this.whitening, GELU()), this.group1, this.group2, this.group3);
  }

  /** For images of 32×32 pixels the last feature map has 3×3 pixels, so this is the max-pooling over 3×3 pixels of the published network. */
  protected head(): Sequential {
    return new Sequential(GlobalMaxPool2d(), this.fc, ScaledLogits());
  }

  /** The output of each group. */
  protected attended([, ...groups]: readonly Tensor[]): readonly Tensor[] {
    return groups;
  }
}
