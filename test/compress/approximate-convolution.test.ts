/** The nearest structured convolution: exact where the family holds the kernel, nearer with more parameters, and honest about its error. */

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { useBackend } from "../../src/backend/active.ts";
import { createReferenceBackend } from "../../src/backend/reference/reference-kernels.ts";
import { compressConvolution } from "../../src/compress/approximate-convolution.ts";
import { ConfigError, ShapeError } from "../../src/core/errors.ts";
import { Random } from "../../src/core/random.ts";
import { frobenius } from "../../src/linalg/matrix.ts";
import { type TensorArray, tensorArray } from "../../src/linalg/tensor-array.ts";
import type { Build } from "../../src/nn/init.ts";
import type { Layer } from "../../src/nn/module.ts";
import { conv2d } from "../../src/ops/convolution.ts";
import { tensor } from "../../src/ops/creation.ts";
import { convolutionFactory } from "../../src/structured/create-convolution.ts";
import { splitKernel } from "../../src/structured/kernel-split.ts";
import type { ConvolutionSpec } from "../../src/structured/spec.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { normalValues } from "../linalg/support.ts";
import { withoutApproximation } from "./without-approximation.ts";

beforeAll(() => useBackend(createReferenceBackend()));
afterAll(() => useBackend(undefined));

const buildOf = (seed: number, dtype: "float32" | "float64" = "float64"): Build => ({ random: new Random(seed), dtype });

/** K[o,i,u,v] of independent normal numbers. */
const randomKernel = (outputs: number, inputs: number, kernel: number, seed: number): TensorArray =>
  tensorArray([outputs, inputs, kernel, kernel], normalValues(outputs * inputs * kernel ** 2, seed));

/** P[o,i]·d[i,t] from given factors, by the definition. */
function separableKernel(p: ArrayLike<number>, d: ArrayLike<number>, outputs: number, inputs: number, kernel: number): TensorArray {
  const area = kernel ** 2;
  const data = Float64Array.from({ length: outputs * inputs * area }, (_, at) => {
    const i = Math.floor(at / area) % inputs;
    return p[Math.floor(at / area / inputs) * inputs + i]! * d[i * area + (at % area)]!;
  });
  return tensorArray([outputs, inputs, kernel, kernel], data);
}

const denseKernelOf = (layer: Layer): Promise<ArrayLike<number>> => (layer as Layer & { toDenseKernel(): Tensor }).toDenseKernel().data();

const distanceOf = (a: ArrayLike<number>, b: ArrayLike<number>): number => frobenius(Float64Array.from(b, (value, i) => a[i]! - value));

const sites = fc.record({
  outputs: fc.integer({ min: 8, max: 20 }),
  inputs: fc.integer({ min: 10, max: 20 }),
  kernel: fc.constantFrom(1, 3, 5),
  seed: fc.nat({ max: 10_000 }),
});

/** Specs that hold every matrix, given enough parameters. */
const full: readonly ConvolutionSpec[] = [
  { kind: "Sep" },
  { kind: "Generic", scale: 1 },
  { kind: "TensorTrain", scale: 20 },
  { kind: "Tucker", scale: 20 },
  { kind: "Kronecker", terms: 400 },
  { kind: "BlockTensorTrain", rank: 400 },
  { kind: "MatrixTensorTrain", rank: 400, cores: 2 },
];

/** Specs of every family that has an approximation, from few parameters to more, each a superset of the one before. */
const nested: readonly (readonly ConvolutionSpec[])[] = [
  [0.1, 0.25, 0.5, 1].map((scale) => ({ kind: "Generic", scale }) as const),
  [1, 2, 4, 8].map((terms) => ({ kind: "Kronecker", terms }) as const),
  [1, 2, 4].map((rank) => ({ kind: "BlockTensorTrain", rank }) as const),
  [1, 2, 4, 8].map((rank) => ({ kind: "MatrixTensorTrain", rank, cores: 2 }) as const),
];

const any: readonly ConvolutionSpec[] = [
  ...full,
  { kind: "TensorTrain", scale: 0.5 },
  { kind: "Tucker", scale: 0.5 },
  { kind: "CP", scale: 0.5 },
  { kind: "Monarch", blocks: 2 },
  { kind: "Butterfly" },
  { kind: "BLAST", scale: 0.25, blocks: 2 },
  { kind: "Shuffle", groups: 2 },
  { kind: "SepHashed", fraction: 0.5 },
  { kind: "HashedSeparable", fraction: 0.5 },
  { kind: "Hashed", fraction: 0.3 },
  { kind: "HashedDecimate" },
  { kind: "Conv" },
];

describe("compressConvolution", () => {
  test("of a separable kernel is exact where the structure holds every matrix", () =>
    fc.assert(
      fc.asyncProperty(sites, fc.constantFrom(...full), async ({ outputs, inputs, kernel, seed }, spec) => {
        const p = normalValues(outputs * inputs, seed);
        const dense = separableKernel(p, normalValues(inputs * kernel ** 2, seed + 1), outputs, inputs, kernel);
        for (const [dtype, tolerance] of [
          ["float64", 1e-10],
          ["float32", 1e-6],
        ] as const) {
          const site = { inChannels: inputs, outChannels: outputs, kernel };
          const { error } = await compressConvolution(dense, site, spec, buildOf(seed, dtype));
          expect(error.relative).toBeLessThan(tolerance);
        }
      }),
      { numRuns: 60 },
    ));

  test("reports the error of the layer it gives, its two parts at right angles", () =>
    fc.assert(
      fc.asyncProperty(sites, fc.constantFrom(...any), async ({ outputs, inputs, kernel, seed }, spec) => {
        const dense = randomKernel(outputs, inputs, kernel, seed);
        const { layer, error } = await compressConvolution(
          dense,
          { inChannels: inputs, outChannels: outputs, kernel },
          spec,
          buildOf(seed),
        );
        if (spec.kind !== "Conv") {
          const measured = distanceOf(await denseKernelOf(layer), dense.data) / frobenius(dense.data);
          expect(Math.abs(error.relative - measured)).toBeLessThan(1e-12);
        }
        expect(Math.abs(error.separable ** 2 + error.structured ** 2 - error.relative ** 2)).toBeLessThan(1e-10);
        expect(error.relative).toBeLessThanOrEqual(1 + 1e-12);
      }),
      { numRuns: 100 },
    ));

  test("comes nearer with every parameter more", () =>
    fc.assert(
      fc.asyncProperty(sites, fc.constantFrom(...nested), async ({ outputs, inputs, kernel, seed }, specs) => {
        const dense = randomKernel(outputs, inputs, kernel, seed);
        const site = { inChannels: inputs, outChannels: outputs, kernel };
        const errors: number[] = [];
        for (const spec of specs) errors.push((await compressConvolution(dense, site, spec, buildOf(seed))).error.relative);
        for (const [at, error] of errors.entries()) if (at > 0) expect(error).toBeLessThanOrEqual(errors[at - 1]! + 1e-10);
      }),
      { numRuns: 40 },
    ));

  test("with a hashed window, whose norm is no longer 1, still projects: what is lost is at right angles to what is kept", () =>
    fc.assert(
      fc.asyncProperty(fc.integer({ min: 12, max: 20 }), fc.nat({ max: 10_000 }), async (outputs, seed) => {
        const dense = randomKernel(outputs, 1, 3, seed);
        const site = { inChannels: 1, outChannels: outputs, kernel: 3 };
        const { layer, error } = await compressConvolution(dense, site, { kind: "HashedSeparable", fraction: 0.6 }, buildOf(seed));
        const kept = frobenius(await denseKernelOf(layer)) / frobenius(dense.data);
        expect(Math.abs(error.relative ** 2 + kept ** 2 - 1)).toBeLessThan(1e-10);
      }),
      { numRuns: 40 },
    ));

  test("gives a layer that computes what the dense one did, up to the error it reports", () =>
    fc.assert(
      fc.asyncProperty(
        sites,
        fc.constantFrom<ConvolutionSpec>({ kind: "Sep" }, { kind: "SepHashed", fraction: 1.5 }, { kind: "Hashed", fraction: 3 }),
        fc.integer({ min: 1, max: 2 }),
        async ({ outputs, inputs, kernel, seed }, spec, stride) => {
          const dense = separableKernel(
            normalValues(outputs * inputs, seed),
            normalValues(inputs * kernel ** 2, seed + 1),
            outputs,
            inputs,
            kernel,
          );
          const site = { inChannels: inputs, outChannels: outputs, kernel, stride };
          const { layer, error } = await compressConvolution(dense, site, spec, buildOf(seed));
          const x = tensor(normalValues(inputs * 25, seed + 2), { shape: [1, inputs, 5, 5], dtype: "float64" });
          const weight = tensor(dense.data, { shape: dense.shape, dtype: "float64" });
          const expected = await conv2d(x, weight, { stride, padding: Math.floor(kernel / 2) }).data();
          const got = await layer.forward(x, { training: false }).data();
          // A dense convolution without bias maps nothing to nothing; hashed ones begin with a bias drawn at random.
          const nothing = tensor(new Float64Array(inputs * 25), { shape: [1, inputs, 5, 5], dtype: "float64" });
          expect((await layer.forward(nothing, { training: false }).data()).every((value) => value === 0)).toBe(true);
          // Each output is one product of a row of K̃ with a window of x, whose norm is at most x's.
          const bound = Math.sqrt(outputs) * error.relative * frobenius(dense.data) * frobenius(await x.data());
          expect(got.length).toBe(expected.length);
          for (const [at, value] of expected.entries()) expect(Math.abs(got[at]! - value)).toBeLessThanOrEqual(bound + 1e-10);
        },
      ),
      { numRuns: 40 },
    ));

  test.each<readonly [ConvolutionSpec, RegExp]>([
    [withoutApproximation, /^compress: Gain: no best approximation .*; use TensorTrain_0\.5/],
  ])("refuses $kind and says what to use", async (spec, message) => {
    const dense = randomKernel(8, 8, 3, 1);
    const attempt = compressConvolution(dense, { inChannels: 8, outChannels: 8, kernel: 3 }, spec, buildOf(0));
    await expect(attempt).rejects.toThrow(ConfigError);
    await expect(attempt).rejects.toThrow(message);
  });

  test("finds a ShuffleNet block with a window again", async () => {
    for (const [inputs, outputs, groups] of [
      [8, 8, 1],
      [8, 8, 2],
      [12, 16, 2],
      [16, 16, 4],
    ] as const)
      for (let seed = 0; seed < 3; seed++) {
        const site = { inChannels: inputs, outChannels: outputs, kernel: 3 };
        const spec = { kind: "Shuffle", groups } as const;
        const block = convolutionFactory(spec, { init: "variance-preserving" })(site, buildOf(seed));
        for (const [k, parameter] of [...block.parameters().values()].entries())
          parameter.write(normalValues(parameter.value.size, 7 * seed + k));
        const kernel = tensorArray([outputs, inputs, 3, 3], await denseKernelOf(block));
        expect((await compressConvolution(kernel, site, spec, buildOf(seed + 1))).error.relative).toBeLessThan(1e-7);
      }
  });

  test("compresses a 1×1 convolution by Shuffle", async () => {
    const dense = randomKernel(8, 8, 1, 1);
    const { error } = await compressConvolution(
      dense,
      { inChannels: 8, outChannels: 8, kernel: 1 },
      { kind: "Shuffle", groups: 2 },
      buildOf(0),
    );
    expect(error.relative).toBeGreaterThan(0);
    expect(error.relative).toBeLessThan(1);
  });

  test("refuses a kernel that is not the site's", async () => {
    const attempt = compressConvolution(
      randomKernel(4, 5, 3, 1),
      { inChannels: 4, outChannels: 5, kernel: 3 },
      { kind: "Sep" },
      buildOf(0),
    );
    await expect(attempt).rejects.toThrow(ShapeError);
    await expect(attempt).rejects.toThrow("the kernel must be the site's [5,4,3,3], got [4,5,3,3]");
  });
});

describe("splitKernel", () => {
  test("is the best of all separable kernels", () =>
    fc.assert(
      fc.property(sites, fc.nat({ max: 1000 }), ({ outputs, inputs, kernel, seed }, other) => {
        const dense = randomKernel(outputs, inputs, kernel, seed);
        const { pointwise, window } = splitKernel(dense);
        const best = distanceOf(separableKernel(pointwise.data, window.data, outputs, inputs, kernel).data, dense.data);
        // Any other window, even with its own best weights, does no better.
        const area = kernel ** 2;
        const nearby = normalValues(window.data.length, other).map((value, at) => window.data[at]! + 0.3 * value);
        const weights = Float64Array.from({ length: outputs * inputs }, (_, at) => {
          let [dot, square] = [0, 0];
          for (let t = 0; t < area; t++) {
            const d = nearby[(at % inputs) * area + t]!;
            dot += dense.data[at * area + t]! * d;
            square += d * d;
          }
          return dot / square;
        });
        expect(best).toBeLessThanOrEqual(distanceOf(separableKernel(weights, nearby, outputs, inputs, kernel).data, dense.data) + 1e-10);
      }),
    ));
});
