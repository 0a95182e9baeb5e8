/** Batch normalisation against its formula, the fused form against the composed form, and the running statistics. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { activations } from "../../src/backend/kernels.ts";
import { ConfigError, ShapeError } from "../../src/core/errors.ts";
import { gradients } from "../../src/grad/gradients.ts";
import { batchNorm, batchNormComposed, batchNormInference, besselCorrection, updateRunning } from "../../src/ops/batch-norm.ts";
import { channelAffine } from "../../src/ops/channel-affine.ts";
import { tensor, zeros } from "../../src/ops/creation.ts";
import { multiply } from "../../src/ops/elementwise.ts";
import { detach } from "../../src/tape/tape.ts";
import { shapes } from "../arbitraries/shapes.ts";
import { seeds } from "../arbitraries/values.ts";
import { at, build, expectTensor, expectValues, indicesOf, type NdArray, toArray, toTensor } from "../support/nd-array.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";
import { sample } from "../support/sample.ts";

onReferenceBackend();

const inputs = shapes({ minRank: 2, maxRank: 4, maxSize: 4, empty: false });

/** The mean and the biased variance of each channel. */
function statistics(x: NdArray): { mean: NdArray; variance: NdArray } {
  const of = (c: number): number[] => [...indicesOf(x.shape)].filter((index) => index[1] === c).map((index) => at(x, index));
  const average = (values: number[]): number => values.reduce((sum, v) => sum + v, 0) / values.length;
  const channels = [x.shape[1]!];
  return {
    mean: build(channels, ([c]) => average(of(c!))),
    variance: build(channels, ([c]) => average(of(c!).map((v) => (v - average(of(c!))) ** 2))),
  };
}

const normalised = (x: NdArray, gamma: NdArray, beta: NdArray, mean: NdArray, variance: NdArray, epsilon: number): NdArray =>
  build(x.shape, (index) => {
    const c = [index[1]!];
    return (at(gamma, c) * (at(x, index) - at(mean, c))) / Math.sqrt(at(variance, c) + epsilon) + at(beta, c);
  });

test("y = γ·(x − μ)/√(σ² + ε) + β with the statistics of the batch, or with given statistics", () =>
  fc.assert(
    fc.asyncProperty(inputs, seeds, fc.constantFrom(1e-5, 0.1), async (shape, seed, epsilon) => {
      const [x, gamma, beta] = [sample(shape, seed), sample([shape[1]!], seed + 1), sample([shape[1]!], seed + 2)];
      const { mean, variance } = statistics(x);
      const expected = normalised(x, gamma, beta, mean, variance, epsilon);
      for (const op of [batchNorm, batchNormComposed]) {
        const got = op(toTensor(x), toTensor(gamma), toTensor(beta), epsilon);
        await expectTensor(got.y, expected, 1e-9);
        await expectTensor(got.mean, mean);
        await expectTensor(got.variance, variance);
      }
      const given = sample([shape[1]!], seed + 3, 0.5, 2);
      const evaluated = batchNormInference(toTensor(x), toTensor(gamma), toTensor(beta), toTensor(beta), toTensor(given), epsilon);
      await expectTensor(evaluated, normalised(x, gamma, beta, beta, given, epsilon), 1e-10);
    }),
  ));

test("the fused result and its gradients equal the composed ones, with an addend and an activation or without", () =>
  fc.assert(
    fc.asyncProperty(inputs, seeds, fc.boolean(), fc.constantFrom(undefined, ...activations), async (shape, seed, adds, activation) => {
      const drawn = [shape, [shape[1]!], [shape[1]!], ...(adds ? [shape] : [])].map((size, i) => toTensor(sample(size, seed + i)));
      // The normalised values are spread over both kinks of relu6.
      const gamma = multiply(drawn[1]!, 6);
      const leaves = drawn.map((leaf, i) => (i === 1 ? detach(gamma) : leaf));
      const [x, scale, shift, addend] = leaves;
      const cotangent = toTensor(sample(shape, seed + 4));
      const values = [batchNorm, batchNormComposed].map((op) => op(x!, scale!, shift!, 1e-2, { addend, activation }).y);
      await expectTensor(values[0]!, await toArray(values[1]!), 1e-9);
      const [fused, composed] = values.map((y) => gradients(y, leaves, { seed: cotangent }));
      for (const [i, gradient] of fused!.entries()) await expectTensor(gradient, await toArray(composed![i]!), 1e-9);
    }),
  ));

test("the variance does not cancel if the mean is much larger than the standard deviation", async () => {
  const x = tensor(Float64Array.of(1e6, 1e6 + 1, 1e6 + 2, 1e6 + 3), { shape: [4, 1] });
  const { variance } = batchNorm(x, tensor(Float64Array.of(1)), tensor(Float64Array.of(0)));
  expectValues(await variance.data(), [1.25], 1e-9);
});

test("running statistics move by the momentum, and the variance takes Bessel's correction", async () => {
  const [running, batch] = [tensor(Float64Array.of(1, 2)), tensor(Float64Array.of(3, 8))];
  expectValues(await updateRunning(running, batch, 0.1).data(), [0.9 + 0.3, 1.8 + 0.8]);
  expectValues(await updateRunning(running, batch, 0.1, 2).data(), [0.9 + 0.6, 1.8 + 1.6]);
  expect(besselCorrection(zeros([2, 3, 2, 1]))).toBe(4 / 3);
  expect(besselCorrection(zeros([1, 3]))).toBe(1);
});

test.each([
  ["x without channels", [3], [3], [3]],
  ["γ of another length", [2, 3], [2], [3]],
  ["β of another length", [2, 3], [3], [3, 1]],
])("refuses %s", (_, x, gamma, beta) => {
  for (const op of [batchNorm, batchNormComposed]) expect(() => op(zeros(x), zeros(gamma), zeros(beta))).toThrow(ShapeError);
  expect(() => batchNormInference(zeros(x), zeros(gamma), zeros(beta), zeros([3]), zeros([3]))).toThrow(ShapeError);
});

test("evaluation refuses statistics of another length", () => {
  const three = () => zeros([3]);
  expect(() => batchNormInference(zeros([2, 3]), three(), three(), zeros([1]), three())).toThrow(ShapeError);
  expect(() => batchNormInference(zeros([2, 3]), three(), three(), three(), zeros([2]))).toThrow(ShapeError);
});

test("refuses an addend of another shape or dtype, and an activation that does not exist", () => {
  const [x, vector] = [zeros([2, 3]), zeros([3])];
  for (const op of [batchNorm, batchNormComposed].map((norm) => (then: object) => norm(x, vector, vector, 1e-5, then)))
    expect(() => op({ addend: zeros([2, 1]) })).toThrow(/batchNorm: the addend must have the shape and dtype .* got float32 \[2,1\]/);
  expect(() => channelAffine(x, vector, vector, { addend: zeros([2, 3], { dtype: "float64" }) })).toThrow(ShapeError);
  expect(() => channelAffine(x, vector, vector, { activation: "gelu" as never })).toThrow(ConfigError);
  expect(() => batchNorm(x, vector, vector, 1e-5, { activaton: "relu" } as never)).toThrow(/did you mean activation/);
});
