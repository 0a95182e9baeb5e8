/** Remembers what convolutions, maps and factories were made from, so that a file of a network can say how to make them again. */

import type { Module } from "../nn/module.ts";
import type { ConvolutionFactory, ConvolutionSite } from "./convolution-factory.ts";
import type { FamilyOptions, FamilySpec } from "./family.ts";

/** What a factory makes its convolutions from. A file of a network keeps it, so that the network can be built again. */
export interface FactoryOrigin {
  /** The kind of the family and its hyper-parameters, without the record of a family that is not built in. */
  readonly spec: FamilySpec;
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
