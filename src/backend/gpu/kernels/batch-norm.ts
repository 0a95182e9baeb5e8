/**
 * Batch normalisation per channel over M = batch·inner elements (formulas in backend/reference/batch-norm.ts). Its sums go over the
 * whole batch, so each takes two launches, of pieces and of their total: five for the forward pass, four for the backward.
 */

import type { Storage } from "../../../tensor/storage.ts";
import type { Kernels, NormGeometry } from "../../kernels.ts";
import type { Device } from "../device.ts";
import { type Axis, coordinates, program } from "../program.ts";

const integers = ["batch", "channels", "inner", "pieces", "steps"] as const;

const pieceOfChannel: readonly Axis[] = [
  ["c", "channels"],
  ["p", "pieces"],
];

/** Where element j of channel c stands. An expression, not a local: locals are floats. */
const at = "mad(mad(n, channels, c), inner, i)";

/** Adds up `term` over every `pieces`-th element of channel c, from the p-th on. */
const channelSum = (term: string): string => `
    let total = 0.0;
    for (let k = 0; k < steps; k++) {
      const j = k * pieces + p;
      const n = idiv(j, inner);
      const i = j - n * inner;
      if (n < batch) { ${term} }
    }
    return total;`;

const sums = program({
  name: "batch-norm: sums",
  tensors: ["x"],
  integers,
  body: `
    ${coordinates(pieceOfChannel)}
    ${channelSum(`total = total + x[${at}];`)}`,
});

const squares = program({
  name: "batch-norm: squares",
  tensors: ["x", "mean"],
  integers,
  body: `
    ${coordinates(pieceOfChannel)}
    const mu = mean[c];
    ${channelSum(`const d = x[${at}] - mu; total = total + d * d;`)}`,
});

/** Both sums of the gradient in one launch: of g, and of g·x̂. */
const gradientSums = program({
  name: "batch-norm: sums of the gradient",
  tensors: ["x", "mean", "variance", "g"],
  integers: [...integers, "two"],
  floats: ["epsilon"],
  body: `
    ${coordinates([["which", "two"], ...pieceOfChannel])}
    const mu = mean[c];
    const scale = which > 0.5 ? 1.0 / Math.sqrt(variance[c] + epsilon) : 0.0;
    const one = which > 0.5 ? 0.0 : 1.0;
    ${channelSum(`total = total + g[${at}] * (one + (x[${at}] - mu) * scale);`)}`,
});

/** The pieces of one channel's sum, of the first or the second half of them, times a factor. */
const total = program({
  name: "batch-norm: total",
  tensors: ["partial"],
  integers: ["pieces", "offset"],
  floats: ["factor"],
  body: `
    let total = 0.0;
    for (let p = 0; p < pieces; p++) { total = total + partial[mad(this.thread.x + offset, pieces, p)]; }
    return total * factor;`,
});

const element: readonly Axis[] = [
  ["n", "batch"],
  ["c", "channels"],
  ["i", "inner"],
];

const normalise = program({
  name: "batch-norm: y",
  tensors: ["x", "gamma", "beta", "mean", "variance"],
  integers: ["batch", "channels", "inner"],
  floats: ["epsilon"],
  body: `
    ${coordinates(element)}
    return gamma[c] * (x[this.thread.x] - mean[c]) / Math.sqrt(variance[c] + epsilon) + beta[c];`,
});

const inputGradient = program({
  name: "batch-norm: gradient of x",
  tensors: ["x", "gamma", "mean", "variance", "g", "gradientGamma", "gradientBeta"],
  integers: ["batch", "channels", "inner"],
  floats: ["epsilon", "share"],
  body: `
    ${coordinates(element)}
    const scale = 1.0 / Math.sqrt(variance[c] + epsilon);
    const normalised = (x[this.thread.x] - mean[c]) * scale;
    return gamma[c] * scale * (g[this.thread.x] - gradientBeta[c] * share - normalised * gradientGamma[c] * share);`,
});

/** Threads that keep a device busy, and the shortest sum worth cutting. */
const busy = 8192;
const shortest = 64;

/** How a channel's elements are shared out among threads. */
function sharing({ batch, channels, inner }: NormGeometry): Record<(typeof integers)[number], number> {
  const count = batch * inner;
  const pieces = Math.max(1, Math.min(Math.ceil(count / shortest), Math.ceil(busy / Math.max(1, channels))));
  return { batch, channels, inner, pieces, steps: Math.ceil(count / pieces) };
}

export const batchNormKernels = (device: Device): Pick<Kernels, "batchNorm" | "batchNormGradient"> => {
  /** The totals of `partial`'s pieces, channel by channel. */
  const totalOf = (partial: Storage, channels: number, pieces: number, offset: number, factor: number): Storage =>
    device.run(total, channels, { partial, pieces, offset, factor });

  return {
    batchNorm(x, gamma, beta, geometry) {
      const { batch, channels, inner, epsilon } = geometry;
      const shared = sharing(geometry);
      // A channel of no elements has no mean: 0·(1/0) is NaN.
      const share = 1 / (batch * inner);
      const partialSums = device.run(sums, channels * shared.pieces, { x, ...shared });
      const mean = totalOf(partialSums, channels, shared.pieces, 0, share);
      const partialSquares = device.run(squares, channels * shared.pieces, { x, mean, ...shared });
      const variance = totalOf(partialSquares, channels, shared.pieces, 0, share);
      const y = device.run(normalise, x.length, { x, gamma, beta, mean, variance, batch, channels, inner, epsilon });
      for (const partial of [partialSums, partialSquares]) partial.release();
      return { y, mean, variance };
    },

    batchNormGradient(x, gamma, mean, variance, g, geometry) {
      const { batch, channels, inner, epsilon } = geometry;
      const shared = sharing(geometry);
      const partial = device.run(gradientSums, 2 * channels * shared.pieces, { x, mean, variance, g, ...shared, two: 2, epsilon });
      const gradientBeta = totalOf(partial, channels, shared.pieces, 0, 1);
      const gradientGamma = totalOf(partial, channels, shared.pieces, channels, 1);
      partial.release();
      const statistics = { gamma, mean, variance, gradientGamma, gradientBeta };
      const gradient = device.run(inputGradient, x.length, {
        ...{ x, g, ...statistics, batch, channels, inner, epsilon },
        share: 1 / (batch * inner),
      });
      return { x: gradient, gamma: gradientGamma, beta: gradientBeta };
    },
  };
};
