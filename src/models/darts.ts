/**
 * The network that DARTS found (Liu, Simonyan & Yang 2019, arXiv 1806.09055): a stack of cells with the genotype DARTS_V2. A factory makes
 * every convolution except those of the stem and of the auxiliary head. With `Sep` the network is nearly the published one.
 */

import type { Context } from "../core/context.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { BatchNorm2d } from "../nn/batch-norm2d.ts";
import { Block } from "../nn/block.ts";
import { Concat, Sequential } from "../nn/combinators.ts";
import { Conv2d } from "../nn/conv2d.ts";
import type { Description } from "../nn/describe.ts";
import { type Build, normalFanOut } from "../nn/init.ts";
import { GlobalAvgPool2d, Lambda, MaxPool2d, ReLU } from "../nn/layers.ts";
import { Linear } from "../nn/linear.ts";
import type { Layer } from "../nn/module.ts";
import { slice } from "../ops/layout.ts";
import type { ConvolutionFactory, ConvolutionSite } from "../structured/convolution-factory.ts";
import { Sep } from "../structured/create-convolution.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { AuxiliaryHead } from "./auxiliary-head.ts";
import { checkSize, mostClasses } from "./check-size.ts";
import { Cell, CellStack, Identity } from "./darts-cell.ts";
import { ImageClassifier } from "./image-classifier.ts";

/** An edge of a cell: an operation, and the number of the state that the operation is applied to. */
type Edge = readonly [operation: "sep_conv_3x3" | "dil_conv_3x3" | "max_pool_3x3" | "skip_connect", from: number];

/** DARTS_V2: two edges for each new state. States 0 and 1 come from the two cells before. */
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

/** The number of new states in a cell. */
const newStates = 4;

/** relu, then a convolution, then a norm. */
const reluConvolutionNorm = (site: ConvolutionSite, convolution: ConvolutionFactory, build: Build): Layer[] => [
  ReLU(),
  convolution(site, build),
  new BatchNorm2d(site.outChannels, build),
];

/** Layers one after the other, named `op.0`, `op.1`, … as in the published code. */
class Operation extends Block {
  readonly op: Sequential;

  constructor(...layers: readonly Layer[]) {
    super();
    this.op = new Sequential(...layers);
  }

  override describe(): Description {
    return { kind: "Operation" };
  }

  body(): Sequential {
    return this.op;
  }
}

/** x[:, :, 1:, 1:]: the image without its first row and its first column. */
const Shift = (): Layer => new Lambda((x) => slice(x, [undefined, undefined, [1, x.shape[2]!], [1, x.shape[3]!]]), { kind: "Shift" });

/**
 * Half the size: two 1×1 convolutions of stride 2 side by side. The first reads the pixels of even rows and columns, the second those of
 * odd ones.
 */
class FactorizedReduce extends Block {
  readonly conv_1: Layer;
  readonly conv_2: Layer;
  readonly bn: BatchNorm2d;
  readonly #channels: readonly [number, number];

  constructor(inChannels: number, outChannels: number, convolution: ConvolutionFactory, build: Build) {
    super();
    const half = Math.floor(outChannels / 2);
    this.#channels = [half, outChannels - half];
    const site = { inChannels, kernel: 1, stride: 2, padding: 0 };
    this.conv_1 = convolution({ ...site, outChannels: half }, build);
    this.conv_2 = convolution({ ...site, outChannels: outChannels - half }, build);
    this.bn = new BatchNorm2d(outChannels, build);
  }

  override describe(): Description {
    return { kind: "FactorizedReduce" };
  }

  body(): Sequential {
    const [even, odd] = this.#channels;
    const halves = new Concat({ layer: this.conv_1, channels: even }, { layer: new Sequential(Shift(), this.conv_2), channels: odd });
    return new Sequential(ReLU(), halves, this.bn);
  }
}

function createOperation([name]: Edge, channels: number, stride: number, convolution: ConvolutionFactory, build: Build): Layer {
  const site = { inChannels: channels, outChannels: channels, kernel: 3 };
  const triple = (options: Pick<ConvolutionSite, "stride" | "padding" | "dilation">): Layer[] =>
    reluConvolutionNorm({ ...site, ...options }, convolution, build);
  switch (name) {
    case "sep_conv_3x3":
      return new Operation(...triple({ stride, padding: 1 }), ...triple({ padding: 1 }));
    case "dil_conv_3x3":
      return new Operation(...triple({ stride, padding: 2, dilation: 2 }));
    case "max_pool_3x3":
      return MaxPool2d({ kernel: 3, stride, padding: 1 });
    case "skip_connect":
      return stride === 1 ? new Identity() : new FactorizedReduce(channels, channels, convolution, build);
  }
}

interface CellShape {
  /** The channels of the two inputs, the older first. */
  readonly inputs: readonly [number, number];
  /** The channels of each state. */
  readonly channels: number;
  /** Whether the cell halves the size. */
  readonly reduction: boolean;
  /** Whether the newer input is half as large as the older. */
  readonly afterReduction: boolean;
}

function createCell({ inputs, channels, reduction, afterReduction }: CellShape, convolution: ConvolutionFactory, build: Build): Cell {
  const preprocess = (inChannels: number): Layer =>
    new Operation(...reluConvolutionNorm({ inChannels, outChannels: channels, kernel: 1 }, convolution, build));
  const edges = reduction ? genotype.reduce : genotype.normal;
  const parts = {
    preprocess0: afterReduction ? new FactorizedReduce(inputs[0], channels, convolution, build) : preprocess(inputs[0]),
    preprocess1: preprocess(inputs[1]),
    _ops: edges.map((edge) => createOperation(edge, channels, reduction && edge[1] < 2 ? 2 : 1, convolution, build)),
  };
  return new Cell(
    parts,
    edges.map(([, from]) => from),
  );
}

export interface DartsOptions {
  /** The channels of the first cells' states. Default: 36, as in the paper. */
  readonly channels?: number;
  /** The number of cells. Default: 20, as in the paper. */
  readonly layers?: number;
  /** Default: 10. */
  readonly classes?: number;
  /** Whether training uses a second classifier, at two thirds of the depth. Evaluation does not use it. Default: false. */
  readonly auxiliary?: boolean;
  /** What makes the convolutions of the cells. Default: `Sep`. */
  readonly convolution?: ConvolutionFactory;
}

/** The largest numbers of cells and of channels. */
export const dartsLimits = { layers: 200, channels: 512 } as const;

/** The names of `DartsOptions`. */
export const dartsOptions: OptionNames = optionNames<DartsOptions>({
  channels: true,
  layers: true,
  classes: true,
  auxiliary: true,
  convolution: true,
});

/** x:[N,3,H,W] → logits:[N,classes]. State names are those of the published code (`cells.0._ops.0.op.1…`). */
export class Darts extends ImageClassifier {
  readonly stem: Sequential;
  readonly cells: readonly Cell[];
  readonly auxiliary_head: AuxiliaryHead | undefined;
  readonly classifier: Linear;
  readonly #options: DartsOptions;
  /** The numbers of the two cells that halve the size. */
  readonly #reductions: readonly [number, number];

  /**
   * @throws ConfigError unless channels is an integer from 1 to 512, and layers an integer from 3 to 200. Fewer layers could not halve the
   * size twice.
   */
  constructor(options: DartsOptions, build: Build) {
    super();
    checkOptions("Darts", options, dartsOptions);
    const { channels = 36, layers = 20, classes = 10, auxiliary = false, convolution = Sep } = options;
    this.#options = options;
    checkSize("Darts", "channels", channels, dartsLimits.channels);
    checkSize("Darts", "layers", layers, dartsLimits.layers, 3);
    checkSize("Darts", "classes", classes, mostClasses);
    this.#reductions = [Math.floor(layers / 3), Math.floor((2 * layers) / 3)];
    const stem = 3 * channels;
    this.stem = new Sequential(new Conv2d(3, stem, 3, build, { padding: 1, init: normalFanOut }), new BatchNorm2d(stem, build));
    let inputs: readonly [number, number] = [stem, stem];
    let [current, afterReduction] = [channels, false];
    this.cells = Array.from({ length: layers }, (_, i) => {
      const reduction = this.#reductions.includes(i);
      if (reduction) current *= 2;
      const cell = createCell({ inputs, channels: current, reduction, afterReduction }, convolution, build);
      inputs = [inputs[1], newStates * current];
      afterReduction = reduction;
      return cell;
    });
    // The head's input is the output of the second reduction, which has as many channels as that of the last cell.
    this.auxiliary_head = auxiliary ? new AuxiliaryHead(inputs[1], classes, build) : undefined;
    this.classifier = new Linear(inputs[1], classes, build, { role: "classifier" });
  }

  override describe(): Description {
    return { kind: "Darts" };
  }

  /** What the network was made with. */
  get options(): DartsOptions {
    return this.#options;
  }

  /** The same network, newly initialised, with convolutions from another factory. */
  withConvolution(convolution: ConvolutionFactory, build: Build): Darts {
    return new Darts({ ...this.#options, convolution }, build);
  }

  protected backbone(): CellStack {
    return new CellStack(this.stem, this.cells);
  }

  protected head(): Sequential {
    return new Sequential(GlobalAvgPool2d(), this.classifier);
  }

  /** The outputs of the cells before the two reductions, as in the paper's code. */
  protected attended(cells: readonly Tensor[]): readonly Tensor[] {
    return this.#reductions.map((reduction) => cells[reduction - 1]!);
  }

  /** The auxiliary head classifies the output of the second reduction. */
  protected override auxiliary(cells: readonly Tensor[], context: Context): Tensor | undefined {
    return context.training ? this.auxiliary_head?.forward(cells[this.#reductions[1]]!, context) : undefined;
  }
}
