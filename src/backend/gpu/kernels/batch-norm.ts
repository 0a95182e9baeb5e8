/**
 * Batch normalisation of each channel over its batch·inner elements (formulas in backend/reference/batch-norm.ts). Each sum over a channel
 * takes two launches, one for partial sums and one for their total. The forward pass takes six launches, also where it has an addend and an
 * activation. The backward pass takes four launches, and one more where an activation comes after the norm.
 *
 * The forward pass works with differences from the first element of each channel, the pivot. The mean of the differences is as small as
 * their spread, so a float32 holds it to all digits that matter, also where the channel's own mean is much larger than its spread.
 */

import type { Storage } from "../../../tensor/storage.ts";
import { type Activation, activations, type EpilogueStorages, type Kernels, type NormGeometry } from "../../kernels.ts";
import type { Device } from "../device.ts";
import { type Axis, coordinates, isNotANumber, type Program, program } from "../program.ts";

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

/** A value for each activation, and for none. */
type ByActivation<T> = Readonly<Record<Activation | "none", T>>;
const byActivation = <T>(make: (activation: Activation | "none") => T): ByActivation<T> =>
  Object.fromEntries((["none", ...activations] as const).map((activation) => [activation, make(activation)])) as ByActivation<T>;

/** Returns activation(v) for a local variable v. NaN is handled first, as in relu (kernels/elementwise.ts). */
const returnActivated: ByActivation<string> = {
  none: "return v;",
  relu: `if (${isNotANumber("v")}) { return v; }\nif (v <= 0.0) { return 0.0; }\nreturn v;`,
  relu6: `if (${isNotANumber("v")}) { return v; }\nif (v <= 0.0) { return 0.0; }\nif (v >= 6.0) { return 6.0; }\nreturn v;`,
};

const suffix = (activation: Activation | "none"): string => (activation === "none" ? "" : `, ${activation}`);

/** The gradient before an activation: g where the activation that gave y has slope 1, and 0 elsewhere. */
const slopedGradient = (activation: Activation, hasSlope: string) =>
  program({
    name: `batch-norm: gradient before the activation${suffix(activation)}`,
    tensors: ["g", "y"],
    body: `
    const v = y[this.thread.x];
    if (${hasSlope}) { return g[this.thread.x]; }
    return 0.0;`,
  });
const slopedGradients = { relu: slopedGradient("relu", "v > 0.0"), relu6: slopedGradient("relu6", "v > 0.0 && v < 6.0") } as const;

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

/** The programs for each activation, without and with an addend: they return activation(v + addend) after `declareV`. */
const finished = (name: string, tensors: readonly string[], floats: readonly string[], declareV: string) =>
  byActivation((activation) => {
    const make = (adds: boolean): Program =>
      program({
        name: `${name}${adds ? ", with an addend" : ""}${suffix(activation)}`,
        tensors: [...tensors, ...(adds ? ["addend"] : [])],
        integers: ["batch", "channels", "inner"],
        floats,
        body: `
    ${coordinates(elementAxes)}
    ${declareV.replace(/;$/, adds ? " + addend[this.thread.x];" : ";")}
    ${returnActivated[activation]}`,
      });
    return { plain: make(false), adding: make(true) };
  });

const normalise = finished(
  "batch-norm: y",
  ["x", "gamma", "beta", "offset", "variance"],
  ["epsilon"],
  `${declarePivot("c")}
    const d = (x[this.thread.x] - pivot) - offset[c];
    const v = gamma[c] * d / Math.sqrt(variance[c] + epsilon) + beta[c];`,
);

const affine = finished("channel affine", ["x", "scale", "shift"], [], "const v = scale[c] * x[this.thread.x] + shift[c];");

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

export const batchNormKernels = (device: Device): Pick<Kernels, "channelAffine" | "batchNorm" | "batchNormGradient"> => {
  /** The channels' totals of the partial sums from row `first` on. */
  const totalOf = (partials: Storage, { channels, parts }: ReturnType<typeof sizesOf>, first: number, factor: number): Storage =>
    device.run(total, channels, { partials, parts, first, factor });

  /** Runs the program for an epilogue. */
  const finish = (
    programs: ReturnType<typeof finished>,
    x: Storage,
    inputs: Readonly<Record<string, Storage | number>>,
    { addend, activation }: EpilogueStorages = {},
  ): Storage => {
    const { plain, adding } = programs[activation ?? "none"];
    return addend === undefined ? device.run(plain, x.length, { x, ...inputs }) : device.run(adding, x.length, { x, ...inputs, addend });
  };

  return {
    channelAffine: (x, scale, shift, { batch, channels, inner }, then) => finish(affine, x, { scale, shift, batch, channels, inner }, then),

    batchNorm(x, gamma, beta, geometry, then) {
      const { batch, channels, inner, epsilon } = geometry;
      const sizes = sizesOf(geometry);
      // The mean of a channel without elements is 0·(1/0) = NaN.
      const inverseCount = 1 / (batch * inner);
      const partialSums = device.run(sums, channels * sizes.parts, { x, ...sizes });
      const offset = totalOf(partialSums, sizes, 0, inverseCount);
      const partialSquares = device.run(squares, channels * sizes.parts, { x, offset, ...sizes });
      const variance = totalOf(partialSquares, sizes, 0, inverseCount);
      const y = finish(normalise, x, { gamma, beta, offset, variance, batch, channels, inner, epsilon }, then);
      const mean = device.run(means, channels, { x, offset, inner });
      for (const storage of [partialSums, partialSquares, offset]) storage.release();
      return { y, mean, variance };
    },

    batchNormGradient(x, gamma, mean, variance, g, geometry, through) {
      const { batch, channels, inner, epsilon } = geometry;
      const sizes = sizesOf(geometry);
      const inverseCount = 1 / (batch * inner);
      // The slope has a launch of its own, because the last launch has as many tensors as WebGPU guarantees to a program: eight with its
      // result.
      const sloped = through && device.run(slopedGradients[through.activation], g.length, { g, y: through.y });
      const cotangent = sloped ?? g;
      const common = { x, mean, variance, g: cotangent, epsilon };
      const partials = device.run(gradientSums, 2 * channels * sizes.parts, { ...common, ...sizes, sumCount: 2 });
      const gradientBeta = totalOf(partials, sizes, 0, 1);
      const gradientGamma = totalOf(partials, sizes, channels, 1);
      partials.release();
      const tensors = { ...common, gamma, gradientGamma, gradientBeta };
      const gradient = device.run(inputGradient, x.length, { ...tensors, batch, channels, inner, inverseCount });
      if (!through?.addend) sloped?.release();
      return { x: gradient, gamma: gradientGamma, beta: gradientBeta, ...(sloped && through?.addend ? { addend: sloped } : {}) };
    },
  };
};
