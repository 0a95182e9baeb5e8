/**
 * MobileNetV2 (Sandler et al. 2018, arXiv 1801.04381): inverted residuals, wide inside and narrow between. Its depthwise convolutions stay; every 1×1
 * convolution after the stem, the classifier among them, comes from a factory (paper, §4.3).
 */

import type { Context } from "../core/context.ts";
import { BatchNorm2d } from "../nn/batch-norm2d.ts";
import { Conv2d } from "../nn/conv2d.ts";
import { type Build, normalFanOut } from "../nn/init.ts";
import { Composed, foldedInTurn, followedBy, ReLU6, Sequential } from "../nn/layers.ts";
import { Layer, Module } from "../nn/module.ts";
import { dropout } from "../ops/dropout.ts";
import { add, relu6 } from "../ops/elementwise.ts";
import { globalAvgPool2d } from "../ops/pooling.ts";
import { reshape } from "../ops/reshape.ts";
import type { ConvolutionFactory } from "../structured/convolution-factory.ts";
import { Conv } from "../structured/dense.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { attentionMap } from "./attention.ts";
import type { NetworkOutput } from "./network-output.ts";

export interface MobileNetV2Options {
  readonly classes?: number;
  readonly dropout?: number;
  readonly convolution?: ConvolutionFactory;
}

/** Expansion, output channels, repetitions, stride of the first (their table 2). */
const stages = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
] as const;

/** A convolution, its norm and relu6, numbered `0` and `1` as in torchvision. */
class ConvolutionNorm extends Layer {
  readonly "0": Layer;
  readonly "1": BatchNorm2d;

  constructor(convolution: Layer, channels: number, build: Build) {
    super();
    this[0] = convolution;
    this[1] = new BatchNorm2d(channels, build);
  }

  forward(x: Tensor, context: Context): Tensor {
    return relu6(this[1].forward(this[0].forward(x, context), context));
  }

  override folded(): Layer {
    return new Sequential(followedBy(this[0], this[1].affine()), ReLU6());
  }
}

const depthwise = (channels: number, stride: number, build: Build): Layer =>
  new Conv2d(channels, channels, 3, build, { stride, padding: 1, groups: channels, init: normalFanOut });

/** What an inverted residual is computed with. */
interface ResidualParts {
  readonly conv: readonly Layer[];
  /** Whether x is added. */
  readonly residual: boolean;
}

function runResidual({ conv, residual }: ResidualParts, x: Tensor, context: Context): Tensor {
  const y = conv.reduce((z, layer) => layer.forward(z, context), x);
  return residual ? add(x, y) : y;
}

/** x + bn(P₂·relu6(bn(D·relu6(bn(P₁·x))))): P₁ widens, D is depthwise, P₂ narrows without a nonlinearity; x only where shapes agree. */
class InvertedResidual extends Layer {
  /** Torchvision's Sequential: [widen], depthwise, narrow, norm. */
  readonly conv: readonly Layer[];
  readonly #residual: boolean;

  constructor(inChannels: number, outChannels: number, stride: number, expansion: number, convolution: ConvolutionFactory, build: Build) {
    super();
    const wide = inChannels * expansion;
    const widen =
      expansion === 1 ? [] : [new ConvolutionNorm(convolution({ inChannels, outChannels: wide, kernel: 1 }, build), wide, build)];
    this.conv = [
      ...widen,
      new ConvolutionNorm(depthwise(wide, stride, build), wide, build),
      convolution({ inChannels: wide, outChannels, kernel: 1 }, build),
      new BatchNorm2d(outChannels, build),
    ];
    this.#residual = stride === 1 && inChannels === outChannels;
  }

  forward(x: Tensor, context: Context): Tensor {
    return runResidual({ conv: this.conv, residual: this.#residual }, x, context);
  }

  override folded(): Layer {
    return new Composed({ conv: foldedInTurn(this.conv), residual: this.#residual }, runResidual);
  }
}

/** What the network is computed with. */
interface NetworkParts {
  readonly features: readonly Layer[];
  readonly classifier: readonly [undefined, Layer];
}

/** `blocks`: what each inverted residual gave. */
function runNetwork({ features, classifier }: NetworkParts, x: Tensor, context: Context, rate = 0): { logits: Tensor; blocks: Tensor[] } {
  const outputs: Tensor[] = [];
  const last = features.reduce((z, layer) => {
    const y = layer.forward(z, context);
    outputs.push(y);
    return y;
  }, x);
  const pooled = dropout(globalAvgPool2d(last), rate, context);
  const y = classifier[1].forward(reshape(pooled, [...pooled.shape, 1, 1]), context);
  return { logits: reshape(y, [y.shape[0]!, y.shape[1]!]), blocks: outputs.slice(1, -1) };
}

/** x:[N,3,H,W] → logits:[N,classes]. */
export class MobileNetV2 extends Module {
  readonly features: readonly Layer[];
  /** `classifier.1` as in torchvision, where `0` is dropout; a 1×1 convolution, so that it can be structured. */
  readonly classifier: readonly [undefined, Layer];
  readonly #options: MobileNetV2Options;
  readonly #dropout: number;

  constructor(options: MobileNetV2Options, build: Build) {
    super();
    this.#options = options;
    const { classes = 1000, dropout: rate = 0.2, convolution = Conv } = options;
    let channels = 32;
    const stem = new ConvolutionNorm(new Conv2d(3, channels, 3, build, { stride: 2, padding: 1, init: normalFanOut }), channels, build);
    const blocks = stages.flatMap(([expansion, outChannels, count, stride]) =>
      Array.from({ length: count }, (_, i) => {
        const block = new InvertedResidual(channels, outChannels, i === 0 ? stride : 1, expansion, convolution, build);
        channels = outChannels;
        return block;
      }),
    );
    const last = new ConvolutionNorm(convolution({ inChannels: channels, outChannels: 1280, kernel: 1 }, build), 1280, build);
    this.features = [stem, ...blocks, last];
    this.classifier = [undefined, convolution({ inChannels: 1280, outChannels: classes, kernel: 1, bias: true }, build)];
    this.#dropout = rate;
  }

  /** The same network, newly initialised, with convolutions from another factory. */
  withConvolution(convolution: ConvolutionFactory, build: Build): MobileNetV2 {
    return new MobileNetV2({ ...this.#options, convolution }, build);
  }

  forward(x: Tensor, context: Context): Tensor {
    return runNetwork(this, x, context, this.#dropout).logits;
  }

  /** What it computes in evaluation; see `foldBatchNorm`. */
  folded(): Layer {
    const parts: NetworkParts = { features: foldedInTurn(this.features), classifier: [undefined, this.classifier[1].folded()] };
    return new Composed(parts, (folded, x, context) => runNetwork(folded, x, context).logits);
  }

  /** Logits, and the attention map of the last block at each size. */
  forwardWithAttention(x: Tensor, context: Context): NetworkOutput {
    const { logits, blocks } = runNetwork(this, x, context, this.#dropout);
    const sizeOf = (y: Tensor | undefined): number | undefined => y?.shape[2];
    return { logits, attention: blocks.filter((y, i) => sizeOf(y) !== sizeOf(blocks[i + 1])).map(attentionMap) };
  }
}
