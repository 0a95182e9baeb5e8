/** Numbers in decimal digits: the shortest digits that stand for a number in its dtype, and rounding to fewer, as NumPy prints them. */

import type { DType } from "./storage.ts";

/** A number above 0 as 0.d₁d₂d₃… · 10^exponent. The first digit is not 0, and neither is the last. */
export interface Decimal {
  readonly digits: string;
  readonly exponent: number;
}

/** The digits without zeros at the end; a single 0 for no digits. */
function trimmed(digits: string): string {
  let end = digits.length;
  while (digits[end - 1] === "0") end--;
  return digits.slice(0, end) || "0";
}

function fromScientific(text: string): Decimal {
  const [mantissa, exponent] = text.split("e") as [string, string];
  return { digits: trimmed(mantissa.replace(".", "")), exponent: Number(exponent) + 1 };
}

/** The fewest digits that read back as the same number in the dtype. `x` is above 0 and finite. */
export function shortestDecimal(x: number, dtype: DType): Decimal {
  if (dtype !== "float32") return fromScientific(x.toExponential());
  // Nine significant digits tell any two float32 numbers apart.
  for (let count = 0; count < 9; count++) {
    const text = x.toExponential(count);
    if (Math.fround(Number(text)) === x) return fromScientific(text);
  }
  return fromScientific(x.toExponential());
}

/** All digits of the number. It has finitely many, because it is a whole number divided by a power of 2. */
function exactDecimal(x: number): Decimal {
  let [whole, halvings] = [x, 0];
  while (!Number.isInteger(whole)) {
    whole *= 2;
    halvings++;
  }
  // whole/2ⁿ = whole·5ⁿ/10ⁿ.
  const digits = (BigInt(whole) * 5n ** BigInt(halvings)).toString();
  return { digits: trimmed(digits), exponent: digits.length - halvings };
}

/** The exact number rounded to `count` digits; a number in the middle goes to the even digit. `count` may be 0 or below. */
function rounded(x: number, count: number): Decimal {
  const { digits, exponent } = exactDecimal(x);
  if (count < 0) return { digits: "0", exponent };
  const [kept, rest] = [digits.slice(0, count), digits.slice(count)];
  const odd = Number(kept.at(-1) ?? "0") % 2 === 1;
  const up = rest > "5" || (rest === "5" && odd);
  if (!up) return { digits: trimmed(kept), exponent };
  const next = (BigInt(kept || "0") + 1n).toString().padStart(count, "0");
  return { digits: trimmed(next), exponent: exponent + next.length - count };
}

/** `12.5` with at most `places` digits after the point, the shortest that stand for the number. There is always a point: `3.`. */
export function positional(x: number, dtype: DType, places: number): string {
  const sign = x < 0 || Object.is(x, -0) ? "-" : "";
  if (x === 0) return `${sign}0.`;
  const size = Math.abs(x);
  let decimal = shortestDecimal(size, dtype);
  if (decimal.digits.length - decimal.exponent > places) decimal = rounded(size, decimal.exponent + places);
  const { digits, exponent } = decimal;
  if (digits === "0") return `${sign}0.`;
  const padded = digits.padEnd(exponent, "0");
  return exponent > 0 ? `${sign}${padded.slice(0, exponent)}.${padded.slice(exponent)}` : `${sign}0.${"0".repeat(-exponent)}${digits}`;
}

/** The digits and the exponent as `1.25e+03`. There is always a point: `3.e+00`. */
function withExponent(sign: string, { digits, exponent }: Decimal, places: number): string {
  const power = exponent - 1;
  const fraction = digits.slice(1).padEnd(places, "0");
  return `${sign}${digits[0]}.${fraction}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
}

/** `1.25e+03` with at most `places` digits after the point, the shortest that stand for the number. */
export function scientific(x: number, dtype: DType, places: number): string {
  const sign = x < 0 || Object.is(x, -0) ? "-" : "";
  if (x === 0) return `${sign}0.e+00`;
  const shortest = shortestDecimal(Math.abs(x), dtype);
  return withExponent(sign, shortest.digits.length > places + 1 ? rounded(Math.abs(x), places + 1) : shortest, 0);
}

/** `1.250e+03` with exactly `places` digits after the point. */
export function fixedScientific(x: number, places: number): string {
  const sign = x < 0 || Object.is(x, -0) ? "-" : "";
  return withExponent(sign, x === 0 ? { digits: "0", exponent: 1 } : rounded(Math.abs(x), places + 1), places);
}
