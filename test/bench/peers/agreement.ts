/** Checks that two libraries computed the same results, before anything is timed. */

/** Relative to the largest value: float32 sums of thousands of terms in different orders differ by about this much. */
const tolerance = 1e-3;

/** @throws Error with the index of a result that differs, and the difference relative to its largest value. */
export function checkAgreement(results: readonly ArrayLike<number>[], expected: readonly ArrayLike<number>[]): void {
  if (results.length !== expected.length) throw new Error(`gives ${results.length} results instead of ${expected.length}`);
  expected.forEach((values, i) => {
    const other = results[i]!;
    if (other.length !== values.length) throw new Error(`result ${i} has ${other.length} elements instead of ${values.length}`);
    let [largest, difference] = [Number.MIN_VALUE, 0];
    for (let j = 0; j < values.length; j++) {
      largest = Math.max(largest, Math.abs(values[j]!));
      const apart = Math.abs(values[j]! - other[j]!);
      // A NaN counts as an infinite difference.
      difference = apart <= difference ? difference : Number.isNaN(apart) ? Infinity : apart;
    }
    if (difference > tolerance * largest)
      throw new Error(`result ${i} is off by ${(difference / largest).toExponential(1)} of its largest value`);
  });
}
