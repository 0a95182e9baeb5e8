/** One step of SGD or Adam (rules in backend/reference/optimiser.ts). A kernel has one result, so each state takes a launch of its own. */

import type { Kernels } from "../../kernels.ts";
import type { Device } from "../device.ts";
import { program } from "../program.ts";

/** v ← d at first, then momentum·v + d, with d = g + λp. */
const velocity = program({
  name: "sgd: momentum",
  tensors: ["p", "g", "v"],
  floats: ["momentum", "weightDecay"],
  body: `return momentum * v[this.thread.x] + (g[this.thread.x] + weightDecay * p[this.thread.x]);`,
});

const firstVelocity = program({
  name: "sgd: first momentum",
  tensors: ["p", "g"],
  floats: ["weightDecay"],
  body: `return g[this.thread.x] + weightDecay * p[this.thread.x];`,
});

/** p ← p − lr·(share·d + weight·v): plain SGD has weight 0, momentum share 0, Nesterov's both. */
const descend = program({
  name: "sgd: parameter",
  tensors: ["p", "g", "v"],
  floats: ["learningRate", "weightDecay", "share", "weight"],
  body: `return p[this.thread.x] - learningRate * (share * (g[this.thread.x] + weightDecay * p[this.thread.x]) + weight * v[this.thread.x]);`,
});

const descendPlainly = program({
  name: "sgd: parameter, without momentum",
  tensors: ["p", "g"],
  floats: ["learningRate", "weightDecay"],
  body: `return p[this.thread.x] - learningRate * (g[this.thread.x] + weightDecay * p[this.thread.x]);`,
});

/** m ← βm + (1 − β)d, or of d² for the second moment. */
const moment = (name: string, term: string) =>
  program({
    name,
    tensors: ["p", "g", "m"],
    floats: ["beta", "rest", "weightDecay"],
    body: `
    const d = g[this.thread.x] + weightDecay * p[this.thread.x];
    return beta * m[this.thread.x] + rest * ${term};`,
  });

const firstMoment = moment("adam: mean", "d");
const secondMoment = moment("adam: square", "d * d");

const adapt = program({
  name: "adam: parameter",
  tensors: ["p", "m", "s"],
  floats: ["keep", "step", "correction", "epsilon"],
  body: `return keep * p[this.thread.x] - step * m[this.thread.x] / (Math.sqrt(s[this.thread.x] * correction) + epsilon);`,
});

export const optimiserKernels = (device: Device): Pick<Kernels, "sgdUpdate" | "adamUpdate"> => ({
  sgdUpdate(p, g, v, { learningRate, momentum, nesterov, weightDecay, first }) {
    if (v === undefined) {
      device.update(p, descendPlainly, { p, g, learningRate, weightDecay });
      return;
    }
    if (first) device.update(v, firstVelocity, { p, g, weightDecay });
    else device.update(v, velocity, { p, g, v, momentum, weightDecay });
    const [share, weight] = nesterov ? [1, momentum] : [0, 1];
    device.update(p, descend, { p, g, v, learningRate, weightDecay, share, weight });
  },

  adamUpdate(p, g, m, s, { learningRate, beta1, beta2, epsilon, weightDecay, decoupled, step }) {
    const coupled = decoupled ? 0 : weightDecay;
    device.update(m, firstMoment, { p, g, m, beta: beta1, rest: 1 - beta1, weightDecay: coupled });
    device.update(s, secondMoment, { p, g, m: s, beta: beta2, rest: 1 - beta2, weightDecay: coupled });
    device.update(p, adapt, {
      ...{ p, m, s, epsilon },
      keep: decoupled ? 1 - learningRate * weightDecay : 1,
      step: learningRate / (1 - beta1 ** step),
      correction: 1 / (1 - beta2 ** step),
    });
  },
});
