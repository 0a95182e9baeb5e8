/**
 * One step of an optimiser, in place. This file teaches the rules of SGD, Adam and AdamW, with weight decay λ, learning rate lr and step
 * number t:
 *
 *     SGD (torch.optim.SGD)      d = g + λp    v ← d in the first step, then v ← momentum·v + d
 *                                p ← p − lr·v, with Nesterov's momentum p ← p − lr·(d + momentum·v)
 *     Adam (arXiv 1412.6980)     d = g + λp    m ← β₁m + (1 − β₁)d    s ← β₂s + (1 − β₂)d²
 *                                p ← p − lr·(m/(1 − β₁ᵗ)) / (√(s/(1 − β₂ᵗ)) + ε)
 *     AdamW (arXiv 1711.05101)   d = g, and p ← p − lr·λ·p first. The rest is Adam.
 */

import { viewOf } from "../host-storage.ts";
import type { Kernels } from "../kernels.ts";

export const optimiserKernels = (): Pick<Kernels, "sgdUpdate" | "adamUpdate"> => ({
  sgdUpdate(entries, { momentum, nesterov, first }) {
    for (const { parameter, gradient, momentum: buffer, learningRate, weightDecay } of entries) {
      const [p, g, v] = [viewOf(parameter), viewOf(gradient), buffer && viewOf(buffer)];
      for (let i = 0; i < p.length; i++) {
        const d = g[i]! + weightDecay * p[i]!;
        let direction = d;
        if (v) {
          const velocity = first ? d : momentum * v[i]! + d;
          v[i] = velocity;
          direction = nesterov ? d + momentum * velocity : velocity;
        }
        p[i] = p[i]! - learningRate * direction;
      }
    }
  },

  adamUpdate(entries, { beta1, beta2, epsilon, decoupled }) {
    for (const { parameter, gradient, mean, square, learningRate, weightDecay, step } of entries) {
      const [p, g, m, s] = [viewOf(parameter), viewOf(gradient), viewOf(mean), viewOf(square)];
      const correction1 = 1 - beta1 ** step;
      const correction2 = 1 - beta2 ** step;
      for (let i = 0; i < p.length; i++) {
        const decayed = decoupled ? p[i]! * (1 - learningRate * weightDecay) : p[i]!;
        const d = decoupled ? g[i]! : g[i]! + weightDecay * p[i]!;
        const first = beta1 * m[i]! + (1 - beta1) * d;
        const second = beta2 * s[i]! + (1 - beta2) * d * d;
        m[i] = first;
        s[i] = second;
        p[i] = decayed - (learningRate * (first / correction1)) / (Math.sqrt(second / correction2) + epsilon);
      }
    }
  },
});
