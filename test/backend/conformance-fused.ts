import fc from "fast-check";
import { it } from "vitest";
import type { AdamUpdate, NormGeometry, SgdUpdate } from "../../src/backend/kernels.ts";
import { convolutionGeometry } from "../../src/core/convolution-geometry.ts";
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

const normCases = fc.record({
  seed: seeds,
  population: populations,
  geometry: fc.oneof(
    { weight: 10, arbitrary: norms(7) },
    { weight: 2, arbitrary: norms(30) },
    { weight: 1, arbitrary: fc.constant<NormGeometry>({ batch: 9, channels: 33, inner: 121, epsilon: 1e-5 }) },
  ),
});

const lengths = fc.oneof({ weight: 20, arbitrary: sizes(40) }, { weight: 1, arbitrary: fc.constant(50_001) });

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
  return { x, gamma: valuesOf(seed + 1, channels), beta: valuesOf(seed + 2, channels), g: valuesOf(seed + 3, x.length) };
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

  it("maxPool2d of rows that are longer than a vector: first of equal pixels, first NaN", () =>
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
          await conforms(subject, {
            inputs: [floating(subject.values(seed, 2 * height * width, kind))],
            run: (k, [x]) => {
              const { values, indices } = k.maxPool2d(x!, geometry);
              return [values, indices];
            },
          });
        },
      ),
      60,
    ));

  it("batchNorm: y, the batch's mean and its variance", () =>
    holds(
      subject,
      fc.asyncProperty(normCases, async (config) => {
        const { x, gamma, beta } = normInputs(config);
        await conforms(subject, {
          inputs: [x, gamma, beta].map(floating),
          run: (k, [xs, gammas, betas]) => {
            const { y, mean, variance } = k.batchNorm(xs!, gammas!, betas!, config.geometry);
            return [y, mean, variance];
          },
          bound: (precision) => normBounds(x, gamma, beta, config.geometry, precision),
        });
      }),
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
      fc.asyncProperty(seeds, norms(9), async (seed, geometry) => {
        const { batch, channels, inner } = geometry;
        const x = subject.values(seed, batch * channels * inner, seed % 3 === 0 ? "normal" : "nonFinite");
        const [gamma, beta] = [valuesOf(seed + 1, channels), valuesOf(seed + 2, channels)];
        await conforms(subject, {
          inputs: [x, gamma, beta].map(floating),
          run: (k, [xs, gammas, betas]) => {
            const { y, mean, variance } = k.batchNorm(xs!, gammas!, betas!, geometry);
            return [y, mean, variance];
          },
          bound: (precision) => normBounds(x, gamma, beta, geometry, precision),
        });
      }),
    ));

  it("batchNormGradient: of x, γ and β", () =>
    holds(
      subject,
      fc.asyncProperty(normCases, async (config) => {
        const { x, gamma, beta, g } = normInputs(config);
        const [mean, variance] = onReference([x, gamma, beta].map(floating), (k, [xs, gammas, betas]) => {
          const { y, mean, variance } = k.batchNorm(xs!, gammas!, betas!, config.geometry);
          y.release();
          return [mean, variance];
        }).map((statistics) => Float64Array.from(statistics, Math.fround)) as [Float64Array, Float64Array];
        await conforms(subject, {
          inputs: [x, gamma, mean, variance, g].map(floating),
          run: (k, [xs, gammas, means, variances, gs]) => {
            const gradient = k.batchNormGradient(xs!, gammas!, means!, variances!, gs!, config.geometry);
            return [gradient.x, gradient.gamma, gradient.beta];
          },
          bound: (precision) => normGradientBounds({ x, gamma, mean, variance, g }, config.geometry, precision),
        });
      }),
    ));

  const sgdUpdates: fc.Arbitrary<SgdUpdate> = fc.record({
    learningRate: fc.constantFrom(0.1, 1, 0.003),
    momentum: fc.constantFrom(0, 0.9, 0.5),
    nesterov: fc.boolean(),
    weightDecay: fc.constantFrom(0, 5e-4, 0.1),
    first: fc.boolean(),
  });

  it("sgdUpdate: parameter and momentum buffer", () =>
    holds(
      subject,
      fc.asyncProperty(seeds, lengths, sgdUpdates, async (seed, length, update) => {
        const [p, g, v] = [valuesOf(seed, length), valuesOf(seed + 1, length), valuesOf(seed + 2, length)];
        await conforms(subject, {
          inputs: [p, g, v].map(floating),
          updates: [0, 2],
          run: (k, [parameter, gradient, momentum]) => {
            k.sgdUpdate(parameter!, gradient!, momentum, update);
            return [];
          },
          bound: (precision) => sgdBounds(p, g, v, update, precision),
        });
      }),
    ));

  it("sgdUpdate: without a momentum buffer", () =>
    holds(
      subject,
      fc.asyncProperty(seeds, lengths, sgdUpdates, async (seed, length, options) => {
        const update = { ...options, momentum: 0, nesterov: false };
        const [p, g, none] = [valuesOf(seed, length), valuesOf(seed + 1, length), new Float64Array(length)];
        await conforms(subject, {
          inputs: [p, g].map(floating),
          updates: [0],
          run: (k, [parameter, gradient]) => {
            k.sgdUpdate(parameter!, gradient!, undefined, update);
            return [];
          },
          bound: (precision) => sgdBounds(p, g, none, update, precision).slice(0, 1),
        });
      }),
    ));

  const adamUpdates: fc.Arbitrary<AdamUpdate> = fc.record({
    learningRate: fc.constantFrom(1e-3, 0.1),
    beta1: fc.constantFrom(0.9, 0.5, 0),
    beta2: fc.constantFrom(0.999, 0.99),
    epsilon: fc.constantFrom(1e-8, 1e-6),
    weightDecay: fc.constantFrom(0, 0.01, 0.1),
    decoupled: fc.boolean(),
    step: fc.constantFrom(1, 2, 10, 1000),
  });

  it("adamUpdate: parameter and both moments, decay coupled and decoupled", () =>
    holds(
      subject,
      fc.asyncProperty(seeds, lengths, adamUpdates, async (seed, length, update) => {
        const [p, g, m] = [valuesOf(seed, length), valuesOf(seed + 1, length), valuesOf(seed + 2, length)];
        const s = valuesOf(seed + 3, length, "positive");
        await conforms(subject, {
          inputs: [p, g, m, s].map(floating),
          updates: [0, 2, 3],
          run: (k, [parameter, gradient, mean, square]) => {
            k.adamUpdate(parameter!, gradient!, mean!, square!, update);
            return [];
          },
          bound: (precision) => adamBounds({ p, g, m, s }, update, precision),
        });
      }),
    ));
}
