/**
 * WideResNet (Zagoruyko & Komodakis 2016, arXiv 1605.07146): three groups of residual blocks, `width` times as wide as those of ResNet,
 * with norm and ReLU before each convolution. A factory makes the 3×3 convolutions of the blocks, so the network can be dense, separable or
 * structured.
 */

import { ConfigError } from "../core/errors.ts";
import { checkNumbers } from "../core/numbers.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { BatchNorm2d } from "../nn/batch-norm2d.ts";
import { Block } from "../nn/block.ts";
import { Residual, Sequential } from "../nn/combinators.ts";
import { Conv2d } from "../nn/conv2d.ts";
import type { Description } from "../nn/describe.ts";
import { type Build, normalFanOut } from "../nn/init.ts";
import { Dropout, GlobalAvgPool2d, ReLU } from "../nn/layers.ts";
import { Linear } from "../nn/linear.ts";
import type { Layer } from "../nn/module.ts";
import type { ConvolutionFactory } from "../structured/convolution-factory.ts";
import { Conv } from "../structured/dense.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkSize, mostClasses } from "./check-size.ts";
import { ImageClassifier } from "./image-classifier.ts";

export interface WideResNetOptions {
  /** 6n + 4, for n blocks in each of the three groups. At most 1,204. */
  readonly depth: number;
  /** The groups have 16·width, 32·width and 64·width channels. At most 128. */
  readonly width: number;
  /** Default: 10. */
  readonly classes?: number;
  /** The rate of the dropout between the two convolutions of a block, in [0, 1). Default: 0. */
  readonly dropout?: number;
  /** What makes the 3×3 convolutions of the blocks. Default: `Conv`, the dense ones. */
  readonly convolution?: ConvolutionFactory;
  /** The number of attention maps of each group, one after every n/attentionSplit blocks: the paper's AT_split. Default: 1. */
  readonly attentionSplit?: number;
}

/** The largest depth and width. */
export const wideResNetLimits = { depth: 1204, width: 128 } as const;

/** The names of `WideResNetOptions`. */
export const wideResNetOptions: OptionNames = optionNames<WideResNetOptions>({
  depth: true,
  width: true,
  classes: true,
  dropout: true,
  convolution: true,
  attentionSplit: true,
});

/** Two 3×3 convolutions, each after a norm and a ReLU. Where the number of channels changes, the shortcut is a 1×1 convolution. */
class BasicBlock extends Block {
  readonly bn1: BatchNorm2d;
  readonly conv1: Layer;
  readonly bn2: BatchNorm2d;
  readonly conv2: Layer;
  readonly convShortcut: Conv2d | undefined;
  readonly #dropout: number;

  constructor(inChannels: number, outChannels: number, stride: number, dropout: number, convolution: ConvolutionFactory, build: Build) {
    super();
    this.bn1 = new BatchNorm2d(inChannels, build);
    this.conv1 = convolution({ inChannels, outChannels, kernel: 3, stride }, build);
    this.bn2 = new BatchNorm2d(outChannels, build);
    this.conv2 = convolution({ inChannels: outChannels, outChannels, kernel: 3 }, build);
    this.convShortcut =
      inChannels === outChannels ? undefined : new Conv2d(inChannels, outChannels, 1, build, { stride, init: normalFanOut });
    this.#dropout = dropout;
  }

  override describe(): Description {
    return { kind: "BasicBlock" };
  }

  /** The identity shortcut starts at x. The convolutional shortcut starts at the activation, relu(bn1(x)). */
  body(): Layer {
    const activation = [this.bn1, ReLU()];
    const dropout = this.#dropout === 0 ? [] : [Dropout(this.#dropout)];
    const convolutions = [this.conv1, this.bn2, ReLU(), ...dropout, this.conv2];
    return this.convShortcut === undefined
      ? new Residual(new Sequential(...activation, ...convolutions))
      : new Sequential(...activation, new Residual(new Sequential(...convolutions), this.convShortcut));
  }
}

/** Blocks one after the other. The class exists for the name `layer`, which the state names of the published code contain. */
class NetworkBlock extends Block {
  readonly layer: Sequential;

  constructor(...blocks: readonly BasicBlock[]) {
    super();
    this.layer = new Sequential(...blocks);
  }

  override describe(): Description {
    return { kind: "NetworkBlock" };
  }

  body(): Sequential {
    return this.layer;
  }
}

/** x:[N,3,H,W] → logits:[N,classes]. State names are those of the published PyTorch code (`block1.0.layer.0.conv1.…`). */
export class WideResNet extends ImageClassifier {
  readonly conv1: Conv2d;
  readonly block1: Sequential;
  readonly block2: Sequential;
  readonly block3: Sequential;
  readonly bn1: BatchNorm2d;
  readonly fc: Linear;
  readonly #options: WideResNetOptions;

  /** @throws ConfigError unless depth = 6n + 4 with 1 ≤ n ≤ 200, width is an integer from 1 to 128, and attentionSplit divides n. */
  constructor(options: WideResNetOptions, build: Build) {
    super();
    checkOptions("WideResNet", options, wideResNetOptions);
    const { depth, width, classes = 10, dropout = 0, convolution = Conv, attentionSplit: parts = 1 } = options;
    checkNumbers("WideResNet", { dropout }, { least: 0, below: 1 });
    this.#options = options;
    const count = (depth - 4) / 6;
    if (!Number.isInteger(count) || count < 1 || depth > wideResNetLimits.depth)
      throw new ConfigError(`WideResNet: depth must be 6n + 4 with n ≥ 1 (10, 16, 22, …, ${wideResNetLimits.depth}), got ${depth}`);
    checkSize("WideResNet", "width", width, wideResNetLimits.width);
    checkSize("WideResNet", "classes", classes, mostClasses);
    if (!Number.isInteger(parts) || parts < 1 || count % parts !== 0)
      throw new ConfigError(`WideResNet: attentionSplit must divide the ${count} blocks of a group, got ${parts}`);
    let channels = 16;
    const block = (outChannels: number, stride: number): BasicBlock => {
      const inChannels = channels;
      channels = outChannels;
      return new BasicBlock(inChannels, outChannels, stride, dropout, convolution, build);
    };
    // The first block of a group takes the stride and changes the number of channels.
    const group = (outChannels: number, stride: number): Sequential => {
      const blocks = Array.from({ length: count }, (_, i) => block(outChannels, i === 0 ? stride : 1));
      const size = count / parts;
      return new Sequential(...Array.from({ length: parts }, (_, i) => new NetworkBlock(...blocks.slice(i * size, (i + 1) * size))));
    };
    this.conv1 = new Conv2d(3, channels, 3, build, { padding: 1, init: normalFanOut });
    this.block1 = group(16 * width, 1);
    this.block2 = group(32 * width, 2);
    this.block3 = group(64 * width, 2);
    this.bn1 = new BatchNorm2d(channels, build);
    this.fc = new Linear(channels, classes, build, { role: "classifier" });
    this.fc.bias!.write(new Float64Array(classes));
  }

  override describe(): Description {
    return { kind: "WideResNet" };
  }

  /** What the network was made with. */
  get options(): WideResNetOptions {
    return this.#options;
  }

  /** The same network, newly initialised, with convolutions from another factory. */
  withConvolution(convolution: ConvolutionFactory, build: Build): WideResNet {
    return new WideResNet({ ...this.#options, convolution }, build);
  }

  protected backbone(): Sequential {
    return new Sequential(this.conv1, ...this.block1.layers, ...this.block2.layers, ...this.block3.layers);
  }

  protected head(): Sequential {
    return new Sequential(this.bn1, ReLU(), GlobalAvgPool2d(), this.fc);
  }

  /** Every output but that of the first convolution. */
  protected attended([, ...blocks]: readonly Tensor[]): readonly Tensor[] {
    return blocks;
  }
}
