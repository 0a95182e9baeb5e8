/** The networks the command line knows, each under one entry: its sizes, what it is usually fed, how it is made and what it is called. */

import type { ConvolutionNetwork } from "../compress/compress.ts";
import { Darts } from "../models/darts.ts";
import { MobileNetV2 } from "../models/mobile-net-v2.ts";
import { ResNet } from "../models/res-net.ts";
import { WideResNet } from "../models/wide-resnet.ts";
import type { Foldable } from "../nn/fold-batch-norm.ts";
import type { Build } from "../nn/init.ts";
import { convolutionName } from "../structured/convolution-text.ts";
import { convolutionFactory } from "../structured/create-convolution.ts";
import type { FamilyOptions } from "../structured/family.ts";
import type { ConvolutionSpec } from "../structured/spec.ts";
import type { AttentiveClassifier } from "../train/evaluate.ts";

export const networkKinds = ["wrn", "wrn-50-2", "darts", "mobilenet-v2"] as const;
export type NetworkKind = (typeof networkKinds)[number];

export interface NetworkSpec {
  readonly kind: NetworkKind;
  /** Of `wrn`, its layers, 6n + 4; of `darts`, its cells. Others have one size. */
  readonly depth?: number | undefined;
  /** Of `wrn`, times 16 channels; of `darts`, the channels of its first cells. */
  readonly width?: number | undefined;
  readonly dropout?: number | undefined;
  /** Of `wrn`: attention maps in each group of blocks. */
  readonly attentionSplit?: number | undefined;
  /** Of `darts`: whether it has the second classifier that only training uses. */
  readonly auxiliary?: boolean | undefined;
  readonly convolution: ConvolutionSpec;
}

/** A network to classify with, whose convolutions can be exchanged. */
export interface Network extends AttentiveClassifier, Foldable, ConvolutionNetwork<AttentiveClassifier> {}

interface Sizes {
  readonly depth: number;
  readonly width: number;
}

interface NetworkEntry {
  /** What depth and width are where nothing is said of them; undefined where they cannot be chosen. */
  readonly sizes: Sizes | undefined;
  /** What depth must be. */
  readonly depthRule?: { readonly allowed: string; accepts(depth: number): boolean };
  /** What the paper feeds it: pixels on a side, and classes. */
  readonly input: number;
  readonly classes: number;
  /** The convolution whose network is the whole that compression is a share of. */
  readonly dense: ConvolutionSpec;
  create(spec: NetworkSpec & Sizes, classes: number, build: Build, options: FamilyOptions): Network;
}

/** The size of networks that have only one; nobody reads it. */
const fixed: Sizes = { depth: 0, width: 0 };

export const networks: Readonly<Record<NetworkKind, NetworkEntry>> = {
  wrn: {
    sizes: { depth: 10, width: 1 },
    depthRule: { allowed: "6n + 4 with n ≥ 1 (10, 16, 22, …)", accepts: (depth) => depth >= 10 && depth % 6 === 4 },
    input: 32,
    classes: 10,
    dense: { kind: "Conv" },
    create: ({ depth, width, dropout = 0, attentionSplit = 1, convolution }, classes, build, options) =>
      new WideResNet({ depth, width, dropout, attentionSplit, classes, convolution: convolutionFactory(convolution, options) }, build),
  },
  "wrn-50-2": {
    sizes: undefined,
    input: 224,
    classes: 1000,
    dense: { kind: "Conv" },
    create: ({ convolution }, classes, build, options) =>
      new ResNet({ classes, convolution: convolutionFactory(convolution, options) }, build),
  },
  darts: {
    sizes: { depth: 20, width: 36 },
    depthRule: { allowed: "at least 3 cells", accepts: (depth) => depth >= 3 },
    input: 32,
    classes: 10,
    // DARTS was found with separable convolutions; its compression is told against those (paper, table 2).
    dense: { kind: "Sep" },
    create: ({ depth, width, auxiliary = false, convolution }, classes, build, options) =>
      new Darts({ layers: depth, channels: width, auxiliary, classes, convolution: convolutionFactory(convolution, options) }, build),
  },
  "mobilenet-v2": {
    sizes: undefined,
    input: 224,
    classes: 1000,
    dense: { kind: "Conv" },
    create: ({ dropout = 0, convolution }, classes, build, options) =>
      new MobileNetV2({ dropout, classes, convolution: convolutionFactory(convolution, options) }, build),
  },
};

/** What is wrong with the sizes given for a network; undefined where nothing is. */
export function sizeRefusal(kind: NetworkKind, given: Pick<NetworkSpec, "depth" | "width">): string | undefined {
  const { sizes, depthRule } = networks[kind];
  if (sizes === undefined) {
    const name = given.depth !== undefined ? "depth" : given.width !== undefined ? "width" : undefined;
    return name && `--${name} has no use with --network ${kind}, which has one size`;
  }
  if (given.depth !== undefined && depthRule?.accepts(given.depth) === false)
    return `--depth must be ${depthRule.allowed}, got "${given.depth}"`;
  return undefined;
}

/** @throws ConfigError for sizes that the network cannot have, or sites its convolution cannot stand at. */
export function createNetwork(spec: NetworkSpec, classes: number, build: Build, options: FamilyOptions = {}): Network {
  const { sizes, create } = networks[spec.kind];
  const { depth, width } = sizes ?? fixed;
  return create({ ...spec, depth: spec.depth ?? depth, width: spec.width ?? width }, classes, build, options);
}

/** `wrn-10-1`, `darts-20-36`, `mobilenet-v2`: a network whatever its convolutions. */
export function formatArchitecture({ kind, depth, width }: NetworkSpec): string {
  const { sizes } = networks[kind];
  return sizes === undefined ? kind : [kind, depth ?? sizes.depth, width ?? sizes.width].join("-");
}

/** `wrn-10-1-Conv`: how run folders and reports call a network. */
export const formatNetwork = (spec: NetworkSpec): string => `${formatArchitecture(spec)}-${convolutionName(spec.convolution)}`;

/** What the network is told against: itself with dense convolutions, or what stands for them. */
export const denseSpec = (spec: NetworkSpec): NetworkSpec => ({ ...spec, convolution: networks[spec.kind].dense });
