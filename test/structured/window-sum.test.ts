/** Sums of separable terms: what they compute, how near they come to a kernel, and what they cost. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compressConvolution } from "../../src/compress/approximate-convolution.ts";
import { Random } from "../../src/core/random.ts";
import { gradients } from "../../src/grad/gradients.ts";
import { frobenius, matrix } from "../../src/linalg/matrix.ts";
import { svd } from "../../src/linalg/svd.ts";
import { tensorArray } from "../../src/linalg/tensor-array.ts";
import { conv2d } from "../../src/ops/convolution.ts";
import { normal } from "../../src/ops/creation.ts";
import { add, multiply } from "../../src/ops/elementwise.ts";
import { reshape } from "../../src/ops/reshape.ts";
import { sum } from "../../src/ops/sum-and-broadcast.ts";
import { parseConvolution } from "../../src/structured/convolution-text.ts";
import { convolutionFactory } from "../../src/structured/create-convolution.ts";
import { WindowSum } from "../../src/structured/window-sum.ts";
import { normalValues } from "../linalg/support.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";

onReferenceBackend();

const buildOf = (seed: number): { random: Random; dtype: "float64" } => ({ random: new Random(seed), dtype: "float64" });

describe("WindowSum", () => {
  test("is the convolution with the sum of its kernels, with one bias, and passes gradients to every term", async () => {
    const site = { inChannels: 6, outChannels: 8, kernel: 3, stride: 2, bias: true };
    const layer = convolutionFactory(parseConvolution("Generic_0.5x3"))(site, buildOf(1)) as WindowSum;
    expect(layer).toBeInstanceOf(WindowSum);
    expect([...layer.parameters().keys()].filter((name) => name.endsWith("bias"))).toHaveLength(1);
    const x = normal([2, 6, 7, 7], new Random(2), { dtype: "float64" });
    const y = layer.forward(x, { training: true });
    const expected = add(conv2d(x, layer.toDenseKernel(), { stride: 2, padding: 1 }), reshape(layer.bias!.value, [1, 8, 1, 1]));
    const [got, wanted] = [await y.data(), await expected.data()];
    for (const [at, value] of wanted.entries()) expect(got[at]).toBeCloseTo(value, 10);
    const weights = normal(y.shape, new Random(3), { dtype: "float64" });
    const values = [...layer.parameters().values()].map(({ value }) => value);
    const [along, across] = [y, expected].map((z) => gradients(sum(multiply(z, weights)), values));
    for (const [k, gradient] of along!.entries()) {
      const [a, b] = [await gradient.data(), await across![k]!.data()];
      expect(frobenius(a)).toBeGreaterThan(0);
      for (const [at, value] of b.entries()) expect(a[at]).toBeCloseTo(value, 9);
    }
  });

  test("with dense maps loses the singular values that are left out, and nothing with k² windows", () =>
    fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 9, max: 14 }), fc.nat(1000), async (inputs, outputs, seed) => {
        const kernel = tensorArray([outputs, inputs, 3, 3], normalValues(outputs * inputs * 9, seed));
        const site = { inChannels: inputs, outChannels: outputs, kernel: 3 };
        for (const windows of [1, 2, 5, 9, 12]) {
          const { error, layer } = await compressConvolution(kernel, site, parseConvolution(`Sepx${windows}`), buildOf(seed));
          // The slices of the input channels, and what their truncated SVDs leave out.
          const left = Array.from({ length: inputs }, (_, i) => {
            const slice = Float64Array.from(
              { length: outputs * 9 },
              (_, at) => kernel.data[(Math.floor(at / 9) * inputs + i) * 9 + (at % 9)]!,
            );
            return frobenius(svd(matrix(outputs, 9, slice)).s.subarray(windows));
          });
          expect(error.relative).toBeCloseTo(frobenius(left) / frobenius(kernel.data), 10);
          expect(error.separable).toBeCloseTo(error.relative, 10);
          expect(layer.parameterCount()).toBe(Math.min(9, windows) * (inputs * 9 + inputs * outputs));
        }
      }),
      { numRuns: 15 },
    ));

  test("comes nearer with every window, whatever the maps", () =>
    fc.assert(
      fc.asyncProperty(
        fc.constantFrom("Generic_0.25", "Monarch_2", "Kronecker_2", "Shuffle_2", "Butterfly"),
        fc.nat(1000),
        async (text, seed) => {
          const kernel = tensorArray([16, 8, 3, 3], normalValues(16 * 8 * 9, seed));
          let last = 1;
          for (const windows of [1, 2, 3, 5]) {
            const site = { inChannels: 8, outChannels: 16, kernel: 3 };
            const { error } = await compressConvolution(kernel, site, parseConvolution(`${text}x${windows}`), buildOf(seed));
            expect(error.relative).toBeLessThanOrEqual(last + 1e-12);
            expect(error.relative ** 2).toBeCloseTo(error.separable ** 2 + error.structured ** 2, 10);
            last = error.relative;
          }
        },
      ),
      { numRuns: 12 },
    ));

  test("is one map at a 1×1 site, which has no window", () => {
    const layer = convolutionFactory(parseConvolution("Generic_0.5x3"))({ inChannels: 6, outChannels: 8, kernel: 1 }, buildOf(1));
    expect(layer).not.toBeInstanceOf(WindowSum);
  });
});
