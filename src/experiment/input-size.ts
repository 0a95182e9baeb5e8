/** Which sizes of images a network can take. */

import { ConfigError, SeparableError } from "../core/errors.ts";
import { countNetwork } from "../count/count-network.ts";
import { createNetwork, formatNetwork, type NetworkSpec } from "./network-spec.ts";

/** The second classifier of DARTS pools windows of 5 pixels with stride 3, twice, from images that are a quarter as large. */
const leastAuxiliary = 29;

/** Why the network cannot take images of `size` × `size` pixels; undefined when it can. */
function refusalOf(spec: NetworkSpec, size: number): string | undefined {
  if (spec.auxiliary && size < leastAuxiliary) return `its second classifier needs ${leastAuxiliary} pixels`;
  try {
    countNetwork((build) => createNetwork(spec, 10, build, { init: "variance-preserving" }), [3, size, size]);
    return undefined;
  } catch (error) {
    if (error instanceof SeparableError) return error.message;
    throw error;
  }
}

/** @throws ConfigError, with the next size that fits, for images that the network cannot take. */
export function checkInputSize(spec: NetworkSpec, size: number): void {
  const reason = refusalOf(spec, size);
  if (reason === undefined) return;
  let next = size + 1;
  while (next < size + 64 && refusalOf(spec, next) !== undefined) next++;
  throw new ConfigError(
    `train: ${formatNetwork(spec)} must be able to take images of ${size}×${size} pixels, got: ${reason}; try --image-size ${next}`,
  );
}
