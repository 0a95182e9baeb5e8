import fc from "fast-check";
import { it } from "vitest";
import {
  type Activation,
  type AdamUpdate,
  activations,
  type BatchStatistics,
  type Kernels,
  type NormGeometry,
  type RunningStatistics,
  type SgdUpdate,
} from "../../src/backend/kernels.ts";
import { convolutionGeometry } from "../../src/core/convolution-geometry.ts";
import type { DType, Storage } from "../../src/tensor/storage.ts";
import { geometryOf, norms, poolings } from "../arbitraries/geometries.ts";
import { sizes } from "../arbitraries/shapes.ts";
import { seeds, type ValueKind, valuesOf } from "../arbitraries/values.ts";
import { adamBounds, normBounds, normGradientBounds, sgdBounds } from "./conformance-fused-bounds.ts";
import { conforms, floating, holds, onReference, type Subject } from "./conformance-harness.ts";

/** Channels around a common mean: of unit spread, far from 0 beside it (where E[x²] − μ² would cancel), or all equal. */
const populations = fc.constantFrom(
  { mean: 0, spread: 1 },
  { mean: 3, spread: 1 },
  { mean: 100, spread: 1 },
  { mean: 5, spread: 0 },
  { mean: -2, spread: 30 },
  { mean: 1e4, spread: 1 },
);

/** What follows in the same pass. */
const epilogues = fc.record({ adds: fc.boolean(), activation: fc.constantFrom<(Activation | undefined)[]>(undefined, ...activations) });

const normCases = fc.record({
  seed: seeds,
  population: populations,
  epilogue: epilogues,
  geometry: fc.oneof(
    { weight: 10, arbitrary: norms(7) },
    { weight: 2, arbitrary: norms(30) },
    { weight: 1, arbitrary: fc.constant<NormGeometry>({ batch: 9, channels: 33, inner: 121, epsilon: 1e-5 }) },
  ),
});

/** The lengths of the parameters of an optimiser. */
const lengths = fc.array(fc.oneof({ weight: 40, arbitrary: sizes(40) }, { weight: 1, arbitrary: fc.constant(50_001) }), { maxLength: 8 });
const rates = { learningRate: fc.constantFrom(0.1, 1, 0.003), weightDecay: fc.constantFrom(0, 5e-4, 0.1) };

/** y as activations give it, and other numbers beside it: many are where the slope changes. */
const activated = (seed: number, count: number): Float64Array =>
  valuesOf(seed, count).map((z, i) => (i % 7 === 0 ? 6 - 2 ** -21 : Math.round(3 * z)));
const slopes: Readonly<Record<Activation, (y: number) => boolean>> = { relu: (y) => y > 0, relu6: (y) => y > 0 && y < 6 };

function normInputs({
  seed,
  population,
  geometry,
}: {
  seed: number;
  population: { mean: number; spread: number };
  geometry: NormGeometry;
}) {
  const { batch, channels, inner } = geometry;
  const x = valuesOf(seed, batch * channels * inner).map((z) => Math.fround(population.mean + population.spread * z));
  const [gamma, beta] = [valuesOf(seed + 1, channels), valuesOf(seed + 2, channels)];
  return { x, gamma, beta, g: valuesOf(seed + 3, x.length), addend: valuesOf(seed + 4, x.length) };
}

/** The largest |x − μ|/√(σ² + ε) that rounding in the channel of element `at` may be measured by, squared where it enters σ as well. */
function spreadOf(x: Float64Array, { channels, inner, epsilon, batch }: NormGeometry, at: number): number {
  const c = Math.floor(at / inner) % channels;
  const values = Array.from({ length: batch * inner }, (_, j) => x[(Math.floor(j / inner) * channels + c) * inner + (j % inner)]!);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const mu = values.reduce((sum, v) => sum + (v - low), 0) / values.length + low;
  const sigma2 = values.reduce((sum, v) => sum + (v - mu) ** 2, 0) / values.length;
  const widest = (high - low) / Math.sqrt(sigma2 + epsilon);
  return Math.max(1, widest) ** 2;
}

/** (1 − momentum)·running + momentum·batch by other kernels. The batch's variance takes the correction. */
function moved(k: Kernels, dtype: DType, running: RunningStatistics, batch: BatchStatistics): BatchStatistics {
  const { momentum, correction } = running;
  const scaled = (x: Storage, factor: number): Storage => {
    const number = k.full(dtype, 1, factor);
    const product = k.binary("multiply", x, number, { shape: [x.length], stridesA: [1], stridesB: [0] });
    number.release();
    return product;
  };
  const mix = (before: Storage, now: Storage, factor: number): Storage => {
    const [kept, added] = [scaled(before, 1 - momentum), scaled(now, momentum * factor)];
    k.accumulate(kept, added);
    added.release();
    return kept;
  };
  return { mean: mix(running.mean, batch.mean, 1), variance: mix(running.variance, batch.variance, correction) };
}

export function fusedConformance(subject: Subject): void {
  it("maxPool2d: first maximum of the window and where it stands", () =>
    holds(
      subject,
      fc.asyncProperty(
        seeds,
        fc.constantFrom<ValueKind>("normal", "integers", "nonFinite"),
        fc.oneof({ weight: 10, arbitrary: poolings() }, { weight: 1, arbitrary: poolings({ maxBatch: 9, maxChannels: 20, maxSize: 24 }) }),
        async (seed, kind, config) => {
          const geometry = geometryOf(config);
          const length = config.x.reduce((product, size) => product * size, 1);
          await conforms(subject, {
            inputs: [floating(subject.values(seed, length, kind))],
            run: (k, [x]) => {
              const { values, indices } = k.maxPool2d(x!, geometry);
              return [values, indices];
            },
          });
        },
      ),
      150,
    ));

  it("maxPool2d of rows that are longer than a vector: first of equal pixels, first NaN, and the cotangents at their places", () =>
    holds(
      subject,
      fc.asyncProperty(
        seeds,
        fc.constantFrom<ValueKind>("normal", "integers", "nonFinite"),
        fc.record({
          height: fc.integer({ min: 5, max: 8 }),
          width: fc.integer({ min: 9, max: 40 }),
          kernel: fc.integer({ min: 2, max: 3 }),
          stride: fc.integer({ min: 1, max: 3 }),
          padding: fc.nat({ max: 1 }),
          dilation: fc.integer({ min: 1, max: 2 }),
        }),
        async (seed, kind, { height, width, kernel, stride, padding, dilation }) => {
          const geometry = convolutionGeometry("maxPool2d", [2, 1, height, width], [1, 1, kernel, kernel], { stride, padding, dilation });
          const [pixels, windows] = [2 * height * width, 2 * geometry.outHeight * geometry.outWidth];
          // Sums of integers are exact in every order.
          const cotangents = subject.values(seed + 1, windows, "integers");
          await conforms(subject, {
            inputs: [subject.values(seed, pixels, kind), cotangents].map(floating),
            run: (k, [x, g]) => {
              const { values, indices } = k.maxPool2d(x!, geometry);
              return [values, indices, k.scatterAdd(g!, indices, { outer: 1, axis: pixels, inner: 1 })];
            },
          });
        },
      ),
      60,
    ));

  it("channelAffine: a scale and a shift of channels, an addend and an activation", () =>
    holds(
      subject,
      fc.asyncProperty(normCases, async (config) => {
        const { adds, activation } = config.epilogue;
        const { x, gamma, beta, addend } = normInputs(config);
        const { channels, inner } = config.geometry;
        await conforms(subject, {
          inputs: [x, gamma, beta, ...(adds ? [addend] : [])].map(floating),
          run: (k, [xs, scales, shifts, addends]) => [
            k.channelAffine(xs!, scales!, shifts!, config.geometry, { addend: addends, activation }),
          ],
          bound: ({ unit, sides }) => {
            const channel = (at: number): number => Math.floor(at / inner) % channels;
            const size = (at: number): number =>
              Math.abs(gamma[channel(at)]! * x[at]!) + Math.abs(beta[channel(at)]!) + (adds ? Math.abs(addend[at]!) : 0);
            return [x.map((_, at) => sides * 4 * unit * size(at))];
          },
        });
      }),
    ));

  it("batchNorm: y with its addend and its activation, the batch's mean and its variance", () =>
    holds(
      subject,
      fc.asyncProperty(normCases, async (config) => {
        const { adds, activation } = config.epilogue;
        const { x, gamma, beta, addend } = normInputs(config);
        await conforms(subject, {
          inputs: [x, gamma, beta, ...(adds ? [addend] : [])].map(floating),
          run: (k, [xs, gammas, betas, addends]) => {
            const { y, mean, variance } = k.batchNorm(xs!, gammas!, betas!, config.geometry, { addend: addends, activation });
            return [y, mean, variance];
          },
          bound: (precision) => normBounds(x, gamma, beta, config.geometry, precision, adds ? addend : undefined),
        });
      }),
    ));

  it("batchNorm: running statistics, by the kernel or by the formula", () =>
    holds(
      subject,
      fc.asyncProperty(normCases, fc.constantFrom(0, 0.1, 1), async (config, momentum) => {
        const { x, gamma, beta } = normInputs(config);
        const { channels } = config.geometry;
        const [runningMean, runningVariance] = [valuesOf(config.seed + 5, channels), valuesOf(config.seed + 6, channels, "positive")];
        const correction = 1.25;
        await conforms(subject, {
          inputs: [x, gamma, beta, runningMean, runningVariance].map(floating),
          run: (k, [xs, gammas, betas, means, variances], dtype) => {
            const before = { mean: means!, variance: variances!, momentum, correction };
            const { y, mean, variance, running } = k.batchNorm(xs!, gammas!, betas!, config.geometry, {}, before);
            y.release();
            const after = running ?? moved(k, dtype, before, { mean, variance });
            mean.release();
            variance.release();
            return [after.mean, after.variance];
          },
          bound: (precision) => {
            const [, ofMean, ofVariance] = normBounds(x, gamma, beta, config.geometry, precision) as [unknown, Float64Array, Float64Array];
            const [, mean, variance] = onReference([x, gamma, beta].map(floating), (k, [xs, gammas, betas]) => {
              const { y, ...statistics } = k.batchNorm(xs!, gammas!, betas!, config.geometry);
              return [y, statistics.mean, statistics.variance];
            });
            const rounding = 6 * precision.sides * precision.unit;
            return [
              ofMean.map((error, c) => momentum * error + rounding * (Math.abs(runningMean[c]!) + Math.abs(mean![c]!))),
              ofVariance.map((error, c) => correction * (momentum * error + rounding * (runningVariance[c]! + variance![c]!))),
            ];
          },
        });
      }),
      60,
    ));

  it("batchNorm: y keeps its digits where the mean is ten thousand times σ", () =>
    holds(
      subject,
      fc.asyncProperty(seeds, fc.constantFrom(1e2, 1e4, 1e6), norms(20), async (seed, mean, geometry) => {
        const { batch, channels, inner } = geometry;
        const x = valuesOf(seed, batch * channels * inner).map((z) => Math.fround(mean + Math.max(-4, Math.min(4, z))));
        const ones = new Float64Array(channels).fill(1);
        await conforms(subject, {
          inputs: [x, ones, new Float64Array(channels)].map(floating),
          run: (k, [xs, gammas, betas]) => {
            const { y, mean, variance } = k.batchNorm(xs!, gammas!, betas!, geometry);
            mean.release();
            variance.release();
            return [y];
          },
          // x − μ ≤ 8 is exact up to a few roundings, and each of the two sums over the channel adds as many as it has terms.
          bound: ({ unit, sides }) => {
            return [Float64Array.from(x, (_, at) => sides * (batch * inner + 16) * unit * spreadOf(x, geometry, at))];
          },
        });
      }),
      60,
    ));

  it("batchNorm: a NaN or an infinity makes its own channel NaN, and no other", () =>
    holds(
      subject,
      fc.asyncProperty(seeds, norms(9), fc.constantFrom(undefined, ...activations), async (seed, geometry, activation) => {
        const { batch, channels, inner } = geometry;
        const x = subject.values(seed, batch * channels * inner, seed % 3 === 0 ? "normal" : "nonFinite");
        const [gamma, beta] = [valuesOf(seed + 1, channels), valuesOf(seed + 2, channels)];
        await conforms(subject, {
          inputs: [x, gamma, beta].map(floating),
          run: (k, [xs, gammas, betas]) => {
            const { y, mean, variance } = k.batchNorm(xs!, gammas!, betas!, geometry, { activation });
            return [y, mean, variance];
          },
          bound: (precision) => normBounds(x, gamma, beta, geometry, precision),
        });
      }),
    ));

  it("batchNormGradient: of x, γ and β, and of the addend through the activation", () =>
    holds(
      subject,
      fc.asyncProperty(normCases, async (config) => {
        const { adds, activation } = config.epilogue;
        const { x, gamma, beta, g } = normInputs(config);
        const y = activated(config.seed + 5, x.length);
        const [mean, variance] = onReference([x, gamma, beta].map(floating), (k, [xs, gammas, betas]) => {
          const { y, mean, variance } = k.batchNorm(xs!, gammas!, betas!, config.geometry);
          y.release();
          return [mean, variance];
        }).map((statistics) => Float64Array.from(statistics, Math.fround)) as [Float64Array, Float64Array];
        await conforms(subject, {
          inputs: [x, gamma, mean, variance, g, y].map(floating),
          run: (k, [xs, gammas, means, variances, gs, ys]) => {
            const through = activation && { activation, y: ys!, addend: adds };
            const gradient = k.batchNormGradient(xs!, gammas!, means!, variances!, gs!, config.geometry, through);
            return [gradient.x, gradient.gamma, gradient.beta, ...(gradient.addend === undefined ? [] : [gradient.addend])];
          },
          bound: (precision) => {
            const before = activation === undefined ? g : g.map((value, at) => (slopes[activation](y[at]!) ? value : 0));
            const bounds = normGradientBounds({ x, gamma, mean, variance, g: before }, config.geometry, precision);
            return adds && activation !== undefined ? [...bounds, new Float64Array(x.length)] : bounds;
          },
        });
      }),
    ));

  const sgdUpdates: fc.Arbitrary<SgdUpdate> = fc.record({
    momentum: fc.constantFrom(0, 0.9, 0.5),
    nesterov: fc.boolean(),
    first: fc.boolean(),
  });

  it("sgdUpdate: parameters and momentum buffers", () =>
    holds(
      subject,
      fc.asyncProperty(seeds, lengths, fc.record(rates), sgdUpdates, async (seed, sizesOfParameters, rate, update) => {
        const entries = sizesOfParameters.map((length, i) => {
          const [p, g, v] = [0, 1, 2].map((operand) => valuesOf(seed + 3 * i + operand, length)) as [
            Float64Array,
            Float64Array,
            Float64Array,
          ];
          return { p, g, v, learningRate: rate.learningRate / (i + 1), weightDecay: rate.weightDecay * i };
        });
        await conforms(subject, {
          inputs: entries.flatMap(({ p, g, v }) => [p, g, v].map(floating)),
          updates: entries.flatMap((_, i) => [3 * i, 3 * i + 2]),
          run: (k, storages) => {
            const table = entries.map(({ learningRate, weightDecay }, i) => {
              const [parameter, gradient, momentum] = storages.slice(3 * i);
              return { parameter: parameter!, gradient: gradient!, momentum, learningRate, weightDecay };
            });
            k.sgdUpdate(table, update);
            return [];
          },
          bound: (precision) => entries.flatMap(({ p, g, v, ...own }) => sgdBounds(p, g, v, { ...update, ...own }, precision)),
        });
      }),
    ));

  it("sgdUpdate: without momentum buffers", () =>
    holds(
      subject,
      fc.asyncProperty(seeds, lengths, fc.record(rates), fc.boolean(), async (seed, sizesOfParameters, rate, first) => {
        const entries = sizesOfParameters.map((length, i) => ({
          p: valuesOf(seed + 2 * i, length),
          g: valuesOf(seed + 2 * i + 1, length),
        }));
        await conforms(subject, {
          inputs: entries.flatMap(({ p, g }) => [p, g].map(floating)),
          updates: entries.map((_, i) => 2 * i),
          run: (k, storages) => {
            const table = entries.map((_, i) => {
              const [parameter, gradient] = storages.slice(2 * i);
              return { parameter: parameter!, gradient: gradient!, momentum: undefined, ...rate };
            });
            k.sgdUpdate(table, { momentum: 0, nesterov: false, first });
            return [];
          },
          bound: (precision) =>
            entries.flatMap(({ p, g }) => sgdBounds(p, g, new Float64Array(p.length), { momentum: 0, ...rate }, precision).slice(0, 1)),
        });
      }),
    ));

  const adamUpdates: fc.Arbitrary<AdamUpdate> = fc.record({
    beta1: fc.constantFrom(0.9, 0.5, 0),
    beta2: fc.constantFrom(0.999, 0.99),
    epsilon: fc.constantFrom(1e-8, 1e-6),
    decoupled: fc.boolean(),
  });
  const adamRates = fc.record({
    learningRate: fc.constantFrom(1e-3, 0.1),
    weightDecay: fc.constantFrom(0, 0.01, 0.1),
    step: fc.constantFrom(1, 2, 10, 1000),
  });

  it("adamUpdate: parameters and both moments, decay coupled and decoupled", () =>
    holds(
      subject,
      fc.asyncProperty(seeds, lengths, adamRates, adamUpdates, async (seed, sizesOfParameters, rate, update) => {
        const entries = sizesOfParameters.map((length, i) => {
          const [p, g, m] = [0, 1, 2].map((operand) => valuesOf(seed + 4 * i + operand, length)) as [
            Float64Array,
            Float64Array,
            Float64Array,
          ];
          const own = { learningRate: rate.learningRate / (i + 1), weightDecay: rate.weightDecay * i, step: rate.step + i };
          return { p, g, m, s: valuesOf(seed + 4 * i + 3, length, "positive"), own };
        });
        await conforms(subject, {
          inputs: entries.flatMap(({ p, g, m, s }) => [p, g, m, s].map(floating)),
          updates: entries.flatMap((_, i) => [4 * i, 4 * i + 2, 4 * i + 3]),
          run: (k, storages) => {
            const table = entries.map(({ own }, i) => {
              const [parameter, gradient, mean, square] = storages.slice(4 * i);
              return { parameter: parameter!, gradient: gradient!, mean: mean!, square: square!, ...own };
            });
            k.adamUpdate(table, update);
            return [];
          },
          bound: (precision) => entries.flatMap(({ own, ...values }) => adamBounds(values, { ...update, ...own }, precision)),
        });
      }),
    ));
}
