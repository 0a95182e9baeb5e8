/**
 * A weight matrix seen as a tensor of three axes of nearly equal size, which Tensor-Train, Tucker and CP decompose. Dimensions and ranks
 * are those of the paper's code (docs/faithfulness.md), because published parameter counts depend on every rounding.
 */

import { ConfigError } from "../core/errors.ts";
import { smallest } from "../core/extent.ts";
import { roundHalfToEven } from "../core/rounding.ts";

export type Triple = readonly [number, number, number];

/** The smallest divisor of n that is at least `least`, or n itself if there is none. */
function divisorFrom(n: number, least: number): number {
  for (let d = Math.max(1, least); d < n; d++) if (n % d === 0) return d;
  return n;
}

/**
 * Three factors of N = outFeatures·inFeatures near e = N^⅓. If e is an integer, they are [e, e, e]. Otherwise the first is the smallest
 * divisor of N that is at least round(e), the second is the smallest such divisor of the rest, and the third is what is left.
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

/** Cores G₁[1,d₁,r₁], G₂[r₁,d₂,r₂], G₃[r₂,d₃,1] as TT-SVD at ranks max(1, round(scale·the smaller dim beside it)) leaves them. */
export interface TrainSizes {
  readonly dims: Triple;
  /** The ranks that the scale asks for. */
  readonly wanted: readonly [number, number];
  /** The ranks of the cores: no bond is larger than the tensor on either side of it. */
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

/** Factors U_k[d_k, s_k], and a core [s₁,s₂,s₃] that is kept as a train of full rank with the bonds t₁ and t₂, as in the paper's code. */
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
  const wanted: Triple = [atLeastOne(scale * d1), atLeastOne(scale * d2), atLeastOne(scale * d3)];
  const first = Math.min(d1, d2 * d3);
  const s3 = Math.min(wanted[2], d3, Math.min(first * d2, d3));
  const t2 = s3;
  const s2 = Math.min(wanted[1], d2, first * t2);
  const t1 = Math.min(first, s2 * t2);
  const s1 = Math.min(wanted[0], d1, t1);
  const core = s1 * t1 + t1 * s2 * t2 + t2 * s3;
  return { dims, wanted, sizes: [s1, s2, s3], bonds: [t1, t2], parameters: core + d1 * s1 + d2 * s2 + d3 * s3 };
}

/** The rank of the CP form: max(1, round(scale·smallest dimension)). @throws ConfigError unless scale > 0. */
export function canonicalRank(dims: Triple, scale: number): number {
  checkScale(scale);
  return atLeastOne(scale * smallest(dims));
}

function checkScale(scale: number): void {
  if (!(scale > 0 && Number.isFinite(scale))) throw new ConfigError(`rank scale must be finite and above 0, got ${scale}`);
}
