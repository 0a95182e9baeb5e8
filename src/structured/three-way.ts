/**
 * A weight matrix seen as a tensor of three near-equal axes: what Tensor-Train, Tucker and CP decompose in the paper's code. Dimensions and
 * ranks follow it to the letter (docs/faithfulness.md), for published parameter counts hang on every rounding.
 */

import { ConfigError } from "../core/errors.ts";
import { minimumOf } from "../core/extremes.ts";
import { roundHalfToEven } from "../core/rounding.ts";

export type Triple = readonly [number, number, number];

/** The smallest divisor of n that is at least `least`; n itself where there is none. */
function divisorFrom(n: number, least: number): number {
  for (let d = Math.max(1, least); d < n; d++) if (n % d === 0) return d;
  return n;
}

/**
 * Three factors of N = outFeatures·inFeatures near e = N^⅓: [e, e, e] where e is whole; otherwise, twice, the smallest divisor of what is left that
 * is ≥ round(e), then the rest.
 */
export function threeWayDims(outFeatures: number, inFeatures: number): Triple {
  const size = outFeatures * inFeatures;
  const edge = Math.cbrt(size);
  const whole = Math.round(edge);
  if (Math.abs(edge - whole) < 1e-6) return [whole, whole, whole];
  const least = roundHalfToEven(edge);
  const first = divisorFrom(size, least);
  const second = divisorFrom(size / first, least);
  return [first, second, size / first / second];
}

const atLeastOne = (x: number): number => Math.max(1, roundHalfToEven(x));

/** Cores G₁[1,d₁,r₁], G₂[r₁,d₂,r₂], G₃[r₂,d₃,1] as TT-SVD at ranks max(1, round(scale·smaller neighbour)) leaves them. */
export interface TrainSizes {
  readonly dims: Triple;
  /** Ranks asked for. */
  readonly wanted: readonly [number, number];
  /** Ranks left: no bond can exceed what stands on either side of it. */
  readonly ranks: readonly [number, number];
  readonly parameters: number;
}

/** @throws ConfigError unless scale > 0. */
export function trainSizes(dims: Triple, scale: number): TrainSizes {
  checkScale(scale);
  const [d1, d2, d3] = dims;
  const wanted = [atLeastOne(scale * Math.min(d1, d2)), atLeastOne(scale * Math.min(d2, d3))] as const;
  const first = Math.min(d1, d2 * d3);
  const second = Math.min(wanted[1], Math.min(first * d2, d3));
  const ranks = [Math.min(wanted[0], first, d2 * second), second] as const;
  return { dims, wanted, ranks, parameters: d1 * ranks[0] + ranks[0] * d2 * ranks[1] + ranks[1] * d3 };
}

/** Factors U_k[d_k, s_k], and a core [s₁,s₂,s₃] that the reference keeps as a full-rank train of bonds t₁, t₂. */
export interface TuckerSizes {
  readonly dims: Triple;
  readonly wanted: Triple;
  readonly sizes: Triple;
  readonly bonds: readonly [number, number];
  readonly parameters: number;
}

/** @throws ConfigError unless scale > 0. */
export function tuckerSizes(dims: Triple, scale: number): TuckerSizes {
  checkScale(scale);
  const [d1, d2, d3] = dims;
  const wanted = dims.map((d) => atLeastOne(scale * d)) as unknown as Triple;
  const first = Math.min(d1, d2 * d3);
  const s3 = Math.min(wanted[2], d3, Math.min(first * d2, d3));
  const t2 = s3;
  const s2 = Math.min(wanted[1], d2, first * t2);
  const t1 = Math.min(first, s2 * t2);
  const s1 = Math.min(wanted[0], d1, t1);
  const core = s1 * t1 + t1 * s2 * t2 + t2 * s3;
  return { dims, wanted, sizes: [s1, s2, s3], bonds: [t1, t2], parameters: core + d1 * s1 + d2 * s2 + d3 * s3 };
}

/** Rank of the CP form: max(1, round(scale·smallest dimension)). @throws ConfigError unless scale > 0. */
export function canonicalRank(dims: Triple, scale: number): number {
  checkScale(scale);
  return atLeastOne(scale * minimumOf(dims));
}

function checkScale(scale: number): void {
  if (!(scale > 0 && Number.isFinite(scale))) throw new ConfigError(`rank scale must be finite and above 0, got ${scale}`);
}
