/** The losses of a student against their formulas, summed number by number. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ConfigError, ShapeError } from "../../src/core/errors.ts";
import { checkGradients } from "../../src/grad/check-gradients.ts";
import { attentionTransfer, distillation } from "../../src/nn/distillation.ts";
import { crossEntropy } from "../../src/nn/losses.ts";
import { zeros } from "../../src/ops/creation.ts";
import { indicesOf, seeds } from "../arbitraries/values.ts";
import { expectValues, toTensor } from "../support/nd-array.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";
import { sample, sampleTensor } from "../support/sample.ts";

onReferenceBackend();

const softmaxOf = (row: readonly number[], temperature: number): number[] => {
  const powers = row.map((v) => Math.exp(v / temperature));
  const partition = powers.reduce((a, b) => a + b);
  return powers.map((p) => p / partition);
};

describe("distillation", () => {
  test("is 2αT² times the mean over all elements of t·log(t/s), plus (1 − α) times the cross-entropy", () =>
    fc.assert(
      fc.asyncProperty(
        fc.record({
          batch: fc.integer({ min: 1, max: 4 }),
          classes: fc.integer({ min: 1, max: 5 }),
          alpha: fc.double({ min: 0, max: 1, noNaN: true }),
          temperature: fc.double({ min: 0.3, max: 8, noNaN: true }),
          smoothing: fc.constantFrom(0, 0.2),
          seed: seeds,
        }),
        async ({ batch, classes, alpha, temperature, smoothing, seed }) => {
          const [student, teacher] = [sample([batch, classes], seed, -3, 3), sample([batch, classes], seed + 1, -3, 3)];
          const labels = indicesOf(seed, batch, classes);
          let divergence = 0;
          for (let n = 0; n < batch; n++) {
            const row = (of: typeof student): number[] => softmaxOf(of.values.slice(n * classes, (n + 1) * classes), temperature);
            const [s, t] = [row(student), row(teacher)];
            t.forEach((p, c) => {
              divergence += (p * Math.log(p / s[c]!)) / (batch * classes);
            });
          }
          const labelLoss = await crossEntropy(toTensor(student), labels, { labelSmoothing: smoothing }).item();
          const loss = distillation(toTensor(student), toTensor(teacher), labels, { alpha, temperature, labelSmoothing: smoothing });
          expect(loss.shape).toEqual([]);
          expectValues(await loss.data(), [2 * alpha * temperature ** 2 * divergence + (1 - alpha) * labelLoss], 1e-10);
        },
      ),
    ));

  test("the gradient agrees with finite differences", () =>
    checkGradients(
      (student) => distillation(student!, sampleTensor([3, 4], 5), [0, 3, 1], { alpha: 0.7, temperature: 3 }),
      [sampleTensor([3, 4], 9)],
    ));

  test("refuses logits of two shapes, α outside [0, 1] and a temperature of 0", () => {
    const call = (classes: number, alpha: number, temperature: number) => () =>
      distillation(zeros([2, 3]), zeros([2, classes]), [0, 1], { alpha, temperature });
    expect(call(4, 0.5, 1)).toThrow(ShapeError);
    expect(call(3, 1.5, 1)).toThrow(ConfigError);
    expect(call(3, 0.5, 0)).toThrow(ConfigError);
  });
});

describe("attention transfer", () => {
  test("is 3β/M times the sum of the mean squared differences of the M pairs of maps", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 6 })), { minLength: 1, maxLength: 4 }),
        fc.double({ min: 0, max: 1000, noNaN: true }),
        seeds,
        async (shapes, beta, seed) => {
          const maps = shapes.map((shape, i) => [sample(shape, seed + 2 * i), sample(shape, seed + 2 * i + 1)] as const);
          const squares = maps.map(([a, b]) => a.values.reduce((total, v, i) => total + (v - b.values[i]!) ** 2, 0) / a.values.length);
          const loss = attentionTransfer(
            maps.map(([a]) => toTensor(a)),
            maps.map(([, b]) => toTensor(b)),
            beta,
          );
          expectValues(await loss.data(), [((3 * beta) / maps.length) * squares.reduce((a, b) => a + b)], 1e-9);
        },
      ),
    ));

  test("the gradient agrees with finite differences", () =>
    checkGradients(
      (a, b) => attentionTransfer([a!, b!], [sampleTensor([2, 3], 1), sampleTensor([2, 4], 2)], 7),
      [sampleTensor([2, 3], 3), sampleTensor([2, 4], 4)],
    ));

  test("refuses no maps at all, different numbers of maps, and maps of different shapes", () => {
    expect(() => attentionTransfer([], [], 1)).toThrow(/got none and none/);
    expect(() => attentionTransfer([zeros([2, 4])], [zeros([2, 4]), zeros([2, 4])], 1)).toThrow(ShapeError);
    expect(() => attentionTransfer([zeros([2, 4])], [zeros([2, 9])], 1)).toThrow(/\[2,4\] and \[2,9\]/);
  });
});
