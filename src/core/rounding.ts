/** Rounding as Python and IEEE 754 have it, which published parameter counts depend on. */

/** The nearest integer; a tie goes to the even one: 0.5 → 0, 1.5 → 2, 2.5 → 2. */
export function roundHalfToEven(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  if (rest !== 0.5) return Math.round(x);
  return below % 2 === 0 ? below : below + 1;
}
