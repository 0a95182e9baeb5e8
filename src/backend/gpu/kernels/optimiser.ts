/**
 * One step of SGD or Adam (formulas in backend/reference/optimiser.ts). A program has one result, so each state of each parameter takes a
 * launch of its own.
 */

import type { Kernels } from "../../kernels.ts";
import type { Device } from "../device.ts";
import { program } from "../program.ts";

/** v ← momentum·v + d, with d = g + λp. */
const velocity = program({
  name: "sgd: momentum",
  tensors: ["p", "g", "v"],
  floats: ["momentum", "weightDecay"],
  body: `return momentum * v[this.thread.x] + (g[this.thread.x] + weightDecay * p[this.thread.x]);`,
});

/** v ← d, at the first step. */
const firstVelocity = program({
  name: "sgd: first momentum",
  tensors: ["p", "g"],
  floats: ["weightDecay"],
  body: `return g[this.thread.x] + weightDecay * p[this.thread.x];`,
});

/** p ← p − lr·(a·d + b·v): (a, b) is (0, 1) with momentum and (1, momentum) with Nesterov momentum. */
const parameter = program({
  name: "sgd: parameter",
  tensors: ["p", "g", "v"],
  floats: ["learningRate", "weightDecay", "gradientFactor", "velocityFactor"],
  body: `
    return p[this.thread.x] - learningRate *
      (gradientFactor * (g[this.thread.x] + weightDecay * p[this.thread.x]) + velocityFactor * v[this.thread.x]);`,
});

/** p ← p − lr·d. */
const parameterWithoutMomentum = program({
  name: "sgd: parameter, without momentum",
  tensors: ["p", "g"],
  floats: ["learningRate", "weightDecay"],
  body: `return p[this.thread.x] - learningRate * (g[this.thread.x] + weightDecay * p[this.thread.x]);`,
});

/** m ← βm + (1 − β)·term, where the term is d for the first moment and d² for the second. */
const moment = (name: string, term: "d" | "d * d") =>
  program({
    name,
    tensors: ["p", "g", "m"],
    floats: ["beta", "oneMinusBeta", "weightDecay"],
    body: `
    const d = g[this.thread.x] + weightDecay * p[this.thread.x];
    return beta * m[this.thread.x] + oneMinusBeta * ${term};`,
  });

const firstMoment = moment("adam: first moment", "d");
const secondMoment = moment("adam: second moment", "d * d");

/** p ← shrinkage·p − stepSize·m / (√(s·correction) + ε), with the bias correction 1/(1 − β₂ᵗ) of s. */
const adaptiveParameter = program({
  name: "adam: parameter",
  tensors: ["p", "m", "s"],
  floats: ["shrinkage", "stepSize", "correction", "epsilon"],
  body: `return shrinkage * p[this.thread.x] - stepSize * m[this.thread.x] / (Math.sqrt(s[this.thread.x] * correction) + epsilon);`,
});

export const optimiserKernels = (device: Device): Pick<Kernels, "sgdUpdate" | "adamUpdate"> => ({
  sgdUpdate(entries, { momentum, nesterov, first }) {
    const factors = nesterov ? { gradientFactor: 1, velocityFactor: momentum } : { gradientFactor: 0, velocityFactor: 1 };
    for (const { parameter: p, gradient: g, momentum: v, learningRate, weightDecay } of entries) {
      if (v === undefined) {
        device.update(p, parameterWithoutMomentum, { p, g, learningRate, weightDecay });
        continue;
      }
      if (first) device.update(v, firstVelocity, { p, g, weightDecay });
      else device.update(v, velocity, { p, g, v, momentum, weightDecay });
      device.update(p, parameter, { p, g, v, learningRate, weightDecay, ...factors });
    }
  },

  adamUpdate(entries, { beta1, beta2, epsilon, decoupled }) {
    for (const { parameter: p, gradient: g, mean: m, square: s, learningRate, weightDecay, step } of entries) {
      const coupledDecay = decoupled ? 0 : weightDecay;
      device.update(m, firstMoment, { p, g, m, beta: beta1, oneMinusBeta: 1 - beta1, weightDecay: coupledDecay });
      device.update(s, secondMoment, { p, g, m: s, beta: beta2, oneMinusBeta: 1 - beta2, weightDecay: coupledDecay });
      const shrinkage = decoupled ? 1 - learningRate * weightDecay : 1;
      const stepSize = learningRate / (1 - beta1 ** step);
      device.update(p, adaptiveParameter, { p, m, s, epsilon, shrinkage, stepSize, correction: 1 / (1 - beta2 ** step) });
    }
  },
});
