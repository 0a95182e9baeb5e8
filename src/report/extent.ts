/** The bounds of many values. */

/** The smallest and the largest value. A loop finds them, because `Math.min(...values)` fails for more values than the stack holds. */
export function extent(values: Iterable<number>): readonly [least: number, largest: number] {
  let [least, largest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    if (value < least) least = value;
    if (value > largest) largest = value;
  }
  return [least, largest];
}
