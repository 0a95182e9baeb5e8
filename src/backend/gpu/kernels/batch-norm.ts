/**
 * Batch normalisation of each channel over its batch·inner elements (formulas in backend/reference/batch-norm.ts). A pass takes three
 * launches: partial results, what they come to for each channel, and the elements. The backward pass takes one more where the cotangent of
 * an addend is wanted.
 *
 * The statistics come from parts of a channel: each has its mean and its sum of squared deviations from this mean, and these add up without
 * cancellation (Chan, Golub & LeVeque 1983, "Algorithms for computing the sample variance"). The forward pass works with differences from
 * the first element of each channel, the pivot. The mean of the differences is as small as their spread, so a float32 holds it to all
 * digits that matter, also where the channel's own mean is much larger than its spread.
 */

import type { Storage } from "../../../tensor/storage.ts";
import {
  type Activation,
  type ActivationGradient,
  activations,
  type EpilogueStorages,
  type Kernels,
  type NormGeometry,
  type RunningStatistics,
} from "../../kernels.ts";
import type { Device } from "../device.ts";
import { type Axis, coordinates, isNotANumber, type Program, program, smallQuotient } from "../program.ts";

/**
 * The sizes of x, and of the parts: part (r, q) of a channel has every rows-th image from r on, and of each every columns-th element from
 * q.
 */
const integers = ["batch", "channels", "inner", "rows", "columns", "rowSteps", "columnSteps"] as const;

/** The axes of partial results. */
const partAxes: readonly Axis[] = [
  ["c", "channels"],
  ["r", "rows"],
  ["q", "columns"],
];

/** Runs `accumulate` for every element of a part, whose index is `at`. The name keeps the variables of two loops apart. */
const forEachOfPart = (name: string, accumulate: (at: string) => string): string => `
    for (let j${name} = 0; j${name} < rowSteps; j${name}++) {
      const n${name} = j${name} * rows + r;
      if (n${name} < batch) {
        for (let k${name} = 0; k${name} < columnSteps; k${name}++) {
          const i${name} = k${name} * columns + q;
          if (i${name} < inner) { ${accumulate(`mad(mad(n${name}, channels, c), inner, i${name})`)} }
        }
      }
    }`;

/** Declares the pivot of channel c: its first element, or 0 if that is NaN or infinite. */
const declarePivot = `
    const first = x[mad(c, inner, 0)];
    const pivot = Math.abs(first) <= 3.4028234663852886e38 ? first : 0.0;`;

/** Declares c, the channel of a thread's element. */
const declareChannel = "const c = imod(idiv(this.thread.x, inner), channels);";

/** [2, channels, rows, columns]: the mean difference of a part from the pivot, and the part's sum of squared deviations from its mean. */
const parts = program({
  name: "batch-norm: parts",
  tensors: ["x"],
  integers: [...integers, "kinds"],
  body: `
    ${coordinates([["kind", "kinds"], ...partAxes])}
    ${declarePivot}
    let total = 0.0;
    let count = 0.0;
    ${forEachOfPart("", (at) => `total = total + (x[${at}] - pivot); count = count + 1.0;`)}
    const average = total / count;
    if (kind < 0.5) { return average; }
    let squares = 0.0;
    ${forEachOfPart("2", (at) => `const d = (x[${at}] - pivot) - average; squares = squares + d * d;`)}
    return squares;`,
});

/** Runs `accumulate` for each part of a channel: `place` is its index among the partial results, `weight` its number of elements. */
const forEachPart = (name: string, accumulate: string): string => `
    for (let r${name} = 0; r${name} < rows; r${name}++) {
      for (let q${name} = 0; q${name} < columns; q${name}++) {
        const place${name} = mad(mad(c, rows, r${name}), columns, q${name});
        const images${name} = ${smallQuotient(`(batch - r${name} + rows - 1)`, "rows")};
        const weight${name} = images${name} * ${smallQuotient(`(inner - q${name} + columns - 1)`, "columns")};
        ${accumulate}
      }
    }`;

/**
 * [kinds, channels]: the mean difference from the pivot, the mean and the running mean; then the variance and the running variance. Without
 * running statistics there are four kinds, and the third is not used.
 */
const statistics = program({
  name: "batch-norm: statistics",
  tensors: ["x", "partials", "runningMean", "runningVariance"],
  integers: ["batch", "channels", "inner", "rows", "columns", "kinds", "all"],
  floats: ["inverseCount", "momentum", "correction"],
  body: `
    ${coordinates([
      ["kind", "kinds"],
      ["c", "channels"],
    ])}
    ${declarePivot}
    let total = 0.0;
    ${forEachPart("", "total = total + partials[place] * weight;")}
    const offset = total * inverseCount;
    if (kind < 0.5) { return offset; }
    if (kind < 1.5) { return pivot + offset; }
    if (kind < 2.5) { return (1.0 - momentum) * runningMean[c] + momentum * (pivot + offset); }
    let squares = 0.0;
    ${forEachPart("2", "const d = partials[place2] - offset; squares = squares + (partials[mad(all, 1, place2)] + weight2 * d * d);")}
    const variance = squares * inverseCount;
    if (kind < 3.5) { return variance; }
    return (1.0 - momentum) * runningVariance[c] + momentum * (correction * variance);`,
});

/** A value for each activation, and for none. */
type ByActivation<T> = Readonly<Record<Activation | "none", T>>;
const byActivation = <T>(make: (activation: Activation | "none") => T): ByActivation<T> =>
  Object.fromEntries((["none", ...activations] as const).map((activation) => [activation, make(activation)])) as ByActivation<T>;

/** Returns activation(v) for a local variable v. NaN is handled first, as in relu (function-bodies.ts). */
const returnActivated: ByActivation<string> = {
  none: "return v;",
  relu: `if (${isNotANumber("v")}) { return v; }\nif (v <= 0.0) { return 0.0; }\nreturn v;`,
  relu6: `if (${isNotANumber("v")}) { return v; }\nif (v <= 0.0) { return 0.0; }\nif (v >= 6.0) { return 6.0; }\nreturn v;`,
};

const suffix = (activation: Activation | "none"): string => (activation === "none" ? "" : `, ${activation}`);

/** Where the activation that gave v has slope 1. */
const hasSlope = { relu: "v > 0.0", relu6: "v > 0.0 && v < 6.0" } as const;

/** The cotangent before the activation. */
const slopedGradients = byActivation((activation) =>
  program({
    name: `batch-norm: gradient before the activation${suffix(activation)}`,
    tensors: ["g", "y"],
    body: `
    ${declareCotangent(activation, "this.thread.x")}
    return cotangent;`,
  }),
);

/** Declares the cotangent before the activation at an element: g where the activation has slope 1, and 0 elsewhere. */
function declareCotangent(activation: Activation | "none", at: string): string {
  if (activation === "none") return `const cotangent = g[${at}];`;
  return `const v = y[${at}];\nlet cotangent = 0.0;\nif (${hasSlope[activation]}) { cotangent = g[${at}]; }`;
}

/** The tensor that tells the slope of an activation. */
const slopeTensors = (activation: Activation | "none"): string[] => (activation === "none" ? [] : ["y"]);

/** [2, channels, rows, columns]: the sums of g and of g·x̂ over each part. */
const gradientParts = byActivation(
  (activation): Program =>
    program({
      name: `batch-norm: parts of the gradient${suffix(activation)}`,
      tensors: ["x", "mean", "variance", "g", ...slopeTensors(activation)],
      integers: [...integers, "kinds"],
      floats: ["epsilon"],
      body: `
    ${coordinates([["kind", "kinds"], ...partAxes])}
    const mu = mean[c];
    const scale = kind > 0.5 ? 1.0 / Math.sqrt(variance[c] + epsilon) : 0.0;
    const one = kind > 0.5 ? 0.0 : 1.0;
    let total = 0.0;
    ${forEachOfPart("", (at) => `${declareCotangent(activation, at)} total = total + cotangent * (one + (x[${at}] - mu) * scale);`)}
    return total;`,
    }),
);

/** The sum of each row of `partials`:[…, parts]. */
const totals = program({
  name: "batch-norm: totals",
  tensors: ["partials"],
  integers: ["parts"],
  body: `
    let total = 0.0;
    for (let p = 0; p < parts; p++) { total = total + partials[mad(this.thread.x, parts, p)]; }
    return total;`,
});

/** The programs for each activation, without and with an addend: they return activation(v + addend) after `declareV`. */
const finished = (name: string, tensors: readonly string[], floats: readonly string[], declareV: string) =>
  byActivation((activation) => {
    const make = (adds: boolean): Program =>
      program({
        name: `${name}${adds ? ", with an addend" : ""}${suffix(activation)}`,
        tensors: [...tensors, ...(adds ? ["addend"] : [])],
        integers: ["channels", "inner"],
        floats,
        body: `
    ${declareChannel}
    ${declareV.replace(/;$/, adds ? " + addend[this.thread.x];" : ";")}
    ${returnActivated[activation]}`,
      });
    return { plain: make(false), adding: make(true) };
  });

const normalise = finished(
  "batch-norm: y",
  ["x", "gamma", "beta", "offset", "variance"],
  ["epsilon"],
  `${declarePivot}
    const d = (x[this.thread.x] - pivot) - offset[c];
    const v = gamma[c] * d / Math.sqrt(variance[c] + epsilon) + beta[c];`,
);

const affine = finished("channel affine", ["x", "scale", "shift"], [], "const v = scale[c] * x[this.thread.x] + shift[c];");

/**
 * The cotangent of x. WebGPU guarantees eight tensors to a program, its result among them. So the two sums are one tensor, with those of g
 * first.
 */
const inputGradient = byActivation(
  (activation): Program =>
    program({
      name: `batch-norm: gradient of x${suffix(activation)}`,
      tensors: ["x", "gamma", "mean", "variance", "g", "sums", ...slopeTensors(activation)],
      integers: ["channels", "inner"],
      floats: ["epsilon", "inverseCount"],
      body: `
    ${declareChannel}
    const scale = 1.0 / Math.sqrt(variance[c] + epsilon);
    const normalised = (x[this.thread.x] - mean[c]) * scale;
    ${declareCotangent(activation, "this.thread.x")}
    const ofGamma = sums[mad(channels, 1, c)];
    return gamma[c] * scale * (cotangent - sums[c] * inverseCount - normalised * ofGamma * inverseCount);`,
    }),
);

/** The number of threads that keep a device busy. */
const busyThreads = 8192;

/** A part has at least this many elements. */
const minimumTerms = 64;

/** The sizes of the geometry and of the parts of its channels. */
function sizesOf({ batch, channels, inner }: NormGeometry): Record<(typeof integers)[number], number> {
  const wanted = Math.max(1, Math.min(Math.ceil((batch * inner) / minimumTerms), Math.ceil(busyThreads / Math.max(1, channels))));
  // Neighbouring threads take neighbouring columns.
  const columns = Math.max(1, Math.min(inner, wanted));
  const rows = Math.max(1, Math.min(batch, Math.ceil(wanted / columns)));
  return { batch, channels, inner, rows, columns, rowSteps: Math.ceil(batch / rows), columnSteps: Math.ceil(inner / columns) };
}

export const batchNormKernels = (device: Device): Pick<Kernels, "channelAffine" | "batchNorm" | "batchNormGradient"> => {
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

  /** The statistics of a batch. Those of a channel without elements are NaN. */
  const statisticsOf = (x: Storage, geometry: NormGeometry, running: RunningStatistics | undefined) => {
    const { channels } = geometry;
    const sizes = sizesOf(geometry);
    const count = geometry.batch * geometry.inner;
    if (count === 0) {
      const nothing = (): Storage => device.full("float32", channels, Number.NaN);
      return { offset: nothing(), mean: nothing(), variance: nothing(), running: undefined };
    }
    const all = channels * sizes.rows * sizes.columns;
    const partials = device.run(parts, 2 * all, { x, ...sizes, kinds: 2 });
    const lengths = { offset: channels, mean: channels, runningMean: channels, variance: channels, runningVariance: channels };
    const { offset, mean, variance, runningMean, runningVariance } = device.runAll(statistics, lengths, {
      ...{ x, partials, ...sizes, all, kinds: 5, inverseCount: 1 / count },
      ...{ runningMean: running?.mean ?? x, runningVariance: running?.variance ?? x },
      ...{ momentum: running?.momentum ?? 0, correction: running?.correction ?? 0 },
    });
    partials.release();
    if (running !== undefined) return { offset, mean, variance, running: { mean: runningMean, variance: runningVariance } };
    runningMean.release();
    runningVariance.release();
    return { offset, mean, variance, running };
  };

  return {
    channelAffine: (x, scale, shift, { channels, inner }, then) => finish(affine, x, { scale, shift, channels, inner }, then),

    batchNorm(x, gamma, beta, geometry, then, running) {
      const { channels, inner, epsilon } = geometry;
      const { offset, mean, variance, running: moved } = statisticsOf(x, geometry, running);
      const y = finish(normalise, x, { gamma, beta, offset, variance, channels, inner, epsilon }, then);
      offset.release();
      return { y, mean, variance, ...(moved && { running: moved }) };
    },

    batchNormGradient(x, gamma, mean, variance, g, geometry, through) {
      const { channels, inner, epsilon } = geometry;
      const sizes = sizesOf(geometry);
      // The cotangent of an addend is a result of its own, from which the other programs can read.
      const addend = through?.addend ? device.run(slopedGradients[through.activation], g.length, { g, y: through.y }) : undefined;
      const slope: ActivationGradient | undefined = addend === undefined ? through : undefined;
      const activation = slope?.activation ?? "none";
      const common = { x, mean, variance, g: addend ?? g, epsilon, ...(slope && { y: slope.y }) };
      const partCount = sizes.rows * sizes.columns;
      const partials = device.run(gradientParts[activation], 2 * channels * partCount, { ...common, ...sizes, kinds: 2 });
      const sums = device.runAll(totals, { beta: channels, gamma: channels }, { partials, parts: partCount });
      partials.release();
      const inverseCount = 1 / (geometry.batch * inner);
      const gradient = device.run(inputGradient[activation], x.length, {
        ...{ ...common, gamma, channels, inner, inverseCount },
        sums: sums.beta, // The sums of g·x̂ follow in the same buffer.
      });
      return { x: gradient, ...sums, ...(addend && { addend }) };
    },
  };
};
