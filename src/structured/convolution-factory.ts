/** A factory makes the convolutions of a network. It decides what each convolution is made of. */

import type { Padding } from "../core/convolution-geometry.ts";
import type { Build } from "../nn/init.ts";
import type { Layer, Module } from "../nn/module.ts";
import type { FamilyOptions } from "./family.ts";
import type { ConvolutionSpec } from "./spec.ts";

/** The k×k convolution that a network needs at one place, with k = `kernel`. */
export interface ConvolutionSite {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernel: number;
  readonly stride?: number;
  /** Default: ⌊kernel/2⌋, so that stride 1 keeps the size of an image. */
  readonly padding?: Padding;
  readonly dilation?: number;
  readonly groups?: number;
  readonly bias?: boolean;
  /**
   * How the weight of a dense convolution appears in the state. `conv.weight`: as in the paper's code. `weight`: as in torchvision. `linear`:
   * as the `weight`:[O,I] of a linear layer, for a 1×1 convolution. Structured convolutions do not use it. Default: `conv.weight`.
   */
  readonly denseState?: "conv.weight" | "weight" | "linear";
}

export type ConvolutionFactory = (site: ConvolutionSite, build: Build) => Layer;

/** What a factory makes its convolutions from. A file of a network keeps it, so that the network can be built again. */
export interface FactoryOrigin {
  readonly spec: ConvolutionSpec;
  readonly options: FamilyOptions;
}

const factoryOrigins = new WeakMap<ConvolutionFactory, FactoryOrigin>();

/** The origin of a factory; undefined for a factory that is a function of the user's own. */
export const originOfFactory = (factory: ConvolutionFactory): FactoryOrigin | undefined => factoryOrigins.get(factory);

/** A convolution or a map with what it was made from. A map has no site but two sizes. */
export interface LayerOrigin extends FactoryOrigin {
  readonly at: ConvolutionSite | readonly [inFeatures: number, outFeatures: number];
}

const layerOrigins = new WeakMap<Module, LayerOrigin>();

/** The origin of a convolution that a factory has made, or of a map of `createLinear`; undefined for any other module. */
export const originOfLayer = (layer: Module): LayerOrigin | undefined => layerOrigins.get(layer);

/** Remembers what a module was made from, and returns the module. */
export function withOrigin<M extends Module>(layer: M, origin: LayerOrigin): M {
  layerOrigins.set(layer, origin);
  return layer;
}

/** The factory, remembered with its origin, as are the convolutions that it makes. */
export function factoryOf(origin: FactoryOrigin, make: ConvolutionFactory): ConvolutionFactory {
  const factory: ConvolutionFactory = (site, build) => withOrigin(make(site, build), { ...origin, at: site });
  factoryOrigins.set(factory, origin);
  return factory;
}
