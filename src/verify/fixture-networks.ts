/** The networks that fixtures name, and their specifications. */

import type { NetworkSpec } from "../experiment/network-spec.ts";
import type { ConvolutionSpec } from "../structured/spec.ts";

/** Makes the specification of a network. `dimension` returns a dimension (`depth`, `width`) by its name. */
export type MakeSpec = (dimension: (name: string) => number, convolution: ConvolutionSpec) => NetworkSpec;

const networks: Readonly<Record<string, MakeSpec>> = {
  WideResNet: (dimension, convolution) => ({ kind: "wrn", depth: dimension("depth"), width: dimension("width"), dropout: 0, convolution }),
  WRN_50_2: (_, convolution) => ({ kind: "wrn-50-2", convolution }),
  DARTS: (_, convolution) => ({ kind: "darts", convolution }),
  MobileNetV2: (_, convolution) => ({ kind: "mobilenet-v2", convolution }),
};

/** Finds a network by its name in fixtures, or says which names there are. */
export function findNetwork(name: string): { readonly spec: MakeSpec } | { readonly missing: string } {
  const spec = Object.hasOwn(networks, name) ? networks[name] : undefined;
  return spec === undefined ? { missing: `${name} is none of ${Object.keys(networks).join(", ")}` } : { spec };
}
