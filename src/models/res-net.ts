/**
 * Residual networks of bottlenecks (He et al. 2016, arXiv 1512.03385) at twice the width (Zagoruyko & Komodakis 2016, arXiv 1605.07146): WRN-50-2 for
 * images of 224². All convolutions of its blocks, 1×1 ones too, come from a factory; state names are torchvision's.
 */

import type { Context } from "../core/context.ts";
import { BatchNorm2d } from "../nn/batch-norm2d.ts";
import { Conv2d } from "../nn/conv2d.ts";
import { type Build, normalFanOut } from "../nn/init.ts";
import { Composed, followedBy, Sequential } from "../nn/layers.ts";
import { Linear } from "../nn/linear.ts";
import { Layer, Module } from "../nn/module.ts";
import { add, relu } from "../ops/elementwise.ts";
import { avgPool2d, maxPool2d } from "../ops/pooling.ts";
import { reshape } from "../ops/reshape.ts";
import type { ConvolutionFactory } from "../structured/convolution-factory.ts";
import { Conv } from "../structured/dense.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { attentionMap } from "./attention.ts";
import type { NetworkOutput } from "./network-output.ts";

export interface ResNetOptions {
  /** Bottlenecks in each of the four groups: [3,4,6,3] for 50 layers. */
  readonly blocks?: readonly [number, number, number, number];
  /** Times as wide inside the bottlenecks: 2 for WRN-50-2. */
  readonly width?: number;
  readonly classes?: number;
  readonly convolution?: ConvolutionFactory;
}

/** A block gives four times its nominal width. */
const expansion = 4;

/** Its input made to fit its output: a strided 1×1 convolution and its norm, `0` and `1` as in torchvision. */
class Downsample extends Layer {
  readonly "0": Layer;
  readonly "1": BatchNorm2d;

  constructor(inChannels: number, outChannels: number, stride: number, convolution: ConvolutionFactory, build: Build) {
    super();
    this[0] = convolution({ inChannels, outChannels, kernel: 1, stride }, build);
    this[1] = new BatchNorm2d(outChannels, build);
  }

  forward(x: Tensor, context: Context): Tensor {
    return this[1].forward(this[0].forward(x, context), context);
  }

  override folded(): Layer {
    return followedBy(this[0], this[1].affine());
  }
}

/** What a bottleneck is computed with. One that is folded has its norms in its convolutions. */
interface BottleneckParts {
  readonly conv1: Layer;
  readonly bn1?: Layer;
  readonly conv2: Layer;
  readonly bn2?: Layer;
  readonly conv3: Layer;
  readonly bn3?: Layer;
  readonly downsample: Layer | undefined;
}

const normed = (norm: Layer | undefined, x: Tensor, context: Context): Tensor => (norm === undefined ? x : norm.forward(x, context));

function runBottleneck(parts: BottleneckParts, x: Tensor, context: Context): Tensor {
  const narrow = relu(normed(parts.bn1, parts.conv1.forward(x, context), context));
  const windowed = relu(normed(parts.bn2, parts.conv2.forward(narrow, context), context));
  const y = normed(parts.bn3, parts.conv3.forward(windowed, context), context);
  return relu(add(y, normed(parts.downsample, x, context)));
}

/** y = relu(shortcut(x) + bn3(conv3(relu(bn2(conv2(relu(bn1(conv1(x))))))))): 1×1 down, k×k with the stride, 1×1 up. */
class Bottleneck extends Layer {
  readonly conv1: Layer;
  readonly bn1: BatchNorm2d;
  readonly conv2: Layer;
  readonly bn2: BatchNorm2d;
  readonly conv3: Layer;
  readonly bn3: BatchNorm2d;
  readonly downsample: Downsample | undefined;

  constructor(inChannels: number, planes: number, width: number, stride: number, convolution: ConvolutionFactory, build: Build) {
    super();
    const [inner, outChannels] = [planes * width, planes * expansion];
    this.conv1 = convolution({ inChannels, outChannels: inner, kernel: 1 }, build);
    this.bn1 = new BatchNorm2d(inner, build);
    this.conv2 = convolution({ inChannels: inner, outChannels: inner, kernel: 3, stride }, build);
    this.bn2 = new BatchNorm2d(inner, build);
    this.conv3 = convolution({ inChannels: inner, outChannels, kernel: 1 }, build);
    this.bn3 = new BatchNorm2d(outChannels, build);
    this.downsample =
      stride === 1 && inChannels === outChannels ? undefined : new Downsample(inChannels, outChannels, stride, convolution, build);
  }

  forward(x: Tensor, context: Context): Tensor {
    return runBottleneck(this, x, context);
  }

  override folded(): Layer {
    const parts: BottleneckParts = {
      conv1: followedBy(this.conv1, this.bn1.affine()),
      conv2: followedBy(this.conv2, this.bn2.affine()),
      conv3: followedBy(this.conv3, this.bn3.affine()),
      downsample: this.downsample?.folded(),
    };
    return new Composed(parts, runBottleneck);
  }
}

/** The mean of each plane, as a pooling over a window of its size: the paper's code counts it so. */
const flatPool = (x: Tensor): Tensor => {
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  return reshape(avgPool2d(x, { kernel: [height, width] }), [batch, channels]);
};

/** What the network is computed with. */
interface NetworkParts {
  readonly conv1: Layer;
  readonly bn1?: Layer;
  readonly layer1: Layer;
  readonly layer2: Layer;
  readonly layer3: Layer;
  readonly layer4: Layer;
  readonly fc: Linear;
}

/** `groups`: what each group of blocks gave. */
function runNetwork(network: NetworkParts, x: Tensor, context: Context): { logits: Tensor; groups: Tensor[] } {
  const groups: Tensor[] = [];
  let y = maxPool2d(relu(normed(network.bn1, network.conv1.forward(x, context), context)), { kernel: 3, stride: 2, padding: 1 });
  for (const group of [network.layer1, network.layer2, network.layer3, network.layer4]) {
    y = group.forward(y, context);
    groups.push(y);
  }
  return { logits: network.fc.forward(flatPool(y)), groups };
}

/** x:[N,3,H,W] → logits:[N,classes]. */
export class ResNet extends Module {
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly layer1: Sequential;
  readonly layer2: Sequential;
  readonly layer3: Sequential;
  readonly layer4: Sequential;
  readonly fc: Linear;
  readonly #options: ResNetOptions;

  constructor(options: ResNetOptions, build: Build) {
    super();
    this.#options = options;
    const { blocks = [3, 4, 6, 3], width = 2, classes = 1000, convolution = Conv } = options;
    this.conv1 = new Conv2d(3, 64, 7, build, { stride: 2, padding: 3, init: normalFanOut });
    this.bn1 = new BatchNorm2d(64, build);
    let channels = 64;
    const group = (count: number, planes: number, stride: number): Sequential => {
      const layers = Array.from({ length: count }, (_, i) => {
        const block = new Bottleneck(channels, planes, width, i === 0 ? stride : 1, convolution, build);
        channels = planes * expansion;
        return block;
      });
      return new Sequential(...layers);
    };
    this.layer1 = group(blocks[0], 64, 1);
    this.layer2 = group(blocks[1], 128, 2);
    this.layer3 = group(blocks[2], 256, 2);
    this.layer4 = group(blocks[3], 512, 2);
    this.fc = new Linear(channels, classes, build);
  }

  /** The same network, newly initialised, with convolutions from another factory. */
  withConvolution(convolution: ConvolutionFactory, build: Build): ResNet {
    return new ResNet({ ...this.#options, convolution }, build);
  }

  forward(x: Tensor, context: Context): Tensor {
    return runNetwork(this, x, context).logits;
  }

  /** What it computes in evaluation; see `foldBatchNorm`. */
  folded(): Layer {
    const { conv1, bn1, layer1, layer2, layer3, layer4, fc } = this;
    const parts: NetworkParts = {
      conv1: followedBy(conv1, bn1.affine()),
      layer1: layer1.folded(),
      layer2: layer2.folded(),
      layer3: layer3.folded(),
      layer4: layer4.folded(),
      fc,
    };
    return new Composed(parts, (folded, x, context) => runNetwork(folded, x, context).logits);
  }

  /** Logits with the attention map of each group of blocks. */
  forwardWithAttention(x: Tensor, context: Context): NetworkOutput {
    const { logits, groups } = runNetwork(this, x, context);
    return { logits, attention: groups.map(attentionMap) };
  }
}
