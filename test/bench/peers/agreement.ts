/** Whether two libraries solved the same problem: before anything is timed. */

/** Different orders of float32 summation over thousands of terms differ by about this much of the largest value. */
const tolerance = 1e-3;

/** @throws Error naming the result that differs, relative to its largest value. */
export function checkAgreement(results: readonly ArrayLike<number>[], expected: readonly ArrayLike<number>[]): void {
  if (results.length !== expected.length) throw new Error(`gives ${results.length} results instead of ${expected.length}`);
  expected.forEach((values, i) => {
    const other = results[i]!;
    if (other.length !== values.length) throw new Error(`result ${i} has ${other.length} elements instead of ${values.length}`);
    let [largest, difference] = [Number.MIN_VALUE, 0];
    for (let j = 0; j < values.length; j++) {
      largest = Math.max(largest, Math.abs(values[j]!));
      const apart = Math.abs(values[j]! - other[j]!);
      // NaN must not pass as close.
      difference = apart <= difference ? difference : Number.isNaN(apart) ? Infinity : apart;
    }
    if (difference > tolerance * largest)
      throw new Error(`result ${i} is off by ${(difference / largest).toExponential(1)} of its largest value`);
  });
}
