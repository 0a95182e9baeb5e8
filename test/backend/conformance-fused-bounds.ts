/**
 * First-order error bounds of the fused kernels, from the error of each step. Constants count roundings generously (4 to 8 where a kernel
 * needs three or four): they leave room for evaluating the same formula in another order, not for another formula.
 */

import type { AdamEntry, AdamUpdate, NormGeometry, SgdEntry, SgdUpdate } from "../../src/backend/kernels.ts";
import { type Precision, sumBound } from "./conformance-tolerance.ts";

type Numbers = Float64Array;

function forEachChannel({ batch, channels, inner }: NormGeometry, visit: (c: number, places: readonly number[]) => void): void {
  for (let c = 0; c < channels; c++) {
    const places: number[] = [];
    for (let n = 0; n < batch; n++) for (let i = 0; i < inner; i++) places.push((n * channels + c) * inner + i);
    visit(c, places);
  }
}

/**
 * [y, mean, variance]. The mean of M numbers is off by M·u·mean|x|. The variance by M·u·κ relatively, κ = √(mean x²)/σ (Chan, Golub &
 * LeVeque
 * 1983), and by the mean's error squared: the bound of the two-pass and the updating algorithms, which E[x²] − μ² in float32 exceeds.
 * An activation does not enlarge an error, because its slope is at most 1.
 */
export function normBounds(
  x: Numbers,
  gamma: Numbers,
  beta: Numbers,
  geometry: NormGeometry,
  { unit, sides }: Precision,
  addend?: Numbers,
): Numbers[] {
  const count = geometry.batch * geometry.inner;
  const bounds = { y: new Float64Array(x.length), mean: new Float64Array(gamma.length), variance: new Float64Array(gamma.length) };
  forEachChannel(geometry, (c, places) => {
    const average = (f: (value: number) => number): number => places.reduce((sum, at) => sum + f(x[at]!), 0) / count;
    const mu = average((value) => value);
    const variance = average((value) => (value - mu) ** 2);
    const rootMeanSquare = Math.sqrt(average((value) => value ** 2));
    const meanError = sides * (count + 2) * unit * average(Math.abs);
    const varianceError = sides * 2 * (count + 4) * unit * Math.sqrt(variance) * rootMeanSquare + meanError ** 2;
    const scale = Math.abs(gamma[c]!) / Math.sqrt(variance + geometry.epsilon);
    for (const at of places) {
      const deviation = Math.abs(x[at]! - mu);
      // y may be computed as x·a + b with a = γ/√(σ² + ε), so roundings count at the size of x, not of x − μ.
      const rounding = sides * 4 * unit * (scale * (Math.abs(x[at]!) + Math.abs(mu)) + Math.abs(beta[c]!) + Math.abs(addend?.[at] ?? 0));
      bounds.y[at] = rounding + scale * (meanError + (deviation * varianceError) / (2 * (variance + geometry.epsilon)));
    }
    bounds.mean[c] = meanError;
    bounds.variance[c] = varianceError;
  });
  return [bounds.y, bounds.mean, bounds.variance];
}

export interface NormGradientInputs {
  readonly x: Numbers;
  readonly gamma: Numbers;
  readonly mean: Numbers;
  readonly variance: Numbers;
  readonly g: Numbers;
}

/** [∂x, ∂γ, ∂β]: two sums over the channel, and what their errors do to ∂x. */
export function normGradientBounds(
  { x, gamma, mean, variance, g }: NormGradientInputs,
  geometry: NormGeometry,
  precision: Precision,
): Numbers[] {
  const count = geometry.batch * geometry.inner;
  const { unit, sides } = precision;
  const bounds = { x: new Float64Array(x.length), gamma: new Float64Array(gamma.length), beta: new Float64Array(gamma.length) };
  forEachChannel(geometry, (c, places) => {
    const scale = 1 / Math.sqrt(variance[c]! + geometry.epsilon);
    const size = (at: number): number => (Math.abs(x[at]!) + Math.abs(mean[c]!)) * scale;
    const total = (f: (at: number) => number): number => places.reduce((sum, at) => sum + f(at), 0);
    const betaMagnitude = total((at) => Math.abs(g[at]!));
    const gammaMagnitude = total((at) => Math.abs(g[at]!) * size(at));
    const ofSums = sumBound(count + 6, [betaMagnitude, gammaMagnitude], precision);
    const [betaError, gammaError] = [ofSums[0]!, ofSums[1]!];
    for (const at of places) {
      const terms = Math.abs(g[at]!) + (betaMagnitude + size(at) * gammaMagnitude) / count;
      bounds.x[at] = Math.abs(gamma[c]!) * scale * (sides * 8 * unit * terms + (betaError + size(at) * gammaError) / count);
    }
    bounds.gamma[c] = gammaError;
    bounds.beta[c] = betaError;
  });
  return [bounds.x, bounds.gamma, bounds.beta];
}

/** [∂x, ∂γ, ∂β]: what errors of at most g in the cotangent do to the gradients. */
export function normGradientErrors({ x, gamma, mean, variance, g }: NormGradientInputs, geometry: NormGeometry): Numbers[] {
  const count = geometry.batch * geometry.inner;
  const errors = { x: new Float64Array(x.length), gamma: new Float64Array(gamma.length), beta: new Float64Array(gamma.length) };
  forEachChannel(geometry, (c, places) => {
    const scale = 1 / Math.sqrt(variance[c]! + geometry.epsilon);
    const size = (at: number): number => Math.abs(x[at]! - mean[c]!) * scale;
    for (const at of places) {
      errors.beta[c]! += g[at]!;
      errors.gamma[c]! += g[at]! * size(at);
    }
    for (const at of places)
      errors.x[at] = Math.abs(gamma[c]!) * scale * (g[at]! + (errors.beta[c]! + size(at) * errors.gamma[c]!) / count);
  });
  return [errors.x, errors.gamma, errors.beta];
}

/** [parameter, momentum buffer]. */
export function sgdBounds(
  p: Numbers,
  g: Numbers,
  v: Numbers,
  { learningRate, momentum, weightDecay }: Pick<SgdUpdate, "momentum"> & Pick<SgdEntry, "learningRate" | "weightDecay">,
  precision: Precision,
): Numbers[] {
  const d = p.map((value, i) => Math.abs(g[i]!) + weightDecay * Math.abs(value));
  const velocity = d.map((value, i) => value + momentum * Math.abs(v[i]!));
  const parameter = p.map((value, i) => Math.abs(value) + learningRate * (d[i]! + (1 + momentum) * velocity[i]!));
  return [sumBound(6, parameter, precision), sumBound(4, velocity, precision)];
}

export interface AdamInputs {
  readonly p: Numbers;
  readonly g: Numbers;
  readonly m: Numbers;
  readonly s: Numbers;
}

/** [parameter, first moment, second moment]. Where g and λp cancel, d is less certain than its size suggests, and so is d² in the root. */
export function adamBounds(
  { p, g, m, s }: AdamInputs,
  update: AdamUpdate & Pick<AdamEntry, "learningRate" | "weightDecay" | "step">,
  precision: Precision,
): Numbers[] {
  const { learningRate, beta1, beta2, epsilon, weightDecay, decoupled, step } = update;
  const { unit, sides } = precision;
  const decay = decoupled ? 0 : weightDecay;
  const bounds = { p: new Float64Array(p.length), m: new Float64Array(p.length), s: new Float64Array(p.length) };
  const root = (square: number): number => Math.sqrt(Math.max(0, square) / (1 - beta2 ** step)) + epsilon;
  for (let i = 0; i < p.length; i++) {
    const d = g[i]! + decay * p[i]!;
    const size = Math.abs(g[i]!) + decay * Math.abs(p[i]!);
    const dError = sides * 3 * unit * size;
    const first = beta1 * Math.abs(m[i]!) + (1 - beta1) * size;
    const second = beta2 * s[i]! + (1 - beta2) * d * d;
    bounds.m[i] = sides * 6 * unit * first;
    bounds.s[i] = sides * 6 * unit * second + (1 - beta2) * (2 * Math.abs(d) * dError + dError ** 2);
    const least = root(second - bounds.s[i]!);
    const rate = learningRate / (1 - beta1 ** step);
    const stepSize = (rate * first) / least;
    const rootError = root(second + bounds.s[i]!) - least;
    bounds.p[i] = sides * 8 * unit * (Math.abs(p[i]!) + stepSize) + (rate * bounds.m[i]!) / least + (stepSize * rootError) / least;
  }
  return [bounds.p, bounds.m, bounds.s];
}
