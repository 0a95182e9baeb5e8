/**
 * Functions that `Math` lacks, to the last few bits of float64. Teaches how a function without a closed form is computed: by a series
 * where that converges fast, by a continued fraction where the series would not.
 */

/**
 * The logistic function 1/(1 + e⁻ˣ). For x < 0 it is eˣ/(1 + eˣ), where nothing overflows before the result itself underflows.
 */
export function sigmoid(x: number): number {
  if (x >= 0) return 1 / (1 + Math.exp(-x));
  const e = Math.exp(x);
  return e / (1 + e);
}

/** Beyond it erf is 1 − erfc with erfc < 0.034, so an error in erfc counts a thirtieth. */
const crossover = 1.5;

/**
 * erf(x) = 2/√π · ∫₀ˣ e^(−t²) dt, within 8 units in the last place of float64.
 * Near 0 by 2/√π·e^(−x²)·Σₙ 2ⁿx²ⁿ⁺¹/(1·3·5…(2n+1)), whose terms all have one sign and so lose nothing to cancellation
 * (https://dlmf.nist.gov/7.6.E2); farther out by 1 − erfc(x) with Laplace's continued fraction (https://dlmf.nist.gov/7.9.E1).
 */
export function erf(x: number): number {
  if (Number.isNaN(x)) return x;
  return Math.abs(x) < crossover ? erfSeries(x) : Math.sign(x) * (1 - erfcContinuedFraction(Math.abs(x)));
}

function erfSeries(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; sum + term !== sum; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return ((2 * sum) / Math.sqrt(Math.PI)) * Math.exp(-x * x);
}

/** erfc(x) = e^(−x²)/√π · 1/(x + (1/2)/(x + (2/2)/(x + (3/2)/(x + …)))), evaluated from the inside; enough terms for x ≥ 1.5. */
function erfcContinuedFraction(x: number): number {
  const terms = 80;
  let tail = x;
  for (let n = terms; n >= 1; n--) tail = x + n / 2 / tail;
  return Math.exp(-x * x) / (Math.sqrt(Math.PI) * tail);
}
