/** Fused batch normalisation, one channel to a chunk. */

import type { Storage } from "../../../tensor/storage.ts";
import type { Kernels } from "../../kernels.ts";
import type { Acceptances } from "../../overlay.ts";
import { isFloat32, type Machine, sharedElements } from "./machine.ts";

type Norm = "batchNorm" | "batchNormGradient";

const hasElements = ({ length }: Storage): boolean => length > 0;

export const batchNormAcceptances: Acceptances<Norm> = {
  batchNorm: {
    dtypes: ["float32"],
    nonEmpty: true,
    accepts: (x, gamma, beta) => isFloat32(x) && isFloat32(gamma) && isFloat32(beta) && hasElements(x),
  },
  batchNormGradient: {
    dtypes: ["float32"],
    nonEmpty: true,
    accepts: (x, gamma, _mean, _variance, g) => isFloat32(x) && isFloat32(gamma) && isFloat32(g) && hasElements(x),
  },
};

export const batchNormKernels = ({ kernels, memory, team }: Machine): Pick<Kernels, Norm> => ({
  batchNorm(x, gamma, beta, { batch, channels, inner, epsilon }) {
    team.check();
    const [px, pg, pb] = [memory.pointerOf(x), memory.pointerOf(gamma), memory.pointerOf(beta)];
    const y = memory.allocate("float32", x.length);
    const mean = memory.allocate("float32", channels);
    const variance = memory.allocate("float32", channels);
    const shared = x.length > sharedElements;
    kernels.batchNorm(px, pg, pb, y.pointer, mean.pointer, variance.pointer, batch, channels, inner, epsilon, shared);
    return { y, mean, variance };
  },

  batchNormGradient(x, gamma, mean, variance, g, { batch, channels, inner, epsilon }) {
    team.check();
    // The addresses are taken first: an operand that is not of this arena is refused before anything is allocated.
    const operands = {
      x: memory.pointerOf(x),
      gamma: memory.pointerOf(gamma),
      mean: memory.pointerOf(mean),
      variance: memory.pointerOf(variance),
      g: memory.pointerOf(g),
    };
    const gradient = {
      x: memory.allocate("float32", x.length),
      gamma: memory.allocate("float32", channels),
      beta: memory.allocate("float32", channels),
    };
    kernels.batchNormGradient(
      operands.x,
      operands.gamma,
      operands.mean,
      operands.variance,
      operands.g,
      gradient.x.pointer,
      gradient.gamma.pointer,
      gradient.beta.pointer,
      batch,
      channels,
      inner,
      epsilon,
      x.length > sharedElements,
    );
    return gradient;
  },
});
