/** What a network costs beside the dense network of the same sizes. No number of either network is computed. */

import { countSpec } from "../experiment/count-spec.ts";
import { denseSpec, formatNetwork, type NetworkSpec } from "../experiment/network-spec.ts";

export interface Costs {
  readonly network: string;
  readonly parameters: number;
  readonly denseParameters: number;
  /** Multiply-adds of one image, forwards. */
  readonly multiplyAdds: number;
  readonly denseMultiplyAdds: number;
}

/** @param side Height and width of an image in pixels. @throws ConfigError for a network that cannot be made. */
export function costsOf(spec: NetworkSpec, classes: number, side: number): Costs {
  const [own, dense] = [countSpec(spec, classes, side), countSpec(denseSpec(spec), classes, side)];
  return {
    network: formatNetwork(spec),
    parameters: own.params,
    denseParameters: dense.params,
    multiplyAdds: own.multAdds,
    denseMultiplyAdds: dense.multAdds,
  };
}
