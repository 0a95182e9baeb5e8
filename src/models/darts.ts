/**
 * The network DARTS found (Liu, Simonyan & Yang 2019, arXiv 1806.09055): cells of two inputs, wired by the genotype DARTS_V2. Every convolution but the
 * stem's and the auxiliary head's comes from a factory: `Sep` gives nearly the published network, anything else its structured kin.
 */

import type { Context } from "../core/context.ts";
import { ConfigError } from "../core/errors.ts";
import { BatchNorm2d } from "../nn/batch-norm2d.ts";
import { affineOf } from "../nn/channel-affine.ts";
import { Conv2d } from "../nn/conv2d.ts";
import { type Build, normalFanOut } from "../nn/init.ts";
import { Composed, followedBy, ReLU, Sequential } from "../nn/layers.ts";
import { Linear } from "../nn/linear.ts";
import { Layer, Module } from "../nn/module.ts";
import { dropPath } from "../ops/dropout.ts";
import { add, relu } from "../ops/elementwise.ts";
import { concat, slice } from "../ops/layout.ts";
import { globalAvgPool2d, maxPool2d } from "../ops/pooling.ts";
import type { ConvolutionFactory } from "../structured/convolution-factory.ts";
import { Sep } from "../structured/create-convolution.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { attentionMap } from "./attention.ts";
import { AuxiliaryHead } from "./auxiliary-head.ts";
import type { NetworkOutput } from "./network-output.ts";

/** An edge of a cell: what is done to which of the states before. */
type Edge = readonly [operation: "sep_conv_3x3" | "dil_conv_3x3" | "max_pool_3x3" | "skip_connect", from: number];

/** DARTS_V2: two edges for each new state; states 0 and 1 are the two cells before, the four new ones are concatenated. */
const genotype = {
  normal: [
    ["sep_conv_3x3", 0],
    ["sep_conv_3x3", 1],
    ["sep_conv_3x3", 0],
    ["sep_conv_3x3", 1],
    ["sep_conv_3x3", 1],
    ["skip_connect", 0],
    ["skip_connect", 0],
    ["dil_conv_3x3", 2],
  ],
  reduce: [
    ["max_pool_3x3", 0],
    ["max_pool_3x3", 1],
    ["skip_connect", 2],
    ["max_pool_3x3", 1],
    ["max_pool_3x3", 0],
    ["skip_connect", 2],
    ["skip_connect", 2],
    ["max_pool_3x3", 1],
  ],
} as const satisfies Record<string, readonly Edge[]>;

/** New states of a cell. */
const concatenated = 4;

/** bn(conv₁ₓ₁(relu(x))). Fields and gaps are those of the reference's `op`, whose first entry has no state. */
class ReluConvNorm extends Layer {
  readonly op: readonly [undefined, Layer, BatchNorm2d];

  constructor(inChannels: number, outChannels: number, convolution: ConvolutionFactory, build: Build) {
    super();
    this.op = [undefined, convolution({ inChannels, outChannels, kernel: 1 }, build), new BatchNorm2d(outChannels, build)];
  }

  forward(x: Tensor, context: Context): Tensor {
    const [, convolution, norm] = this.op;
    return norm.forward(convolution.forward(relu(x), context), context);
  }

  override folded(): Layer {
    const [, convolution, norm] = this.op;
    return new Sequential(ReLU(), followedBy(convolution, norm.affine()));
  }
}

/** What halves the size. Folded, each convolution has the norm's scales and shifts of its own channels. */
interface ReduceParts {
  readonly conv_1: Layer;
  readonly conv_2: Layer;
  readonly bn?: Layer;
}

function runReduce({ conv_1, conv_2, bn }: ReduceParts, x: Tensor, context: Context): Tensor {
  const active = relu(x);
  const [, , height, width] = active.shape as [number, number, number, number];
  const shifted = slice(active, [undefined, undefined, [1, height], [1, width]]);
  const y = concat([conv_1.forward(active, context), conv_2.forward(shifted, context)], 1);
  return bn === undefined ? y : bn.forward(y, context);
}

/** Half the size without losing a pixel: two strided 1×1 convolutions, one of them a pixel further along the diagonal, side by side. */
class FactorizedReduce extends Layer {
  readonly conv_1: Layer;
  readonly conv_2: Layer;
  readonly bn: BatchNorm2d;

  constructor(inChannels: number, outChannels: number, convolution: ConvolutionFactory, build: Build) {
    super();
    const half = Math.floor(outChannels / 2);
    this.conv_1 = convolution({ inChannels, outChannels: half, kernel: 1, stride: 2, padding: 0 }, build);
    this.conv_2 = convolution({ inChannels, outChannels: outChannels - half, kernel: 1, stride: 2, padding: 0 }, build);
    this.bn = new BatchNorm2d(outChannels, build);
  }

  forward(x: Tensor, context: Context): Tensor {
    return runReduce(this, x, context);
  }

  override folded(): Layer {
    const affine = this.bn.affine();
    const channels = affine.scale.size;
    const half = Math.floor(channels / 2);
    const parts: ReduceParts = {
      conv_1: followedBy(this.conv_1, affineOf(affine, 0, half)),
      conv_2: followedBy(this.conv_2, affineOf(affine, half, channels)),
    };
    return new Composed(parts, runReduce);
  }
}

/** Twice relu → 3×3 → norm; the first takes the stride. */
class SeparableTwice extends Layer {
  readonly op: readonly [undefined, Layer, BatchNorm2d, undefined, Layer, BatchNorm2d];

  constructor(channels: number, stride: number, convolution: ConvolutionFactory, build: Build) {
    super();
    const site = { inChannels: channels, outChannels: channels, kernel: 3, padding: 1 };
    const norm = (): BatchNorm2d => new BatchNorm2d(channels, build);
    this.op = [undefined, convolution({ ...site, stride }, build), norm(), undefined, convolution(site, build), norm()];
  }

  forward(x: Tensor, context: Context): Tensor {
    const [, first, norm1, , second, norm2] = this.op;
    const y = norm1.forward(first.forward(relu(x), context), context);
    return norm2.forward(second.forward(relu(y), context), context);
  }

  override folded(): Layer {
    const [, first, norm1, , second, norm2] = this.op;
    return new Sequential(ReLU(), followedBy(first, norm1.affine()), ReLU(), followedBy(second, norm2.affine()));
  }
}

/** relu → 3×3 whose taps lie two pixels apart → norm. */
class Dilated extends Layer {
  readonly op: readonly [undefined, Layer, BatchNorm2d];

  constructor(channels: number, stride: number, convolution: ConvolutionFactory, build: Build) {
    super();
    const site = { inChannels: channels, outChannels: channels, kernel: 3, stride, padding: 2, dilation: 2 };
    this.op = [undefined, convolution(site, build), new BatchNorm2d(channels, build)];
  }

  forward(x: Tensor, context: Context): Tensor {
    const [, convolution, norm] = this.op;
    return norm.forward(convolution.forward(relu(x), context), context);
  }

  override folded(): Layer {
    const [, convolution, norm] = this.op;
    return new Sequential(ReLU(), followedBy(convolution, norm.affine()));
  }
}

class MaxPool extends Layer {
  readonly #stride: number;

  constructor(stride: number) {
    super();
    this.#stride = stride;
  }

  forward(x: Tensor): Tensor {
    return maxPool2d(x, { kernel: 3, stride: this.#stride, padding: 1 });
  }
}

class Identity extends Layer {
  forward(x: Tensor): Tensor {
    return x;
  }
}

function operation([name]: Edge, channels: number, stride: number, convolution: ConvolutionFactory, build: Build): Layer {
  if (name === "sep_conv_3x3") return new SeparableTwice(channels, stride, convolution, build);
  if (name === "dil_conv_3x3") return new Dilated(channels, stride, convolution, build);
  if (name === "max_pool_3x3") return new MaxPool(stride);
  return stride === 1 ? new Identity() : new FactorizedReduce(channels, channels, convolution, build);
}

interface CellShape {
  /** Channels of the two inputs, the older first. */
  readonly inputs: readonly [number, number];
  readonly channels: number;
  /** Whether it halves the size. */
  readonly reduction: boolean;
  /** Whether the newer input is half as large as the older. */
  readonly afterReduction: boolean;
}

/** What a cell is computed with: one operation an edge. */
interface CellParts {
  readonly preprocess0: Layer;
  readonly preprocess1: Layer;
  readonly _ops: readonly Layer[];
}

/** s₂…s₅, each the sum of two operations on states before it, side by side.   s₀, s₁ → [N,4·channels,H′,W′]. */
class Cell extends Module {
  readonly preprocess0: Layer;
  readonly preprocess1: Layer;
  readonly _ops: readonly Layer[];
  readonly #edges: readonly Edge[];

  constructor({ preprocess0, preprocess1, _ops }: CellParts, edges: readonly Edge[]) {
    super();
    this.preprocess0 = preprocess0;
    this.preprocess1 = preprocess1;
    this._ops = _ops;
    this.#edges = edges;
  }

  folded(): Cell {
    const { preprocess0, preprocess1, _ops } = this;
    const parts = { preprocess0: preprocess0.folded(), preprocess1: preprocess1.folded(), _ops: _ops.map((layer) => layer.folded()) };
    return new Cell(parts, this.#edges);
  }

  forward(older: Tensor, newer: Tensor, context: Context): Tensor {
    const states = [this.preprocess0.forward(older, context), this.preprocess1.forward(newer, context)];
    const along = (k: number): Tensor => {
      const layer = this._ops[k]!;
      const y = layer.forward(states[this.#edges[k]![1]]!, context);
      // A path that does nothing is the one the others may be dropped beside.
      return layer instanceof Identity ? y : dropPath(y, context.dropPath ?? 0, context);
    };
    for (let k = 0; k < this._ops.length; k += 2) states.push(add(along(k), along(k + 1)));
    return concat(states.slice(2), 1);
  }
}

function createCell({ inputs, channels, reduction, afterReduction }: CellShape, convolution: ConvolutionFactory, build: Build): Cell {
  const Fit = afterReduction ? FactorizedReduce : ReluConvNorm;
  const edges = reduction ? genotype.reduce : genotype.normal;
  const parts = {
    preprocess0: new Fit(inputs[0], channels, convolution, build),
    preprocess1: new ReluConvNorm(inputs[1], channels, convolution, build),
    _ops: edges.map((edge) => operation(edge, channels, reduction && edge[1] < 2 ? 2 : 1, convolution, build)),
  };
  return new Cell(parts, edges);
}

/** What the network is computed with. One that is folded has the stem's norm in the stem's convolution. */
interface NetworkParts {
  readonly stem: readonly [Layer, Layer?];
  readonly cells: readonly Cell[];
  readonly classifier: Linear;
}

/** `states`: what each cell gave. */
function runNetwork({ stem, cells, classifier }: NetworkParts, x: Tensor, context: Context): { logits: Tensor; states: Tensor[] } {
  const [convolution, norm] = stem;
  const convolved = convolution.forward(x, context);
  let newer = norm === undefined ? convolved : norm.forward(convolved, context);
  let older = newer;
  const states = cells.map((cell) => {
    const y = cell.forward(older, newer, context);
    [older, newer] = [newer, y];
    return y;
  });
  return { logits: classifier.forward(globalAvgPool2d(newer)), states };
}

export interface DartsOptions {
  /** Channels of the first cells; 36 in the paper. */
  readonly channels?: number;
  /** Cells; 20 in the paper. */
  readonly layers?: number;
  readonly classes?: number;
  /** Whether training has a second classifier two thirds of the way up. Not counted: it is thrown away after training. */
  readonly auxiliary?: boolean;
  readonly convolution?: ConvolutionFactory;
}

/** x:[N,3,H,W] → logits:[N,classes]. State names are those of the published code (`cells.0._ops.0.op.1…`). */
export class Darts extends Module {
  readonly stem: readonly [Conv2d, BatchNorm2d];
  readonly cells: readonly Cell[];
  readonly auxiliary_head: AuxiliaryHead | undefined;
  readonly classifier: Linear;
  readonly #options: DartsOptions;
  /** Cells that halve the size. */
  readonly #reductions: readonly [number, number];

  /** @throws ConfigError unless channels and layers are integers, layers ≥ 3 so that it can halve the size twice. */
  constructor(options: DartsOptions, build: Build) {
    super();
    const { channels = 36, layers = 20, classes = 10, auxiliary = false, convolution = Sep } = options;
    this.#options = options;
    if (!Number.isInteger(channels) || channels < 1) throw new ConfigError(`Darts: channels must be an integer ≥ 1, got ${channels}`);
    if (!Number.isInteger(layers) || layers < 3) throw new ConfigError(`Darts: layers must be an integer ≥ 3, got ${layers}`);
    this.#reductions = [Math.floor(layers / 3), Math.floor((2 * layers) / 3)];
    const stem = 3 * channels;
    this.stem = [new Conv2d(3, stem, 3, build, { padding: 1, init: normalFanOut }), new BatchNorm2d(stem, build)];
    let inputs: readonly [number, number] = [stem, stem];
    let [current, afterReduction] = [channels, false];
    this.cells = Array.from({ length: layers }, (_, i) => {
      const reduction = this.#reductions.includes(i);
      if (reduction) current *= 2;
      const cell = createCell({ inputs, channels: current, reduction, afterReduction }, convolution, build);
      inputs = [inputs[1], concatenated * current];
      afterReduction = reduction;
      return cell;
    });
    // Between the second halving and the end every cell is as wide as the last.
    this.auxiliary_head = auxiliary ? new AuxiliaryHead(inputs[1], classes, build) : undefined;
    this.classifier = new Linear(inputs[1], classes, build);
  }

  /** The same network, newly initialised, with convolutions from another factory. */
  withConvolution(convolution: ConvolutionFactory, build: Build): Darts {
    return new Darts({ ...this.#options, convolution }, build);
  }

  forward(x: Tensor, context: Context): Tensor {
    return runNetwork(this, x, context).logits;
  }

  /** What it computes in evaluation, without the head that only training sees; see `foldBatchNorm`. */
  folded(): Layer {
    const [convolution, norm] = this.stem;
    const parts: NetworkParts = {
      stem: [followedBy(convolution, norm.affine())],
      cells: this.cells.map((cell) => cell.folded()),
      classifier: this.classifier,
    };
    return new Composed(parts, (folded, x, context) => runNetwork(folded, x, context).logits);
  }

  /** Logits, the attention map before each halving and at the end, and in training the auxiliary head's logits. */
  forwardWithAttention(x: Tensor, context: Context): NetworkOutput {
    const { logits, states } = runNetwork(this, x, context);
    const [first, second] = this.#reductions;
    const attention = [states[first - 1]!, states[second - 1]!, states.at(-1)!].map(attentionMap);
    const auxiliary = context.training ? this.auxiliary_head?.forward(states[second]!, context) : undefined;
    return { logits, attention, auxiliary };
  }
}
