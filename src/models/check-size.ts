/** The checks of the sizes that a user gives to a network. */

import { ConfigError } from "../core/errors.ts";

/** The most classes that a network can tell apart. */
export const mostClasses = 1_000_000;

/** @throws ConfigError unless `size` is an integer from `least` to `most`. */
export function checkSize(network: string, what: string, size: number, most: number, least = 1): void {
  if (!Number.isInteger(size) || size < least || size > most)
    throw new ConfigError(`${network}: ${what} must be an integer from ${least} to ${most}, got ${size}`);
}
