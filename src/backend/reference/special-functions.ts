/**
 * Functions that `Math` lacks, exact to the last few bits of float64. This file teaches how a function without a closed form is computed:
 * by a series where the series converges fast, and by a continued fraction elsewhere.
 */

/** The logistic function 1/(1 + e⁻ˣ). For x < 0 it is computed as eˣ/(1 + eˣ), because e⁻ˣ overflows for large −x. */
export function sigmoid(x: number): number {
  if (x >= 0) return 1 / (1 + Math.exp(-x));
  const e = Math.exp(x);
  return e / (1 + e);
}

/**
 * Up to this |x| the series is used. Beyond it erf = 1 − erfc with erfc < 0.034, so a relative error of erfc counts less than 1/28 in erf.
 */
const crossover = 1.5;

/**
 * erf(x) = 2/√π · ∫₀ˣ e^(−t²) dt, within 8 units in the last place of float64.
 *
 * Near 0 it is the series 2/√π·e^(−x²)·Σₙ 2ⁿx²ⁿ⁺¹/(1·3·5…(2n+1)) (https://dlmf.nist.gov/7.6.E2). All its terms have the sign of x, so none
 * of them cancel. Elsewhere it is 1 − erfc(x), with Laplace's continued fraction for erfc (https://dlmf.nist.gov/7.9.E1).
 */
export function erf(x: number): number {
  if (Number.isNaN(x)) return x;
  return Math.abs(x) < crossover ? erfSeries(x) : Math.sign(x) * (1 - erfcContinuedFraction(Math.abs(x)));
}

/** The series. It ends at the first term that no longer changes the sum. */
function erfSeries(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; sum + term !== sum; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return ((2 * sum) / Math.sqrt(Math.PI)) * Math.exp(-x * x);
}

/** erfc(x) = e^(−x²)/√π · 1/(x + (1/2)/(x + (2/2)/(x + (3/2)/(x + …)))), evaluated from the inside. 80 terms are enough for x ≥ 1.5. */
function erfcContinuedFraction(x: number): number {
  const terms = 80;
  let tail = x;
  for (let n = terms; n >= 1; n--) tail = x + n / 2 / tail;
  return Math.exp(-x * x) / (Math.sqrt(Math.PI) * tail);
}

/** Below −1, ½·(1 + erf) would cancel. */
const tailStart = 1;

/** Beyond this |x|, e^(−x²/2) is below the smallest number of float64. */
const tailEnd = 39;

/**
 * Φ(x) = ½·(1 + erf(x/√2)), the distribution function of the standard normal distribution, to a relative error of a few units in the last
 * place, also where Φ is tiny.
 */
export function normalCdf(x: number): number {
  const t = Math.abs(x);
  if (Number.isNaN(x) || t < tailStart) return 0.5 + 0.5 * erf(x * Math.SQRT1_2);
  return x < 0 ? normalTail(t) : 1 - normalTail(t);
}

/**
 * Φ(−t) = e^(−t²/2)/√(2π) · 1/(t + 1/(t + 2/(t + 3/(t + …)))), evaluated from the inside (https://dlmf.nist.gov/7.9.E1). The square of t is
 * the sum of an exact part and a small rest, because the exponential multiplies the rounding error of t² by t²/2.
 */
function normalTail(t: number): number {
  if (t > tailEnd) return 0;
  let tail = t;
  for (let n = Math.ceil(30 + 300 / (t * t)); n >= 1; n--) tail = t + n / tail;
  const head = Math.fround(t);
  return (Math.exp(-0.5 * head * head) * Math.exp(-0.5 * (t - head) * (t + head))) / (Math.sqrt(2 * Math.PI) * tail);
}

/** x with |x| limited to where Φ(−|x|) and x·φ(x) are 0 in float64, because the products −∞·0 and ∞·0 would be NaN. */
const limited = (x: number): number => Math.min(Math.max(x, -tailEnd - 1), tailEnd + 1);

/** x·Φ(x), the Gaussian error linear unit. At −∞ it is −0. */
export const gelu = (x: number): number => Math.max(x, -tailEnd - 1) * normalCdf(x);

/** Φ(x) + x·φ(x) with the density φ(x) = e^(−x²/2)/√(2π): the slope of `gelu`. */
export function geluSlope(x: number): number {
  const t = limited(x);
  return normalCdf(t) + (t * Math.exp(-0.5 * t * t)) / Math.sqrt(2 * Math.PI);
}
