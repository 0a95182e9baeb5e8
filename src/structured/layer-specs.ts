/** A spec for each convolution of a network, so that every layer has ranks of its own. */

import { ConfigError } from "../core/errors.ts";
import type { Build } from "../nn/init.ts";
import { convolutionName, formatConvolution, kindIn } from "./convolution-name.ts";
import { convolutionFactory } from "./create-convolution.ts";
import type { StructuredFamily } from "./family.ts";
import type { ConvolutionSpec, OwnSpec } from "./spec.ts";
import { composed } from "./window-sum.ts";

/**
 * A spec that gives the convolutions of a network one spec after the other, in the order in which the network makes them. It is written
 * `Generic_0.1,Generic_0.25x2,Conv`. A network with more convolutions begins again with the first spec.
 * @throws ConfigError for no specs.
 */
export function layersOf(specs: readonly ConvolutionSpec[]): OwnSpec {
  if (specs.length === 0) throw new ConfigError("layersOf: needs one spec for each convolution of the network, got none");
  const kinds = [...new Set(specs.map((spec) => kindIn(convolutionName(spec))))].filter((kind) => kind !== "Conv");
  const text = specs.map(formatConvolution).join(",");
  // A network makes all its convolutions from one `build`. So another network, which has another `build`, begins with the first spec.
  const made = new WeakMap<Build, number>();
  const next = (build: Build): ConvolutionSpec => {
    const position = made.get(build) ?? 0;
    made.set(build, position + 1);
    return specs[position % specs.length]!;
  };
  const family: StructuredFamily = {
    kind: `${kinds.length === 1 ? kinds[0] : "Conv"}_by-layer`,
    parameters: [],
    examples: { inspect: { kind: "by-layer" } },
    linear: () => {
      throw new ConfigError("layersOf: a spec for each layer makes the convolutions of a network, and no single map");
    },
    convolution: (_, site, build, options) => convolutionFactory(next(build), options)(site, build),
  };
  return composed(family, text);
}
