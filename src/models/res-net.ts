/**
 * ResNet with bottlenecks (He et al. 2016, arXiv 1512.03385). Its default is WRN-50-2, whose bottlenecks are twice as wide (Zagoruyko &
 * Komodakis 2016, arXiv 1605.07146), for images of 224×224. A factory makes every convolution of a bottleneck. State names are those of
 * torchvision for dense convolutions, and those of the paper's code for structured ones.
 */

import { ConfigError } from "../core/errors.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { BatchNorm2d } from "../nn/batch-norm2d.ts";
import { Block } from "../nn/block.ts";
import { Residual, Sequential } from "../nn/combinators.ts";
import { Conv2d } from "../nn/conv2d.ts";
import type { Description } from "../nn/describe.ts";
import { type Build, normalFanOut } from "../nn/init.ts";
import { Flatten, Lambda, MaxPool2d, ReLU } from "../nn/layers.ts";
import { Linear } from "../nn/linear.ts";
import type { Layer } from "../nn/module.ts";
import { avgPool2d } from "../ops/pooling.ts";
import type { ConvolutionFactory, ConvolutionSite } from "../structured/convolution-factory.ts";
import { Conv } from "../structured/dense.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkSize, mostClasses } from "./check-size.ts";
import { ImageClassifier } from "./image-classifier.ts";
import { areDense } from "./state-names.ts";

export interface ResNetOptions {
  /** The number of bottlenecks in each of the four groups. Default: [3, 4, 6, 3], which makes 50 layers. */
  readonly blocks?: readonly [number, number, number, number];
  /** The factor by which the bottlenecks are wider inside than those of ResNet. Default: 2, which makes WRN-50-2. */
  readonly width?: number;
  /** Default: 1000. */
  readonly classes?: number;
  /** What makes the convolutions of the bottlenecks. Default: `Conv`, the dense ones. */
  readonly convolution?: ConvolutionFactory;
  /**
   * Whether the last norm of each bottleneck begins with the scale 0, so that the network begins as its shortcuts (Goyal et al. 2017, arXiv
   * 1706.02677, §5.1). Default: false.
   */
  readonly zeroScale?: boolean;
}

/** The names of `ResNetOptions`. */
export const resNetOptions: OptionNames = optionNames<ResNetOptions>({
  blocks: true,
  width: true,
  classes: true,
  convolution: true,
  zeroScale: true,
});

/** The most bottlenecks in a group, and the largest factor of their width. */
const [mostBlocks, mostWidth] = [200, 64];

/** The number of output channels of a bottleneck, divided by its number of planes. */
const expansion = 4;

/** A convolution and its norm, under the names that the paper's code has for them in a shortcut. */
class Downsample extends Block {
  readonly conv: Layer;
  readonly bn: BatchNorm2d;

  constructor(conv: Layer, bn: BatchNorm2d) {
    super();
    this.conv = conv;
    this.bn = bn;
  }

  override describe(): Description {
    return { kind: "Downsample" };
  }

  body(): Sequential {
    return new Sequential(this.conv, this.bn);
  }
}

/** The shortcut's convolution and norm: numbered as in torchvision, or named as in the paper's code. */
const downsampleOf = (conv: Layer, bn: BatchNorm2d): Layer => (areDense(conv) ? new Sequential(conv, bn) : new Downsample(conv, bn));

/**
 * Convolutions of 1×1, 3×3 and 1×1. The outer ones change the number of channels. Where shapes differ, the shortcut is a 1×1 convolution.
 */
class Bottleneck extends Block {
  readonly conv1: Layer;
  readonly bn1: BatchNorm2d;
  readonly conv2: Layer;
  readonly bn2: BatchNorm2d;
  readonly conv3: Layer;
  readonly bn3: BatchNorm2d;
  readonly downsample: Layer | undefined;

  constructor(
    inChannels: number,
    planes: number,
    width: number,
    stride: number,
    convolution: ConvolutionFactory,
    zeroScale: boolean,
    build: Build,
  ) {
    super();
    const [inner, outChannels] = [planes * width, planes * expansion];
    const make = (site: ConvolutionSite): Layer => convolution({ ...site, denseState: "weight" }, build);
    this.conv1 = make({ inChannels, outChannels: inner, kernel: 1 });
    this.bn1 = new BatchNorm2d(inner, build);
    this.conv2 = make({ inChannels: inner, outChannels: inner, kernel: 3, stride });
    this.bn2 = new BatchNorm2d(inner, build);
    this.conv3 = make({ inChannels: inner, outChannels, kernel: 1 });
    this.bn3 = new BatchNorm2d(outChannels, build, { initialScale: zeroScale ? 0 : 1 });
    this.downsample =
      stride === 1 && inChannels === outChannels
        ? undefined
        : downsampleOf(make({ inChannels, outChannels, kernel: 1, stride }), new BatchNorm2d(outChannels, build));
  }

  override describe(): Description {
    return { kind: "Bottleneck" };
  }

  body(): Sequential {
    const { conv1, bn1, conv2, bn2, conv3, bn3, downsample } = this;
    return new Sequential(new Residual(new Sequential(conv1, bn1, ReLU(), conv2, bn2, ReLU(), conv3, bn3), downsample), ReLU());
  }
}

/** The mean of each channel as a pooling over the whole image, because the paper's code counts it as one.   x:[N,C,H,W] → y:[N,C,1,1]. */
const ImageAvgPool2d = (): Layer => new Lambda((x) => avgPool2d(x, { kernel: [x.shape[2]!, x.shape[3]!] }), { kind: "ImageAvgPool2d" });

/** x:[N,3,H,W] → logits:[N,classes]. */
export class ResNet extends ImageClassifier {
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly layer1: Sequential;
  readonly layer2: Sequential;
  readonly layer3: Sequential;
  readonly layer4: Sequential;
  readonly fc: Linear;
  readonly #options: ResNetOptions;

  /** @throws ConfigError unless each group has from 1 to 200 blocks, and width is a number above 0 and up to 64. */
  constructor(options: ResNetOptions, build: Build) {
    super();
    checkOptions("ResNet", options, resNetOptions);
    this.#options = options;
    const { blocks = [3, 4, 6, 3], width = 2, classes = 1000, convolution = Conv, zeroScale = false } = options;
    for (const [group, count] of blocks.entries()) checkSize("ResNet", `blocks[${group}]`, count, mostBlocks);
    if (!(width > 0 && width <= mostWidth))
      throw new ConfigError(`ResNet: width must be a number above 0 and up to ${mostWidth}, got ${width}`);
    checkSize("ResNet", "classes", classes, mostClasses);
    this.conv1 = new Conv2d(3, 64, 7, build, { stride: 2, padding: 3, init: normalFanOut });
    this.bn1 = new BatchNorm2d(64, build);
    let channels = 64;
    const group = (count: number, planes: number, stride: number): Sequential => {
      const layers = Array.from({ length: count }, (_, i) => {
        const block = new Bottleneck(channels, planes, width, i === 0 ? stride : 1, convolution, zeroScale, build);
        channels = planes * expansion;
        return block;
      });
      return new Sequential(...layers);
    };
    this.layer1 = group(blocks[0], 64, 1);
    this.layer2 = group(blocks[1], 128, 2);
    this.layer3 = group(blocks[2], 256, 2);
    this.layer4 = group(blocks[3], 512, 2);
    this.fc = new Linear(channels, classes, build, { role: "classifier" });
  }

  override describe(): Description {
    return { kind: "ResNet" };
  }

  /** What the network was made with. */
  get options(): ResNetOptions {
    return this.#options;
  }

  /** The same network, newly initialised, with convolutions from another factory. */
  withConvolution(convolution: ConvolutionFactory, build: Build): ResNet {
    return new ResNet({ ...this.#options, convolution }, build);
  }

  /** Earlier versions numbered every shortcut, and had `conv.` in the names of dense convolutions. */
  override formerName(name: string): string {
    return name
      .replace(".downsample.conv.", ".downsample.0.")
      .replace(".downsample.bn.", ".downsample.1.")
      .replace(/(?<=\.(conv\d|downsample\.0)\.)(?=(weight|bias)$)/, "conv.");
  }

  protected backbone(): Sequential {
    const stem = new Sequential(this.conv1, this.bn1, ReLU(), MaxPool2d({ kernel: 3, stride: 2, padding: 1 }));
    return new Sequential(stem, this.layer1, this.layer2, this.layer3, this.layer4);
  }

  protected head(): Sequential {
    return new Sequential(ImageAvgPool2d(), Flatten(), this.fc);
  }

  /** The output of each group. */
  protected attended([, ...groups]: readonly Tensor[]): readonly Tensor[] {
    return groups;
  }
}
