/** The checks of sizes and ranks that a user gives to a structured map. */

import { ConfigError } from "../core/errors.ts";
import { divisors } from "../core/factors.ts";
import { sizeOf } from "../core/shape.ts";

/** @throws ConfigError unless sizes are integers ≥ 1. */
export function checkSizes(name: string, sizes: Readonly<Record<string, number>>): void {
  for (const [what, size] of Object.entries(sizes))
    if (!Number.isInteger(size) || size < 1) throw new ConfigError(`${name}: ${what} must be an integer ≥ 1, got ${size}`);
}

/** @throws ConfigError unless there are `least` integers ≥ 1 or more, with the product `size`. `meaning` says in words what `size` is. */
export function checkFactors(name: string, what: string, factors: readonly number[], size: number, meaning: string, least = 1): void {
  checkSizes(name, Object.fromEntries(factors.map((factor, k) => [`${what}[${k}]`, factor])));
  if (factors.length < least || sizeOf(factors) !== size)
    throw new ConfigError(
      `${name}: ${what} must be ${least} or more integers with the product ${size} (${meaning}), ` +
        `got [${factors}] with the product ${sizeOf(factors)}`,
    );
}

/** @throws ConfigError unless `value` divides `size`. */
export function checkDivisor(name: string, what: string, value: number, size: number, meaning: string): void {
  checkSizes(name, { [what]: value });
  if (size % value !== 0) throw new ConfigError(`${name}: ${what} must divide ${size} (${meaning}), got ${value}`);
}

/**
 * The largest divisor of `size` that is at most `wanted`. A `wanted` that is no integer ≥ 1 is returned as it is, and the map refuses it by
 * name.
 */
export const loweredDivisor = (size: number, wanted: number): number =>
  Number.isInteger(wanted) && wanted >= 1
    ? divisors(size)
        .filter((d) => d <= wanted)
        .at(-1)!
    : wanted;

/** @throws ConfigError unless `rank` is an integer from 1 to `most`. `reason` says where the limit comes from. */
export function checkRank(name: string, what: string, rank: number, most: number, reason: string): void {
  if (!Number.isInteger(rank) || rank < 1 || rank > most)
    throw new ConfigError(`${name}: ${what} must be an integer from 1 to ${most} (${reason}), got ${rank}`);
}

/**
 * Checks the ranks of a tensor train whose core k has the size dims[k]: r_k ≤ r_{k−1}·d_k and r_k ≤ d_{k+1}·r_{k+1}, as no larger rank
 * gives more tensors.
 * @throws ConfigError that names what the neighbours allow.
 */
export function checkTrainRanks(name: string, dims: readonly number[], ranks: readonly number[]): void {
  if (ranks.length !== dims.length - 1)
    throw new ConfigError(`${name}: ranks must have one rank for each of the ${dims.length - 1} bonds between [${dims}], got [${ranks}]`);
  checkSizes(name, Object.fromEntries(ranks.map((rank, k) => [`ranks[${k}]`, rank])));
  for (const [k, rank] of ranks.entries()) {
    const [left, right] = [ranks[k - 1] ?? 1, ranks[k + 1] ?? 1];
    const [size, next] = [dims[k]!, dims[k + 1]!];
    const reason = `its neighbours allow ${left}·${size} = ${left * size} on the left and ${next}·${right} = ${next * right} on the right`;
    checkRank(name, `ranks[${k}]`, rank, Math.min(left * size, next * right), reason);
  }
}

/** Checks the ranks of a Tucker form: s_k ≤ d_k, and s_k ≤ the product of the other ranks. @throws ConfigError that names the limit. */
export function checkTuckerRanks(name: string, dims: readonly number[], ranks: readonly number[]): void {
  if (ranks.length !== dims.length) throw new ConfigError(`${name}: ranks must have one rank for each of [${dims}], got [${ranks}]`);
  checkSizes(name, Object.fromEntries(ranks.map((rank, k) => [`ranks[${k}]`, rank])));
  for (const [k, rank] of ranks.entries()) {
    const others = sizeOf(ranks.filter((_, j) => j !== k));
    const reason = `dims[${k}] is ${dims[k]}, and the product of the other ranks is ${others}`;
    checkRank(name, `ranks[${k}]`, rank, Math.min(dims[k]!, others), reason);
  }
}
