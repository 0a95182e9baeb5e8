/** Fused batch normalisation, one channel to a chunk. */

import type { Kernels } from "../../kernels.ts";
import { allFloat32, type Machine, sharedElements } from "./machine.ts";

type Norm = "batchNorm" | "batchNormGradient";

export function batchNormKernels({ kernels, memory, team }: Machine, reference: Pick<Kernels, Norm>): Pick<Kernels, Norm> {
  return {
    batchNorm(x, gamma, beta, geometry) {
      const { batch, channels, inner, epsilon } = geometry;
      if (!allFloat32(x, gamma, beta) || x.length === 0) return reference.batchNorm(x, gamma, beta, geometry);
      team.check();
      const [px, pg, pb] = [memory.pointerOf(x), memory.pointerOf(gamma), memory.pointerOf(beta)];
      const y = memory.allocate("float32", x.length);
      const mean = memory.allocate("float32", channels);
      const variance = memory.allocate("float32", channels);
      const shared = x.length > sharedElements;
      kernels.batchNorm(px, pg, pb, y.pointer, mean.pointer, variance.pointer, batch, channels, inner, epsilon, shared);
      return { y, mean, variance };
    },

    batchNormGradient(x, gamma, mean, variance, g, geometry) {
      const { batch, channels, inner, epsilon } = geometry;
      if (!allFloat32(x, gamma, g) || x.length === 0) return reference.batchNormGradient(x, gamma, mean, variance, g, geometry);
      team.check();
      const operands = [x, gamma, mean, variance, g].map((storage) => memory.pointerOf(storage)) as [
        number,
        number,
        number,
        number,
        number,
      ];
      const gradient = {
        x: memory.allocate("float32", x.length),
        gamma: memory.allocate("float32", channels),
        beta: memory.allocate("float32", channels),
      };
      const results = [gradient.x.pointer, gradient.gamma.pointer, gradient.beta.pointer] as const;
      kernels.batchNormGradient(...operands, ...results, batch, channels, inner, epsilon, x.length > sharedElements);
      return gradient;
    },
  };
}
