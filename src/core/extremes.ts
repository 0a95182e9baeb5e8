/**
 * The largest and the smallest of any number of values. `Math.max(...values)` passes each value as an argument, and engines throw a
 * RangeError at about a hundred thousand arguments.
 */

/** The largest value. It is −∞ for no values, and NaN if any value is NaN, as `Math.max` is. */
export function maximumOf(values: Iterable<number>): number {
  let best = Number.NEGATIVE_INFINITY;
  for (const value of values) best = Math.max(best, value);
  return best;
}

/** The smallest value. It is ∞ for no values, and NaN if any value is NaN, as `Math.min` is. */
export function minimumOf(values: Iterable<number>): number {
  let best = Number.POSITIVE_INFINITY;
  for (const value of values) best = Math.min(best, value);
  return best;
}
