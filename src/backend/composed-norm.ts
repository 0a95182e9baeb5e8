/** A norm and an activation before another kernel, composed of both. Fused kernels are compared with this. */

import type { ConvolutionGeometry } from "../core/convolution-geometry.ts";
import type { Storage } from "../tensor/storage.ts";
import type { BatchStatistics, Kernels, NormGeometry, PrecedingNormStorages } from "./kernels.ts";

export type Norms = Pick<Kernels, "batchNorm" | "batchNormGradient">;

/** The norm of what a window reads. */
const normGeometry = ({ batch, inChannels, height, width }: ConvolutionGeometry, epsilon: number): NormGeometry => ({
  ...{ batch, channels: inChannels, inner: height * width, epsilon },
});

/** What `compute` makes of v = activation(norm(x)), and the statistics of x. */
export function behindNorm(
  { batchNorm }: Norms,
  x: Storage,
  { gamma, beta, epsilon, activation }: PrecedingNormStorages,
  window: ConvolutionGeometry,
  compute: (v: Storage) => Storage,
): { y: Storage } & BatchStatistics {
  const { y: v, ...statistics } = batchNorm(x, gamma, beta, normGeometry(window, epsilon), { activation });
  const y = compute(v);
  v.release();
  return { y, ...statistics };
}

/** The gradients with respect to x, γ and β, and the others that `compute` gives beside that of v. */
export function gradientBehindNorm<Others>(
  { batchNorm, batchNormGradient }: Norms,
  x: Storage,
  { gamma, beta, mean, variance, epsilon, activation }: PrecedingNormStorages & BatchStatistics,
  window: ConvolutionGeometry,
  compute: (v: Storage) => { x: Storage } & Others,
): { x: Storage; gamma: Storage; beta: Storage } & Omit<{ x: Storage } & Others, "x"> {
  const norm = normGeometry(window, epsilon);
  const again = batchNorm(x, gamma, beta, norm, { activation });
  const { x: ofV, ...others } = compute(again.y);
  const ofNorm = batchNormGradient(x, gamma, mean, variance, ofV, norm, { activation, y: again.y, addend: false });
  for (const storage of [again.y, again.mean, again.variance, ofV]) storage.release();
  return { x: ofNorm.x, gamma: ofNorm.gamma, beta: ofNorm.beta, ...others };
}
