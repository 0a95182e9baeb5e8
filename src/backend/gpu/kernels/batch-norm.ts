/**
 * Batch normalisation of each channel over its batch·inner elements (formulas in backend/reference/batch-norm.ts). Each sum over a channel
 * takes two launches, one for partial sums and one for their total. The forward pass takes six launches, the backward pass four.
 *
 * The forward pass works with differences from the first element of each channel, the pivot. The mean of the differences is as small as
 * their spread, so a float32 holds it to all digits that matter, also where the channel's own mean is much larger than its spread.
 */

import type { Storage } from "../../../tensor/storage.ts";
import type { Kernels, NormGeometry } from "../../kernels.ts";
import type { Device } from "../device.ts";
import { type Axis, coordinates, program } from "../program.ts";

const integers = ["batch", "channels", "inner", "parts", "steps"] as const;

/** The axes of partial sums. */
const partAxes: readonly Axis[] = [
  ["c", "channels"],
  ["p", "parts"],
];

/** The flat index of element (n, i) of channel c. It is an expression and not a local variable, because local variables are floats. */
const at = "mad(mad(n, channels, c), inner, i)";

/** Runs `accumulate` for every `parts`-th element of channel c, from the p-th on, and returns `total`. */
const channelSum = (accumulate: string): string => `
    let total = 0.0;
    for (let k = 0; k < steps; k++) {
      const j = k * parts + p;
      const n = idiv(j, inner);
      const i = j - n * inner;
      if (n < batch) { ${accumulate} }
    }
    return total;`;

/** Declares the pivot of channel c: its first element, or 0 if that is NaN or infinite. */
const declarePivot = (channel: string): string => `
    const first = x[mad(${channel}, inner, 0)];
    const pivot = Math.abs(first) <= 3.4028234663852886e38 ? first : 0.0;`;

const sums = program({
  name: "batch-norm: sums",
  tensors: ["x"],
  integers,
  body: `
    ${coordinates(partAxes)}
    ${declarePivot("c")}
    ${channelSum(`total = total + (x[${at}] - pivot);`)}`,
});

const squares = program({
  name: "batch-norm: squares",
  tensors: ["x", "offset"],
  integers,
  body: `
    ${coordinates(partAxes)}
    ${declarePivot("c")}
    const mu = offset[c];
    ${channelSum(`const d = (x[${at}] - pivot) - mu; total = total + d * d;`)}`,
});

/** The mean of a channel from its pivot and the mean difference from the pivot. */
const means = program({
  name: "batch-norm: mean",
  tensors: ["x", "offset"],
  integers: ["inner"],
  body: `
    ${declarePivot("this.thread.x")}
    return pivot + offset[this.thread.x];`,
});

/** Both sums of the backward pass in one launch: sum 0 is Σg and sum 1 is Σg·x̂. */
const gradientSums = program({
  name: "batch-norm: sums of the gradient",
  tensors: ["x", "mean", "variance", "g"],
  integers: [...integers, "sumCount"],
  floats: ["epsilon"],
  body: `
    ${coordinates([["which", "sumCount"], ...partAxes])}
    const mu = mean[c];
    const scale = which > 0.5 ? 1.0 / Math.sqrt(variance[c] + epsilon) : 0.0;
    const one = which > 0.5 ? 0.0 : 1.0;
    ${channelSum(`total = total + g[${at}] * (one + (x[${at}] - mu) * scale);`)}`,
});

/** Σ over the parts of row `first` + c of `partials`:[rows, parts], times a factor. */
const total = program({
  name: "batch-norm: total",
  tensors: ["partials"],
  integers: ["parts", "first"],
  floats: ["factor"],
  body: `
    let total = 0.0;
    for (let p = 0; p < parts; p++) { total = total + partials[mad(this.thread.x + first, parts, p)]; }
    return total * factor;`,
});

const elementAxes: readonly Axis[] = [
  ["n", "batch"],
  ["c", "channels"],
  ["i", "inner"],
];

const normalise = program({
  name: "batch-norm: y",
  tensors: ["x", "gamma", "beta", "offset", "variance"],
  integers: ["batch", "channels", "inner"],
  floats: ["epsilon"],
  body: `
    ${coordinates(elementAxes)}
    ${declarePivot("c")}
    const d = (x[this.thread.x] - pivot) - offset[c];
    return gamma[c] * d / Math.sqrt(variance[c] + epsilon) + beta[c];`,
});

const inputGradient = program({
  name: "batch-norm: gradient of x",
  tensors: ["x", "gamma", "mean", "variance", "g", "gradientGamma", "gradientBeta"],
  integers: ["batch", "channels", "inner"],
  floats: ["epsilon", "inverseCount"],
  body: `
    ${coordinates(elementAxes)}
    const scale = 1.0 / Math.sqrt(variance[c] + epsilon);
    const normalised = (x[this.thread.x] - mean[c]) * scale;
    return gamma[c] * scale * (g[this.thread.x] - gradientBeta[c] * inverseCount - normalised * gradientGamma[c] * inverseCount);`,
});

/** The number of threads that keep a device busy. */
const busyThreads = 8192;

/** A partial sum has at least this many terms. */
const minimumTerms = 64;

/** The sizes of the geometry, and the number of partial sums that each channel is split into. */
function sizesOf({ batch, channels, inner }: NormGeometry): Record<(typeof integers)[number], number> {
  const count = batch * inner;
  const parts = Math.max(1, Math.min(Math.ceil(count / minimumTerms), Math.ceil(busyThreads / Math.max(1, channels))));
  return { batch, channels, inner, parts, steps: Math.ceil(count / parts) };
}

export const batchNormKernels = (device: Device): Pick<Kernels, "batchNorm" | "batchNormGradient"> => {
  /** The channels' totals of the partial sums from row `first` on. */
  const totalOf = (partials: Storage, { channels, parts }: ReturnType<typeof sizesOf>, first: number, factor: number): Storage =>
    device.run(total, channels, { partials, parts, first, factor });

  return {
    batchNorm(x, gamma, beta, geometry) {
      const { batch, channels, inner, epsilon } = geometry;
      const sizes = sizesOf(geometry);
      // The mean of a channel without elements is 0·(1/0) = NaN.
      const inverseCount = 1 / (batch * inner);
      const partialSums = device.run(sums, channels * sizes.parts, { x, ...sizes });
      const offset = totalOf(partialSums, sizes, 0, inverseCount);
      const partialSquares = device.run(squares, channels * sizes.parts, { x, offset, ...sizes });
      const variance = totalOf(partialSquares, sizes, 0, inverseCount);
      const y = device.run(normalise, x.length, { x, gamma, beta, offset, variance, batch, channels, inner, epsilon });
      const mean = device.run(means, channels, { x, offset, inner });
      for (const storage of [partialSums, partialSquares, offset]) storage.release();
      return { y, mean, variance };
    },

    batchNormGradient(x, gamma, mean, variance, g, geometry) {
      const { batch, channels, inner, epsilon } = geometry;
      const sizes = sizesOf(geometry);
      const inverseCount = 1 / (batch * inner);
      const partials = device.run(gradientSums, 2 * channels * sizes.parts, { x, mean, variance, g, ...sizes, sumCount: 2, epsilon });
      const gradientBeta = totalOf(partials, sizes, 0, 1);
      const gradientGamma = totalOf(partials, sizes, channels, 1);
      partials.release();
      const tensors = { x, g, gamma, mean, variance, gradientGamma, gradientBeta };
      const gradient = device.run(inputGradient, x.length, { ...tensors, batch, channels, inner, epsilon, inverseCount });
      return { x: gradient, gamma: gradientGamma, beta: gradientBeta };
    },
  };
};
