/**
 * Batch normalisation of each channel over its batch·inner elements (formulas in backend/reference/batch-norm.ts). Each sum over a channel
 * takes two launches, one for partial sums and one for their total. The forward pass takes six launches, the backward pass four. An addend
 * and an activation are part of these launches. The gradient of the addend takes one more.
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

/** The element of g at an index, or 0 where the activation that gave y has slope 0. */
const slopedGradient: ByActivation<(index: string) => string> = {
  none: (index) => `g[${index}]`,
  relu: (index) => `(y[${index}] > 0.0 ? g[${index}] : 0.0)`,
  relu6: (index) => `(y[${index}] > 0.0 && y[${index}] < 6.0 ? g[${index}] : 0.0)`,
};
const suffix = (activation: Activation | "none"): string => (activation === "none" ? "" : `, ${activation}`);
const withResult = (activation: Activation | "none"): readonly string[] => (activation === "none" ? [] : ["y"]);

/** g, and 0 where the activation has slope 0: the gradient of the addend. */
const sloped = byActivation((activation) =>
  program({
    name: `batch-norm: gradient of the addend${suffix(activation)}`,
    tensors: ["g", ...withResult(activation)],
    body: `return ${slopedGradient[activation]("this.thread.x")};`,
  }),
);

/** Both sums of the backward pass in one launch: sum 0 is Σg and sum 1 is Σg·x̂. */
const gradientSums = byActivation((activation) =>
  program({
    name: `batch-norm: sums of the gradient${suffix(activation)}`,
    tensors: ["x", "mean", "variance", "g", ...withResult(activation)],
    integers: [...integers, "sumCount"],
    floats: ["epsilon"],
    body: `
    ${coordinates([["which", "sumCount"], ...partAxes])}
    const mu = mean[c];
    const scale = which > 0.5 ? 1.0 / Math.sqrt(variance[c] + epsilon) : 0.0;
    const one = which > 0.5 ? 0.0 : 1.0;
    ${channelSum(`total = total + ${slopedGradient[activation](at)} * (one + (x[${at}] - mu) * scale);`)}`,
  }),
);

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

const inputGradient = byActivation((activation) =>
  program({
    name: `batch-norm: gradient of x${suffix(activation)}`,
    tensors: ["x", "gamma", "mean", "variance", "g", "gradientGamma", "gradientBeta", ...withResult(activation)],
    integers: ["batch", "channels", "inner"],
    floats: ["epsilon", "inverseCount"],
    body: `
    ${coordinates(elementAxes)}
    const scale = 1.0 / Math.sqrt(variance[c] + epsilon);
    const normalised = (x[this.thread.x] - mean[c]) * scale;
    const cotangent = ${slopedGradient[activation]("this.thread.x")};
    return gamma[c] * scale * (cotangent - gradientBeta[c] * inverseCount - normalised * gradientGamma[c] * inverseCount);`,
  }),
);

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
      const addend = through?.addend ? device.run(sloped[through.activation], g.length, { g, y: through.y }) : undefined;
      // Where the cotangent of the sum exists already, the activation has been passed.
      const cotangent = addend === undefined && through !== undefined ? { g, y: through.y } : { g: addend ?? g };
      const activation = addend === undefined ? (through?.activation ?? "none") : "none";
      const common = { x, mean, variance, ...cotangent, epsilon };
      const partials = device.run(gradientSums[activation], 2 * channels * sizes.parts, { ...common, ...sizes, sumCount: 2 });
      const gradientBeta = totalOf(partials, sizes, 0, 1);
      const gradientGamma = totalOf(partials, sizes, channels, 1);
      partials.release();
      const tensors = { ...common, gamma, gradientGamma, gradientBeta };
      const gradient = device.run(inputGradient[activation], x.length, { ...tensors, batch, channels, inner, inverseCount });
      return { x: gradient, gamma: gradientGamma, beta: gradientBeta, ...(addend === undefined ? {} : { addend }) };
    },
  };
};
