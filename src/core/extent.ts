/** The smallest and the largest of many numbers. `Math.max(...values)` overflows the stack from about 100,000 values on. */

/** The smallest value, or +∞ where there are no values. NaN where a value is NaN. */
export function smallest(values: Iterable<number>): number {
  let least = Number.POSITIVE_INFINITY;
  for (const value of values) least = Math.min(least, value);
  return least;
}

/** The largest value, or −∞ where there are no values. NaN where a value is NaN. */
export function largest(values: Iterable<number>): number {
  let most = Number.NEGATIVE_INFINITY;
  for (const value of values) most = Math.max(most, value);
  return most;
}
