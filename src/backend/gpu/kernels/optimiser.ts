/** One step of SGD or Adam (formulas in backend/reference/optimiser.ts). A launch updates several parameters (packed-update.ts). */

import type { Kernels } from "../../kernels.ts";
import type { Device } from "../device.ts";
import { type UpdateRule, updatePacked } from "./packed-update.ts";

/**
 * v ← momentum·v + d and p ← p − lr·(a·d + b·v), with d = g + λp: (a, b) is (0, 1) with momentum and (1, momentum) with Nesterov momentum.
 */
const withMomentum: UpdateRule = {
  name: "sgd with momentum",
  states: ["p", "v"],
  own: ["learningRate", "weightDecay"],
  shared: ["momentum", "gradientFactor", "velocityFactor"],
  next: `
    const d = g + weightDecay * p;
    const next1 = momentum * v + d;
    const next0 = p - learningRate * (gradientFactor * d + velocityFactor * next1);`,
};

/** p ← p − lr·d. */
const withoutMomentum: UpdateRule = {
  name: "sgd",
  states: ["p"],
  own: ["learningRate", "weightDecay"],
  shared: [],
  next: "const next0 = p - learningRate * (g + weightDecay * p);",
};

/**
 * m ← β₁m + (1 − β₁)d, s ← β₂s + (1 − β₂)d², p ← shrinkage·p − stepSize·m / (√(s·correction) + ε), with the bias correction 1/(1 − β₂ᵗ) of
 * s.
 */
const adam: UpdateRule = {
  name: "adam",
  states: ["p", "m", "s"],
  own: ["decay", "shrinkage", "stepSize", "correction"],
  shared: ["beta1", "oneMinusBeta1", "beta2", "oneMinusBeta2", "epsilon"],
  next: `
    const d = g + decay * p;
    const next1 = beta1 * m + oneMinusBeta1 * d;
    const next2 = beta2 * s + oneMinusBeta2 * d * d;
    const next0 = shrinkage * p - stepSize * next1 / (Math.sqrt(next2 * correction) + epsilon);`,
};

export const optimiserKernels = (device: Device): Pick<Kernels, "sgdUpdate" | "adamUpdate"> => ({
  sgdUpdate(entries, { momentum, nesterov, first }) {
    const packed = entries.map(({ parameter, gradient, momentum: velocity, learningRate, weightDecay }) => ({
      states: velocity === undefined ? [parameter] : [parameter, velocity],
      gradient,
      own: { learningRate, weightDecay },
    }));
    if (entries[0]?.momentum === undefined) return updatePacked(device, withoutMomentum, packed, {});
    const factors = nesterov ? { gradientFactor: 1, velocityFactor: momentum } : { gradientFactor: 0, velocityFactor: 1 };
    updatePacked(device, withMomentum, packed, { momentum, ...factors }, first);
  },

  adamUpdate(entries, { beta1, beta2, epsilon, decoupled }) {
    const packed = entries.map(({ parameter, gradient, mean, square, learningRate, weightDecay, step }) => ({
      states: [parameter, mean, square],
      gradient,
      own: {
        decay: decoupled ? 0 : weightDecay,
        shrinkage: decoupled ? 1 - learningRate * weightDecay : 1,
        stepSize: learningRate / (1 - beta1 ** step),
        correction: 1 / (1 - beta2 ** step),
      },
    }));
    updatePacked(device, adam, packed, { beta1, oneMinusBeta1: 1 - beta1, beta2, oneMinusBeta2: 1 - beta2, epsilon });
  },
});
