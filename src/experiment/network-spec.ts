/** The networks that settings can describe. One entry a network holds its sizes, its usual input, its constructor and its name. */

import type { ConvolutionNetwork } from "../compress/compress.ts";
import { Darts, dartsLimits } from "../models/darts.ts";
import { FastNet, fastNetLimits } from "../models/fast-net.ts";
import { MobileNetV2 } from "../models/mobile-net-v2.ts";
import { ResNet } from "../models/res-net.ts";
import { WideResNet, wideResNetLimits } from "../models/wide-resnet.ts";
import type { Build } from "../nn/init.ts";
import type { Layer } from "../nn/module.ts";
import { convolutionName } from "../structured/convolution-text.ts";
import { convolutionFactory } from "../structured/create-convolution.ts";
import type { FamilyOptions } from "../structured/family.ts";
import type { ConvolutionSpec } from "../structured/spec.ts";
import type { AttentiveClassifier } from "../train/evaluate.ts";

export const networkKinds = ["wrn", "wrn-50-2", "darts", "mobilenet-v2", "fast"] as const;
export type NetworkKind = (typeof networkKinds)[number];

export interface NetworkSpec {
  readonly kind: NetworkKind;
  /** The layers of `wrn`, 6n + 4, or the cells of `darts`. The other networks have one size. */
  readonly depth?: number | undefined;
  /** The factor of the channels of `wrn`, or the channels of the first cells of `darts`. */
  readonly width?: number | undefined;
  /** The channels of the three groups of `fast`. */
  readonly widths?: readonly number[] | undefined;
  readonly dropout?: number | undefined;
  /** The number of attention maps in each group of blocks of `wrn`. Default: 1. */
  readonly attentionSplit?: number | undefined;
  /** Whether `darts` has a second classifier, which only training uses. Default: false. */
  readonly auxiliary?: boolean | undefined;
  readonly convolution: ConvolutionSpec;
}

/** A classifier whose convolutions can be exchanged and whose batch norms can be folded. */
export interface Network extends Layer, AttentiveClassifier, ConvolutionNetwork<AttentiveClassifier> {}

interface Sizes {
  readonly depth: number;
  readonly width: number;
}

interface NetworkEntry {
  /** The default depth and width; undefined for a network that has one size. */
  readonly sizes: Sizes | undefined;
  /** The depths and widths that are allowed. A network that has one size has no rules. */
  readonly rules?: { readonly [Size in keyof Sizes]: { readonly allowed: string; accepts(size: number): boolean } };
  /** Height and width in pixels of the images in the paper. */
  readonly input: number;
  /** The number of classes in the paper. */
  readonly classes: number;
  /** The convolution of the network whose size is the denominator of the compression ratio. */
  readonly dense: ConvolutionSpec;
  create(spec: NetworkSpec & Sizes, classes: number, build: Build, options: FamilyOptions): Network;
}

/** The names that the options of the networks' classes have in `NetworkSpec`, where they have another one. */
const specNames: Readonly<Record<string, keyof NetworkSpec>> = { layers: "depth", channels: "width" };

/** The network of a class that was made with these options, such as `WideResNet`; undefined for any other class. */
export function specOfClass(
  name: string,
  options: Readonly<Record<string, unknown>>,
  convolution: ConvolutionSpec,
): NetworkSpec | undefined {
  const kind = Object.hasOwn(kindsOfClasses, name) ? kindsOfClasses[name] : undefined;
  const named = Object.entries(options).map(([option, value]) => [specNames[option] ?? option, value]);
  return kind && { ...Object.fromEntries(named), kind, convolution };
}

/** Stands for the size of networks that have only one. Their constructors do not read it. */
const fixed: Sizes = { depth: 0, width: 0 };

export const networks: Readonly<Record<NetworkKind, NetworkEntry>> = {
  wrn: {
    sizes: { depth: 10, width: 1 },
    rules: {
      depth: {
        allowed: `6n + 4 with n ≥ 1 (10, 16, 22, …, ${wideResNetLimits.depth})`,
        accepts: (depth) => depth >= 10 && depth % 6 === 4 && depth <= wideResNetLimits.depth,
      },
      width: { allowed: `from 1 to ${wideResNetLimits.width}`, accepts: (width) => width <= wideResNetLimits.width },
    },
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
    rules: {
      depth: { allowed: `from 3 to ${dartsLimits.layers} cells`, accepts: (depth) => depth >= 3 && depth <= dartsLimits.layers },
      width: { allowed: `from 1 to ${dartsLimits.channels}`, accepts: (width) => width <= dartsLimits.channels },
    },
    input: 32,
    classes: 10,
    // The architecture search that found DARTS used separable convolutions, and the paper compresses relative to those (table 2).
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
  fast: {
    sizes: undefined,
    input: 32,
    classes: 10,
    dense: { kind: "Conv" },
    create: ({ widths = fastNetLimits.widths, convolution }, classes, build, options) =>
      new FastNet({ widths, classes, convolution: convolutionFactory(convolution, options) }, build),
  },
};

/** The kind of each network's class, by the name that its recipe has. */
const kindsOfClasses: Readonly<Record<string, NetworkKind>> = {
  WideResNet: "wrn",
  ResNet: "wrn-50-2",
  Darts: "darts",
  MobileNetV2: "mobilenet-v2",
  FastNet: "fast",
};

/** The input size of the paper for the network of a class such as `ResNet`, in pixels; undefined for any other class. */
export function inputOfClass(name: string): number | undefined {
  const kind = Object.hasOwn(kindsOfClasses, name) ? kindsOfClasses[name] : undefined;
  return kind && networks[kind].input;
}

/** Says what is wrong with the depth or width given for a network; undefined when both are allowed. */
export function sizeRefusal(kind: NetworkKind, given: Pick<NetworkSpec, "depth" | "width">): string | undefined {
  const { sizes, rules } = networks[kind];
  if (sizes === undefined) {
    const name = given.depth !== undefined ? "depth" : given.width !== undefined ? "width" : undefined;
    const advice = kind === "fast" ? "whose size is --widths" : "which has one size";
    return name && `--${name} has no use with --network ${kind}, ${advice}`;
  }
  for (const name of ["depth", "width"] as const) {
    const [size, rule] = [given[name], rules?.[name]];
    if (size !== undefined && rule?.accepts(size) === false) return `--${name} must be ${rule.allowed}, got "${size}"`;
  }
  return undefined;
}

/** Makes a network. @throws ConfigError for a size that the network cannot have, and for a layer that the convolution cannot replace. */
export function createNetwork(spec: NetworkSpec, classes: number, build: Build, options: FamilyOptions = {}): Network {
  const { sizes, create } = networks[spec.kind];
  const { depth, width } = sizes ?? fixed;
  return create({ ...spec, depth: spec.depth ?? depth, width: spec.width ?? width }, classes, build, options);
}

/** The name of a network without its convolution: `wrn-10-1`, `darts-20-36`, `mobilenet-v2`, `fast-64-256-256`. */
export function formatArchitecture({ kind, depth, width, widths = fastNetLimits.widths }: NetworkSpec): string {
  const { sizes } = networks[kind];
  if (kind === "fast") return [kind, ...widths].join("-");
  return sizes === undefined ? kind : [kind, depth ?? sizes.depth, width ?? sizes.width].join("-");
}

/** The name of a network in run folders and reports: `wrn-10-1-Conv`. */
export const formatNetwork = (spec: NetworkSpec): string => `${formatArchitecture(spec)}-${convolutionName(spec.convolution)}`;

/** The same network with the convolution that its compression ratio is relative to. */
export const denseSpec = (spec: NetworkSpec): NetworkSpec => ({ ...spec, convolution: networks[spec.kind].dense });
