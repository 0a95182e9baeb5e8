/** Rounding as Python's `round` does it. The parameter counts of the paper's code depend on it. */

/** The nearest integer. Halfway between two integers it is the even one: 0.5 → 0, 1.5 → 2, 2.5 → 2. */
export function roundHalfToEven(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  if (rest !== 0.5) return Math.round(x);
  return below % 2 === 0 ? below : below + 1;
}
