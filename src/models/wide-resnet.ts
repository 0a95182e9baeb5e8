/**
 * WideResNet (Zagoruyko & Komodakis 2016, arXiv 1605.07146): pre-activation residual blocks in three groups, `width` times as wide as
 * ResNet's. It asks a factory for each of its 3×3 convolutions, so the same network is dense, separable or structured.
 */

import type { Context } from "../core/context.ts";
import { ConfigError } from "../core/errors.ts";
import { BatchNorm2d } from "../nn/batch-norm2d.ts";
import { Conv2d } from "../nn/conv2d.ts";
import { type Build, normalFanOut } from "../nn/init.ts";
import { Composed, followedBy, Sequential } from "../nn/layers.ts";
import { Linear } from "../nn/linear.ts";
import { Layer, Module } from "../nn/module.ts";
import { dropout } from "../ops/dropout.ts";
import { add, relu } from "../ops/elementwise.ts";
import { globalAvgPool2d } from "../ops/pooling.ts";
import type { ConvolutionFactory } from "../structured/convolution-factory.ts";
import { Conv } from "../structured/dense.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { attentionMap } from "./attention.ts";
import type { NetworkOutput } from "./network-output.ts";

export interface WideResNetOptions {
  /** 6n + 4: n blocks in each of the three groups. */
  readonly depth: number;
  /** Channels are 16·width, 32·width, 64·width. */
  readonly width: number;
  readonly classes?: number;
  /** Rate of the dropout between a block's two convolutions. */
  readonly dropout?: number;
  readonly convolution?: ConvolutionFactory;
  /** Attention maps in each group, after as many blocks each: the paper's AT_split. */
  readonly attentionSplit?: number;
}

/** What a block is computed with. A block that is folded has bn2 in its first convolution. */
interface BlockParts {
  readonly bn1: Layer;
  readonly conv1: Layer;
  readonly bn2?: Layer;
  readonly conv2: Layer;
  readonly convShortcut: Layer | undefined;
}

function runBlock({ bn1, conv1, bn2, conv2, convShortcut }: BlockParts, x: Tensor, context: Context, rate = 0): Tensor {
  const activated = relu(bn1.forward(x, context));
  const convolved = conv1.forward(activated, context);
  const inner = relu(bn2 === undefined ? convolved : bn2.forward(convolved, context));
  const y = conv2.forward(dropout(inner, rate, context), context);
  return add(convShortcut === undefined ? x : convShortcut.forward(activated, context), y);
}

/** y = shortcut(x) + conv2(relu(bn2(conv1(relu(bn1(x)))))); where the size changes the shortcut is a 1×1 convolution of relu(bn1(x)). */
class BasicBlock extends Layer {
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

  forward(x: Tensor, context: Context): Tensor {
    return runBlock(this, x, context, this.#dropout);
  }

  override folded(): Layer {
    const { bn1, conv1, bn2, conv2, convShortcut } = this;
    const parts: BlockParts = { bn1: bn1.folded(), conv1: followedBy(conv1, bn2.affine()), conv2: conv2.folded(), convShortcut };
    return new Composed(parts, runBlock);
  }
}

/** n blocks at one resolution; the first changes size and width. */
class NetworkBlock extends Layer {
  readonly layer: Sequential;

  constructor(
    count: number,
    inChannels: number,
    outChannels: number,
    stride: number,
    dropout: number,
    convolution: ConvolutionFactory,
    build: Build,
  ) {
    super();
    const block = (i: number): BasicBlock =>
      new BasicBlock(i === 0 ? inChannels : outChannels, outChannels, i === 0 ? stride : 1, dropout, convolution, build);
    this.layer = new Sequential(...Array.from({ length: count }, (_, i) => block(i)));
  }

  forward(x: Tensor, context: Context): Tensor {
    return this.layer.forward(x, context);
  }

  override folded(): Layer {
    return this.layer.folded();
  }
}

/** What the network is computed with. */
interface NetworkParts {
  readonly conv1: Layer;
  readonly block1: Sequential;
  readonly block2: Sequential;
  readonly block3: Sequential;
  readonly bn1: Layer;
  readonly fc: Linear;
}

/** `parts`: the feature maps that attention is told of. */
function runNetwork(network: NetworkParts, x: Tensor, context: Context): { logits: Tensor; parts: Tensor[] } {
  const parts: Tensor[] = [];
  let y = network.conv1.forward(x, context);
  for (const { layers } of [network.block1, network.block2, network.block3])
    for (const part of layers) {
      y = part.forward(y, context);
      parts.push(y);
    }
  const pooled = globalAvgPool2d(relu(network.bn1.forward(y, context)));
  return { logits: network.fc.forward(pooled), parts };
}

/** x:[N,3,H,W] → logits:[N,classes]. State names are those of the reference PyTorch code (`block1.0.layer.0.conv1.…`). */
export class WideResNet extends Module {
  readonly conv1: Conv2d;
  readonly block1: Sequential;
  readonly block2: Sequential;
  readonly block3: Sequential;
  readonly bn1: BatchNorm2d;
  readonly fc: Linear;
  readonly #options: WideResNetOptions;

  /** @throws ConfigError unless depth = 6n + 4 with n ≥ 1, width ≥ 1, and attentionSplit divides n. */
  constructor(options: WideResNetOptions, build: Build) {
    super();
    const { depth, width, classes = 10, dropout = 0, convolution = Conv, attentionSplit: parts = 1 } = options;
    this.#options = options;
    const count = (depth - 4) / 6;
    if (!Number.isInteger(count) || count < 1)
      throw new ConfigError(`WideResNet: depth must be 6n + 4 with n ≥ 1 (10, 16, 22, …), got ${depth}`);
    if (!Number.isInteger(width) || width < 1) throw new ConfigError(`WideResNet: width must be an integer ≥ 1, got ${width}`);
    if (!Number.isInteger(parts) || parts < 1 || count % parts !== 0)
      throw new ConfigError(`WideResNet: attentionSplit must divide the ${count} blocks of a group, got ${parts}`);
    const part = (from: number, to: number, stride: number): NetworkBlock =>
      new NetworkBlock(count / parts, from, to, stride, dropout, convolution, build);
    const group = (from: number, to: number, stride: number): Sequential =>
      new Sequential(...Array.from({ length: parts }, (_, i) => (i === 0 ? part(from, to, stride) : part(to, to, 1))));
    this.conv1 = new Conv2d(3, 16, 3, build, { padding: 1, init: normalFanOut });
    this.block1 = group(16, 16 * width, 1);
    this.block2 = group(16 * width, 32 * width, 2);
    this.block3 = group(32 * width, 64 * width, 2);
    this.bn1 = new BatchNorm2d(64 * width, build);
    this.fc = new Linear(64 * width, classes, build);
    this.fc.bias!.write(new Float64Array(classes));
  }

  /** The same network, newly initialised, with convolutions from another factory. */
  withConvolution(convolution: ConvolutionFactory, build: Build): WideResNet {
    return new WideResNet({ ...this.#options, convolution }, build);
  }

  forward(x: Tensor, context: Context): Tensor {
    return runNetwork(this, x, context).logits;
  }

  /** What it computes in evaluation; see `foldBatchNorm`. */
  folded(): Layer {
    const { conv1, block1, block2, block3, bn1, fc } = this;
    const parts: NetworkParts = {
      conv1,
      block1: block1.folded(),
      block2: block2.folded(),
      block3: block3.folded(),
      bn1: bn1.folded(),
      fc,
    };
    return new Composed(parts, (folded, x, context) => runNetwork(folded, x, context).logits);
  }

  /** Logits with the attention maps attention transfer compares. */
  forwardWithAttention(x: Tensor, context: Context): NetworkOutput {
    const { logits, parts } = runNetwork(this, x, context);
    return { logits, attention: parts.map(attentionMap) };
  }
}
