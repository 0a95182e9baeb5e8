/** Cross-entropy against its formula, summed class by class. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { ConfigError, ShapeError } from "../../src/core/errors.ts";
import { checkGradients } from "../../src/grad/check-gradients.ts";
import { gradients } from "../../src/grad/gradients.ts";
import { crossEntropy } from "../../src/nn/losses.ts";
import { tensor, zeros } from "../../src/ops/creation.ts";
import { indicesOf, seeds } from "../arbitraries/values.ts";
import { expectValues, toTensor } from "../support/nd-array.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";
import { sample, sampleTensor } from "../support/sample.ts";

onReferenceBackend();

test("the loss is the mean over the samples of −Σ q·log p, where q are the smoothed labels", () =>
  fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 6 }),
      fc.constantFrom(0, 0.1, 0.7, 1),
      seeds,
      async (batch, classes, smoothing, seed) => {
        const logits = sample([batch, classes], seed, -4, 4);
        const labels = indicesOf(seed, batch, classes);
        let total = 0;
        for (let n = 0; n < batch; n++) {
          const row = logits.values.slice(n * classes, (n + 1) * classes);
          const partition = row.reduce((sum, v) => sum + Math.exp(v), 0);
          for (const [c, v] of row.entries()) {
            const q = (1 - smoothing) * Number(labels[n] === c) + smoothing / classes;
            total -= (q * Math.log(Math.exp(v) / partition)) / batch;
          }
        }
        const loss = crossEntropy(toTensor(logits), labels, { labelSmoothing: smoothing });
        expect(loss.shape).toEqual([]);
        expectValues(await loss.data(), [total], 1e-11);
      },
    ),
  ));

test("the gradient is (softmax − q)/N, and agrees with finite differences", async () => {
  const logits = tensor(Float64Array.of(1, 2, 0.5, 0, 0, 0), { shape: [2, 3] });
  const [g] = gradients(crossEntropy(logits, [1, 2]), [logits]);
  const powers = [1, 2, 0.5].map(Math.exp);
  const partition = powers.reduce((a, b) => a + b);
  expectValues(await g!.data(), [...powers.map((p, c) => (p / partition - Number(c === 1)) / 2), 1 / 6, 1 / 6, -1 / 3]);
  await checkGradients((x) => crossEntropy(x!, [0, 3, 1], { labelSmoothing: 0.2 }), [sampleTensor([3, 4], 9)]);
});

test("logits of ±1e4 do not overflow", async () => {
  const logits = tensor([
    [1e4, -1e4],
    [-1e4, 1e4],
  ]);
  expectValues(await crossEntropy(logits, [0, 1]).data(), [0]);
  expect(await crossEntropy(logits, [1, 1]).item()).toBe(1e4);
  const [g] = gradients(crossEntropy(logits, [1, 1]), [logits]);
  expectValues(await g!.data(), [0.5, -0.5, 0, 0], 1e-7);
});

test.each([
  ["a label of −1", [0, -1]],
  ["a label past the last class", [0, 3]],
  ["a fractional label", [0, 0.5]],
  ["NaN", [0, Number.NaN]],
  ["too few labels", [0]],
  ["too many labels", [0, 1, 2]],
])("refuses %s", (_, labels) => expect(() => crossEntropy(zeros([2, 3]), labels)).toThrow(ShapeError));

test("refuses logits of rank 1, and smoothing outside [0, 1]", () => {
  expect(() => crossEntropy(zeros([3]), [0, 1, 2])).toThrow(ShapeError);
  for (const labelSmoothing of [-0.1, 1.1, Number.NaN])
    expect(() => crossEntropy(zeros([1, 2]), [0], { labelSmoothing })).toThrow(ConfigError);
});
