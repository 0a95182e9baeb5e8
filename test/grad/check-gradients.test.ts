/** The gradient check must find wrong gradients: a wrong factor, a wrong sign, a wrong transpose, a missing term. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { memory } from "../../src/backend/active.ts";
import { ConfigError, GradientError } from "../../src/core/errors.ts";
import { Random } from "../../src/core/random.ts";
import { type CheckOptions, type CheckReport, checkGradients, checkSecondDerivatives } from "../../src/grad/check-gradients.ts";
import { tensor } from "../../src/ops/creation.ts";
import { add, cos, exp, multiply, sin } from "../../src/ops/elementwise.ts";
import { transpose } from "../../src/ops/layout.ts";
import { matmul } from "../../src/ops/matmul.ts";
import { reshape } from "../../src/ops/reshape.ts";
import { sum } from "../../src/ops/sum-and-broadcast.ts";
import { detach, differentiable, noGrad } from "../../src/tape/tape.ts";
import { share, type Tensor } from "../../src/tensor/tensor.ts";
import { seeds } from "../arbitraries/values.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";
import { sampleTensor } from "../support/sample.ts";
import { generatedFunctions } from "./generated-function.ts";

onReferenceBackend();

/** The identity with a VJP of the test's choice. */
const identityWith = (vjp: (g: Tensor) => Tensor): ((x: Tensor) => Tensor) =>
  differentiable("identity", (x: Tensor) => ({ inputs: [x], value: share(x), vjp: [vjp] }));

test("a correct gradient passes, and the largest error is reported", async () => {
  const report = await checkGradients((a, b) => multiply(sin(a!), b!), [sampleTensor([2, 3], 1), sampleTensor([3], 2)]);
  expect(report.worst).toBeGreaterThanOrEqual(0);
  expect(report.worst).toBeLessThan(1e-7);
  expect((await checkSecondDerivatives((x) => exp(x!), [sampleTensor([4], 3)])).worst).toBeLessThan(1e-7);
});

test.each<[string, (g: Tensor) => Tensor]>([
  ["a factor", (g) => multiply(g, 1.001)],
  ["a sign", (g) => multiply(g, -1)],
  ["a transpose", (g) => transpose(g)],
  ["a factor of 0", (g) => multiply(g, 0)],
  ["NaN", (g) => multiply(g, Number.NaN)],
])("a gradient wrong by %s fails", (_, vjp) =>
  expect(checkGradients(identityWith(vjp), [sampleTensor([2, 2], 4)])).rejects.toThrow(GradientError),
);

test("errors that would cancel in a plain sum are found", () => {
  const swapped = identityWith((g) => transpose(g));
  return expect(checkGradients((x) => swapped(x!), [sampleTensor([2, 2], 5)])).rejects.toThrow("central differences");
});

test("a missing path fails", () =>
  expect(checkGradients((x) => multiply(x!, detach(x!)), [sampleTensor([2], 6)])).rejects.toThrow(GradientError));

test("a VJP that is not recorded fails the check of second derivatives only", async () => {
  const frozen = differentiable("sine", (x: Tensor) => ({
    inputs: [x],
    value: sin(x),
    vjp: [
      (g) =>
        multiply(
          g,
          noGrad(() => cos(x)),
        ),
    ],
  }));
  const x = sampleTensor([3], 7);
  await checkGradients((at) => frozen(at!), [x]);
  await expect(checkSecondDerivatives((at) => frozen(at!), [x])).rejects.toThrow(GradientError);
});

describe("the fast check", () => {
  /** 0 for every x, with a VJP that is wrong by δ in one element of the Jacobian. */
  const zeroWith = (delta: number, row: number, column: number): ((x: Tensor) => Tensor) =>
    differentiable("zero", (x: Tensor) => ({
      inputs: [x],
      value: multiply(x, 0),
      vjp: [
        (g) => {
          const wrong = new Float64Array(x.size ** 2);
          wrong[column * x.size + row] = delta;
          return reshape(matmul(tensor(wrong, { shape: [x.size, x.size] }), reshape(g, [x.size, 1])), x.shape);
        },
      ],
    }));

  const passes = (f: (x: Tensor) => Tensor, x: Tensor, options: CheckOptions): Promise<boolean> =>
    checkGradients((at) => f(at!), [x], options).then(
      () => true,
      (error) => {
        expect(error).toBeInstanceOf(GradientError);
        return false;
      },
    );

  test.each([0.3, 0.03])("misses one wrong element with the stated probability, for r = %s", async (r) => {
    const [x, tolerance, draws] = [sampleTensor([3, 3], 1), 1e-4, 1000];
    const random = new Random(7);
    // τ = tolerance·√9.
    const f = zeroWith((3 * tolerance) / r, 2, 5);
    let missed = 0;
    for (let draw = 0; draw < draws; draw++) if (await passes(f, x, { fast: random, tolerance })) missed++;
    // P(|N·N′| ≤ r) = (2/π)·∫₀ʳ K₀, with K₀(t) = −(ln(t/2) + γ)·(1 + t²/4) + t²/4 + O(t⁴ ln t).
    const steps = 10_000;
    const density = (t: number): number => -(Math.log(t / 2) + 0.5772156649) * (1 + t ** 2 / 4) + t ** 2 / 4;
    const integral = Array.from({ length: steps }, (_, i) => density(((i + 0.5) * r) / steps) * (r / steps)).reduce((a, b) => a + b, 0);
    const probability = (2 / Math.PI) * integral;
    expect((2 / Math.PI) * r * (1.116 - Math.log(r))).toBeCloseTo(probability, 2);
    expect(Math.abs(missed / draws - probability)).toBeLessThan(4 * Math.sqrt((probability * (1 - probability)) / draws));
  });

  test("passes gradients that are right, and needs two evaluations of f for each input", () =>
    fc.assert(
      fc.asyncProperty(generatedFunctions(), seeds, async ({ f, inputs }, seed) => {
        let evaluations = 0;
        const counted = (a?: Tensor, b?: Tensor): Tensor => {
          evaluations++;
          return f(a!, b!);
        };
        const report = await checkGradients(counted, inputs, { fast: new Random(seed), tolerance: 1e-6 });
        expect(evaluations).toBe(1 + 2 * inputs.filter(({ size }) => size > 0).length);
        expect(report.element).toBeUndefined();
      }),
    ));

  test.each<[string, (g: Tensor) => Tensor]>([
    ["a factor", (g) => multiply(g, 1.001)],
    ["a sign", (g) => multiply(g, -1)],
    ["a transpose", (g) => transpose(g)],
    ["a factor of 0", (g) => multiply(g, 0)],
    ["NaN", (g) => multiply(g, Number.NaN)],
    ["a large factor", (g) => multiply(g, 1e9)],
  ])("finds a gradient wrong by %s", (_, vjp) =>
    expect(checkGradients(identityWith(vjp), [sampleTensor([2, 2], 4)], { fast: new Random(3) })).rejects.toThrow(
      "for a random projection of input 0 [2,2]; the check without fast names the element",
    ),
  );

  test("finds the input that is wrong", () =>
    expect(
      checkGradients((a, b) => add(sin(a!), identityWith((g) => multiply(g, 1.1))(b!)), [sampleTensor([2], 1), sampleTensor([2], 2)], {
        fast: new Random(3),
      }),
    ).rejects.toThrow("input 1"));

  test("takes inputs that are longer than a call may have arguments", async () => {
    const x = sampleTensor([200_000], 1);
    // Φ is a sum of many terms, so its rounding is large. The whole point moves by ε, and each element by much less, so ε can be larger.
    const report = await checkGradients((at) => sum(sin(at!)), [x], { fast: new Random(1), epsilon: 1e-3 });
    expect(report.worst).toBeLessThan(1e-7);
  });

  test("allows an error relative to the norm of a large gradient", () =>
    checkGradients((at) => multiply(sin(at!), 1e6), [sampleTensor([4], 1)], { fast: new Random(1) }));

  test("gives the same report for the same seed, and checks second derivatives too", async () => {
    const check = (seed: number): Promise<CheckReport> =>
      checkSecondDerivatives((at) => exp(at!), [sampleTensor([4], 3)], { fast: new Random(seed) });
    expect(await check(5)).toEqual(await check(5));
    expect((await check(5)).worst).not.toBe((await check(6)).worst);
  });

  test("refuses what is no stream", () =>
    expect(checkGradients((x) => x!, [sampleTensor([1], 1)], { fast: true as never })).rejects.toThrow(
      "checkGradients: fast must be a stream, got true; pass new Random(0)",
    ));
});

test("float32 inputs are refused", () => expect(checkGradients((x) => x!, [tensor([1])])).rejects.toThrow(ConfigError));

test("the checks free every tensor that they make", async () => {
  const x = sampleTensor([3], 8);
  const before = memory().storages;
  await checkGradients((at) => sin(at!), [x]);
  await checkSecondDerivatives((at) => sin(at!), [x]);
  expect(memory().storages).toBe(before);
});
