/** The registry: for every kind of convolution, the structured map it rests on and the convolution made of it. */

import type { Build } from "../nn/init.ts";
import type { Layer } from "../nn/module.ts";
import { AcdcLinear } from "./acdc.ts";
import { BlastLinear } from "./blast.ts";
import { BlockTensorTrainLinear, squareBlocks } from "./block-tensor-train.ts";
import { ButterflyLinear } from "./butterfly.ts";
import { CanonicalPolyadicLinear } from "./canonical-polyadic.ts";
import type { ConvolutionFactory, ConvolutionSite } from "./convolution-factory.ts";
import { DenseConvolution } from "./dense.ts";
import { DenseLinear } from "./dense-linear.ts";
import { HashedLinear } from "./hashed.ts";
import { HashedConvolution } from "./hashed-convolution.ts";
import { KroneckerLinear } from "./kronecker.ts";
import { LinearShuffle, ShuffleConvolution } from "./linear-shuffle.ts";
import { LowRankLinear, rankOf, TiedLowRankLinear } from "./low-rank.ts";
import { MatrixTensorTrainLinear } from "./matrix-tensor-train.ts";
import { MonarchLinear } from "./monarch.ts";
import { SeparableConvolution, type SeparableOptions } from "./separable.ts";
import type { ConvolutionKind, ConvolutionSpec, SpecOf } from "./spec.ts";
import type { StructuredLinear, StructuredOptions } from "./structured-linear.ts";
import { TensorTrainLinear } from "./tensor-train.ts";
import { TuckerLinear } from "./tucker.ts";

/** Options of a family that are not hyper-parameters of one kind. */
export interface FamilyOptions extends StructuredOptions {
  /** Hashed kinds: leave the last shared weight undrawn, as the paper's code does (docs/faithfulness.md). */
  readonly lastWeightUnused?: boolean;
}

export interface Family<S extends ConvolutionSpec> {
  /** The map W:[out,in]. */
  linear(spec: S, inFeatures: number, outFeatures: number, build: Build, options: FamilyOptions): StructuredLinear;
  /** The convolution; where absent, the wrapper around `linear`. */
  convolution?(spec: S, site: ConvolutionSite, build: Build, options: FamilyOptions): Layer;
  /** How the wrapper is to be, where not plain. */
  readonly wrapper?: SeparableOptions;
}

const acdc = (riffle: boolean): Family<SpecOf<"ACDC">> => ({
  linear: ({ factors }, inFeatures, outFeatures, build, options) =>
    new AcdcLinear(inFeatures, outFeatures, factors, build, { ...options, riffle }),
});

/** Shared values of the 1×1 map where the budget is a share of the k×k convolution's weights, its window taken off. */
const decimated = ({ inChannels, outChannels, kernel }: ConvolutionSite): number =>
  Math.floor((outChannels * inChannels * kernel ** 2) / 10) - inChannels * kernel ** 2;

/** Both parts of a hashed separable convolution share one budget in proportion to their sizes. */
function hashedShares({ inChannels, outChannels, kernel }: ConvolutionSite, fraction: number): { window: number; map: number } {
  const [window, map] = [inChannels * kernel ** 2, inChannels * outChannels];
  const total = Math.floor(fraction * (window + map));
  if (kernel === 1) return { window: 0, map: total };
  return { window: Math.floor((total * window) / (window + map)), map: Math.floor((total * map) / (window + map)) };
}

/** Hashed layers always have a bias, as the paper's code; of a whole hashed convolution it keeps the full decay, of a hashed map it does not. */
const hashedConvolution = (site: ConvolutionSite, budget: number, build: Build, { lastWeightUnused = false }: FamilyOptions): Layer =>
  new HashedConvolution(site, budget, build, { bias: true, biasDecay: "full", lastWeightUnused });

const hashedMap = (
  site: ConvolutionSite,
  budget: number,
  build: Build,
  { init = "reference", lastWeightUnused = false }: FamilyOptions,
): StructuredLinear => new HashedLinear(site.inChannels, site.outChannels, budget, build, { init, lastWeightUnused, bias: true });

const site1x1 = (inChannels: number, outChannels: number): ConvolutionSite => ({ inChannels, outChannels, kernel: 1 });

/** A hashed map on its own has the bias only where asked. */
const hashedLinear = (inFeatures: number, outFeatures: number, budget: number, build: Build, options: FamilyOptions): StructuredLinear =>
  new HashedLinear(inFeatures, outFeatures, budget, build, { bias: false, ...options });

export const families: { readonly [K in ConvolutionKind]: Family<SpecOf<K>> } = {
  Conv: {
    linear: (_, inFeatures, outFeatures, build, options) => new DenseLinear(inFeatures, outFeatures, build, options),
    convolution: (_, site, build, { bias = false }) => new DenseConvolution({ ...site, bias }, build),
  },
  Sep: { linear: (_, inFeatures, outFeatures, build, options) => new DenseLinear(inFeatures, outFeatures, build, options) },
  ACDC: acdc(true),
  // The paper's code builds the same layer under both names.
  OriginalACDC: acdc(true),
  PlainACDC: acdc(false),
  Hashed: {
    linear: ({ fraction }, inFeatures, outFeatures, build, options) =>
      hashedLinear(inFeatures, outFeatures, Math.floor(inFeatures * outFeatures * fraction), build, options),
    convolution: ({ fraction }, site, build, options) =>
      hashedConvolution(site, Math.floor(site.outChannels * site.inChannels * site.kernel ** 2 * fraction), build, options),
  },
  HashedDecimate: {
    linear: (_, inFeatures, outFeatures, build, options) =>
      hashedLinear(inFeatures, outFeatures, Math.floor((inFeatures * outFeatures) / 10), build, options),
    convolution: (_, site, build, options) =>
      hashedConvolution(site, Math.floor((site.outChannels * site.inChannels * site.kernel ** 2) / 10), build, options),
  },
  SepHashed: {
    linear: ({ fraction }, inFeatures, outFeatures, build, options) =>
      hashedLinear(inFeatures, outFeatures, Math.floor(inFeatures * outFeatures * fraction), build, options),
    convolution: ({ fraction }, site, build, options) =>
      new SeparableConvolution(site, build, () =>
        hashedMap(site, Math.floor(site.inChannels * site.outChannels * fraction), build, options),
      ),
  },
  SepHashedDecimate: {
    linear: (_, inFeatures, outFeatures, build, options) =>
      hashedLinear(inFeatures, outFeatures, decimated(site1x1(inFeatures, outFeatures)), build, options),
    convolution: (_, site, build, options) => new SeparableConvolution(site, build, () => hashedMap(site, decimated(site), build, options)),
  },
  HashedSeparable: {
    linear: ({ fraction }, inFeatures, outFeatures, build, options) =>
      hashedLinear(inFeatures, outFeatures, hashedShares(site1x1(inFeatures, outFeatures), fraction).map, build, options),
    convolution: ({ fraction }, site, build, options) => {
      const shares = hashedShares(site, fraction);
      const { lastWeightUnused = false } = options;
      return new SeparableConvolution(site, build, () => hashedMap(site, shares.map, build, options), {
        window: (window) =>
          new HashedConvolution({ ...window, outChannels: window.inChannels, groups: window.inChannels }, shares.window, build, {
            bias: true,
            decay: "full",
            lastWeightUnused,
          }),
      });
    },
  },
  Generic: {
    linear: ({ scale }, inFeatures, outFeatures, build, options) =>
      new LowRankLinear(inFeatures, outFeatures, rankOf("Generic", scale, inFeatures, outFeatures), build, options),
    wrapper: { dropsPadding: true },
  },
  LR: {
    linear: ({ scale }, inFeatures, outFeatures, build, options) =>
      new TiedLowRankLinear(inFeatures, outFeatures, rankOf("LR", scale, inFeatures, outFeatures), build, options),
    wrapper: { dropsPadding: true },
  },
  TensorTrain: {
    linear: ({ scale }, inFeatures, outFeatures, build, options) => new TensorTrainLinear(inFeatures, outFeatures, scale, build, options),
  },
  Tucker: {
    linear: ({ scale }, inFeatures, outFeatures, build, options) => new TuckerLinear(inFeatures, outFeatures, scale, build, options),
  },
  CP: {
    linear: ({ scale }, inFeatures, outFeatures, build, options) =>
      new CanonicalPolyadicLinear(inFeatures, outFeatures, scale, build, options),
  },
  Shuffle: {
    linear: ({ groups }, inFeatures, outFeatures, build, options) => new LinearShuffle(inFeatures, outFeatures, groups, build, options),
    convolution: ({ groups }, site, build, options) => new ShuffleConvolution(site, groups, build, options),
  },
  Monarch: {
    linear: ({ blocks }, inFeatures, outFeatures, build, options) => new MonarchLinear(inFeatures, outFeatures, blocks, build, options),
  },
  BlockTensorTrain: {
    linear: ({ rank }, inFeatures, outFeatures, build, options) =>
      new BlockTensorTrainLinear(inFeatures, outFeatures, squareBlocks(inFeatures, outFeatures, rank), build, options),
  },
  MatrixTensorTrain: {
    linear: (spec, inFeatures, outFeatures, build, options) => new MatrixTensorTrainLinear(inFeatures, outFeatures, spec, build, options),
  },
  Kronecker: {
    linear: ({ terms }, inFeatures, outFeatures, build, options) => new KroneckerLinear(inFeatures, outFeatures, terms, build, options),
  },
  BLAST: {
    linear: ({ scale, blocks }, inFeatures, outFeatures, build, options) => {
      const rank = Math.max(1, Math.round(scale * Math.min(inFeatures, outFeatures)));
      return new BlastLinear(inFeatures, outFeatures, { blocks, rank }, build, options);
    },
  },
  Butterfly: {
    linear: (_, inFeatures, outFeatures, build, options) => new ButterflyLinear(inFeatures, outFeatures, build, options),
  },
};

const familyOf = (spec: ConvolutionSpec): Family<ConvolutionSpec> => families[spec.kind] as Family<ConvolutionSpec>;

/** The structured map of a spec, W:[out,in]. @throws ConfigError for sizes the family cannot have. */
export const createLinear = (
  spec: ConvolutionSpec,
  inFeatures: number,
  outFeatures: number,
  build: Build,
  options: FamilyOptions = {},
): StructuredLinear => familyOf(spec).linear(spec, inFeatures, outFeatures, build, options);

/** What a network asks for its convolutions. @throws ConfigError, from the factory, for sites the family cannot have. */
export const convolutionFactory =
  (spec: ConvolutionSpec, options: FamilyOptions = {}): ConvolutionFactory =>
  (site, build) => {
    const family = familyOf(spec);
    const chosen = site.bias === undefined ? options : { ...options, bias: site.bias };
    if (family.convolution !== undefined) return family.convolution(spec, { ...site, bias: chosen.bias ?? false }, build, chosen);
    const createMap = (): StructuredLinear => family.linear(spec, site.inChannels, site.outChannels, build, chosen);
    return new SeparableConvolution(site, build, createMap, family.wrapper);
  };

/** Depthwise, then a dense 1×1 convolution. */
export const Sep: ConvolutionFactory = convolutionFactory({ kind: "Sep" });
