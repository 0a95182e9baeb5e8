/** Maps and convolutions made from specs. */

import { checkOptions } from "../core/options.ts";
import type { Build } from "../nn/init.ts";
import type { ConvolutionFactory } from "./convolution-factory.ts";
import type { FamilyOptions } from "./family.ts";
import { checkHyperParameters, familyOptions } from "./family.ts";
import { factoryOf, withOrigin } from "./origin.ts";
import { SeparableConvolution } from "./separable.ts";
import { checkSizes } from "./sizes.ts";
import { type ConvolutionSpec, familyOf, familySpecOf } from "./spec.ts";
import type { StructuredLinear } from "./structured-linear.ts";

/** The structured map of a spec, W:[out,in]. @throws ConfigError for sizes that the family cannot have. */
export function createLinear(
  spec: ConvolutionSpec,
  inFeatures: number,
  outFeatures: number,
  build: Build,
  options: FamilyOptions = {},
): StructuredLinear {
  checkOptions("createLinear", options, familyOptions);
  const family = familyOf(spec);
  checkSizes(family.kind, { inFeatures, outFeatures });
  const own = familySpecOf(spec);
  checkHyperParameters(family, own);
  return withOrigin(family.linear(own, inFeatures, outFeatures, build, options), { spec: own, options, at: [inFeatures, outFeatures] });
}

/**
 * The factory that makes the convolutions of a network from a spec. If a site says whether it has a bias, this counts more than the
 * options.
 * @throws ConfigError for a hyper-parameter that is too large, and when the factory is called for a site that the family cannot have.
 */
export function convolutionFactory(spec: ConvolutionSpec, options: FamilyOptions = {}): ConvolutionFactory {
  checkOptions("convolutionFactory", options, familyOptions);
  const [family, own] = [familyOf(spec), familySpecOf(spec)];
  checkHyperParameters(family, own);
  return factoryOf({ spec: own, options }, (site, build) => {
    const chosen = site.bias === undefined ? options : { ...options, bias: site.bias };
    if (family.convolution !== undefined) return family.convolution(own, { ...site, bias: chosen.bias ?? false }, build, chosen);
    const createMap = (): StructuredLinear => createLinear(spec, site.inChannels, site.outChannels, build, chosen);
    return new SeparableConvolution(site, build, createMap, family.wrapper);
  });
}

/** The factory of depthwise windows, each followed by a dense 1×1 convolution. */
export const Sep: ConvolutionFactory = convolutionFactory({ kind: "Sep" });
