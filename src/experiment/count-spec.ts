/** Counts a network from its specification. */

import { countNetwork, type NetworkCount } from "../count/count-network.ts";
import type { Mode } from "../structured/structured-linear.ts";
import { compressionRatio } from "./compression-ratio.ts";
import { createNetwork, type NetworkSpec } from "./network-spec.ts";

export interface NetworkReport extends NetworkCount {
  /** Parameters of the network / parameters of the dense network with the same architecture. */
  readonly compressionRatio: number;
}

/**
 * Counts a network on one image of three channels and `input`×`input` pixels.
 *
 * @param mode how structured layers compute. Default: `auto`.
 * @throws ConfigError for a network that cannot be made.
 */
export function countSpec(spec: NetworkSpec, classes: number, input: number, mode?: Mode): NetworkReport {
  const options = { init: "variance-preserving", ...(mode === undefined ? {} : { mode }) } as const;
  const count = countNetwork((build) => createNetwork(spec, classes, build, options), [3, input, input]);
  return { ...count, compressionRatio: compressionRatio(spec, classes, { parameterCount: () => count.params }) };
}
