/**
 * MobileNetV2 (Sandler et al. 2018, arXiv 1801.04381): a chain of inverted residuals, which have many channels inside and few at their
 * ends. A factory makes every 1×1 convolution, that of the classifier included (paper, §4.3). State names are those of torchvision for
 * dense convolutions, and those of the paper's code for structured ones.
 */

import { checkNumbers } from "../core/numbers.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { BatchNorm2d } from "../nn/batch-norm2d.ts";
import { Block } from "../nn/block.ts";
import { Residual, Sequential } from "../nn/combinators.ts";
import { Conv2d } from "../nn/conv2d.ts";
import type { Description } from "../nn/describe.ts";
import { type Build, normalFanOut } from "../nn/init.ts";
import { Dropout, Flatten, GlobalAvgPool2d, Lambda, ReLU6 } from "../nn/layers.ts";
import type { Layer } from "../nn/module.ts";
import { reshape } from "../ops/reshape.ts";
import type { ConvolutionFactory, ConvolutionSite } from "../structured/convolution-factory.ts";
import { Conv } from "../structured/dense.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkSize, mostClasses } from "./check-size.ts";
import { ImageClassifier } from "./image-classifier.ts";
import { areDense } from "./state-names.ts";

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

/**
 * Convolutions of 1×1 to `expansion` times the channels, depthwise 3×3, and 1×1 with no ReLU after it. x is added where shapes agree. The
 * layers of `conv` are nested as in torchvision where the 1×1 convolutions are dense, and one flat list as in the paper's code otherwise.
 */
class InvertedResidual extends Block {
  readonly conv: Sequential;
  readonly stride: number;
  readonly #residual: boolean;

  constructor(inChannels: number, outChannels: number, stride: number, expansion: number, convolution: ConvolutionFactory, build: Build) {
    super();
    const wide = inChannels * expansion;
    const pointwise = (site: Pick<ConvolutionSite, "inChannels" | "outChannels">): Layer =>
      convolution({ ...site, kernel: 1, denseState: "weight" }, build);
    const widen = expansion === 1 ? [] : [pointwise({ inChannels, outChannels: wide })];
    const widening = widen.map((layer) => convolutionNormReLU6(layer, wide, build));
    const window = convolutionNormReLU6(depthwise(wide, stride, build), wide, build);
    const narrow = pointwise({ inChannels: wide, outChannels });
    const last = [narrow, new BatchNorm2d(outChannels, build)];
    const groups = [...widening, window];
    this.conv = new Sequential(...(areDense(...widen, narrow) ? groups : groups.flatMap(({ layers }) => layers)), ...last);
    this.stride = stride;
    this.#residual = stride === 1 && inChannels === outChannels;
  }

  override describe(): Description {
    return { kind: "InvertedResidual", options: { stride: this.stride, residual: this.#residual } };
  }

  body(): Layer {
    return this.#residual ? new Residual(this.conv) : this.conv;
  }
}

/** x:[N,C] → y:[N,C,1,1]: vectors as images of one pixel, so that a 1×1 convolution can classify them. */
const OnePixel = (): Layer => new Lambda((x) => reshape(x, [...x.shape, 1, 1]), { kind: "OnePixel" });

/** x:[N,3,H,W] → logits:[N,classes]. */
export class MobileNetV2 extends ImageClassifier {
  readonly features: Sequential;
  /** The dropout and the dense classifier; undefined where the classifier is structured. */
  readonly classifier: Sequential | undefined;
  /** The structured classifier, a 1×1 convolution; undefined where the classifier is dense. */
  readonly classifier_conv: Layer | undefined;
  readonly #options: MobileNetV2Options;

  constructor(options: MobileNetV2Options, build: Build) {
    super();
    checkOptions("MobileNetV2", options, mobileNetV2Options);
    this.#options = options;
    const { classes = 1000, dropout = 0.2, convolution = Conv } = options;
    checkSize("MobileNetV2", "classes", classes, mostClasses);
    checkNumbers("MobileNetV2", { dropout }, { least: 0, below: 1 });
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
    const lastSite = { inChannels: channels, outChannels: 1280, kernel: 1, denseState: "weight" } as const;
    const last = convolutionNormReLU6(convolution(lastSite, build), 1280, build);
    this.features = new Sequential(stem, ...blocks, last);
    const classifier = convolution({ inChannels: 1280, outChannels: classes, kernel: 1, bias: true, denseState: "linear" }, build);
    for (const parameter of classifier.parameters().values()) parameter.role = "classifier";
    const dense = areDense(classifier);
    this.classifier = dense ? new Sequential(Dropout(dropout), classifier) : undefined;
    this.classifier_conv = dense ? undefined : classifier;
  }

  override describe(): Description {
    return { kind: "MobileNetV2" };
  }

  /** What the network was made with. */
  get options(): MobileNetV2Options {
    return this.#options;
  }

  /** The same network, newly initialised, with convolutions from another factory. */
  withConvolution(convolution: ConvolutionFactory, build: Build): MobileNetV2 {
    return new MobileNetV2({ ...this.#options, convolution }, build);
  }

  protected backbone(): Sequential {
    return this.features;
  }

  protected head(): Sequential {
    const { dropout = 0.2 } = this.#options;
    const classifier = this.classifier ?? new Sequential(Dropout(dropout), this.classifier_conv!);
    return new Sequential(GlobalAvgPool2d(), OnePixel(), classifier, Flatten());
  }

  /** The output of each inverted residual that halves the size, as in the paper's code. */
  protected attended(outputs: readonly Tensor[]): readonly Tensor[] {
    return outputs.filter((_, i) => {
      const layer = this.features.layers[i];
      return layer instanceof InvertedResidual && layer.stride > 1;
    });
  }

  /**
   * Earlier versions named the layers of a structured network as those of a dense one, and had `conv.` in the names of dense convolutions.
   */
  override formerName(name: string): string {
    if (this.classifier === undefined) return name.replace(/^classifier_conv\./, "classifier.1.").replace(flatLayer, nestedLayer);
    return name.replace(denseConvolution, "$1.conv.");
  }
}

/** The name of a dense 1×1 convolution. The first block has no widening, so its one convolution stands elsewhere. */
const denseConvolution =
  /^(features\.1\.conv\.1|features\.(?!1\.)\d+\.conv\.(?:0\.0|2)|features\.18\.0|classifier\.1)\.(?=(?:weight|bias)$)/;

/** The name of a layer in a flat inverted residual: `features.2.conv.6.`. The first block has no widening, so it starts with the window. */
const flatLayer = /^features\.(\d+)\.conv\.(\d+)\./;
/** The position of each group's first layer in a flat list, and whether the group is nested in torchvision. */
function nestedLayer(_: string, block: string, position: string): string {
  const at = Number(position);
  const nested = block === "1" ? 1 : 2;
  const path = at < 3 * nested ? `${Math.floor(at / 3)}.${at % 3}` : `${at - 2 * nested}`;
  return `features.${block}.conv.${path}.`;
}
