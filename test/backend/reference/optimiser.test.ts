import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AdamEntry, AdamUpdate, SgdEntry, SgdUpdate } from "../../../src/backend/kernels.ts";
import type { Storage } from "../../../src/tensor/storage.ts";
import { float64, numbers, reference } from "./run-kernels.ts";

const value = fc.double({ min: -3, max: 3, noNaN: true });
const rate = fc.double({ min: 1e-3, max: 0.5, noNaN: true });
const closeTo = (got: number, expected: number): void =>
  expect(Math.abs(got - expected)).toBeLessThanOrEqual(1e-12 * (1 + Math.abs(expected)));

/** One parameter's step. */
const sgd = (
  parameter: Storage,
  gradient: Storage,
  momentum: Storage | undefined,
  { learningRate, weightDecay, ...update }: SgdUpdate & Pick<SgdEntry, "learningRate" | "weightDecay">,
): void => reference.sgdUpdate([{ parameter, gradient, momentum, learningRate, weightDecay }], update);
const adam = (
  parameter: Storage,
  gradient: Storage,
  mean: Storage,
  square: Storage,
  { learningRate, weightDecay, step, ...update }: AdamUpdate & Pick<AdamEntry, "learningRate" | "weightDecay" | "step">,
): void => reference.adamUpdate([{ parameter, gradient, mean, square, learningRate, weightDecay, step }], update);

describe("sgdUpdate", () => {
  it("follows the documented rule of torch.optim.SGD, for two steps by hand", () => {
    // p = 2, λ = 0.5, g = 1: d = 2, v = 2, p = 2 − 0.5·2 = 1. Then g = 3: d = 3.5, v = 0.5·2 + 3.5 = 4.5, p = 1 − 0.5·4.5 = −1.25.
    const [p, v] = [float64([2]), float64([99])];
    const options = { learningRate: 0.5, momentum: 0.5, nesterov: false, weightDecay: 0.5 };
    sgd(p, float64([1]), v, { ...options, first: true });
    expect([numbers(p), numbers(v)]).toEqual([[1], [2]]);
    sgd(p, float64([3]), v, { ...options, first: false });
    expect([numbers(p), numbers(v)]).toEqual([[-1.25], [4.5]]);
  });

  it("follows Nesterov's rule, for two steps by hand", () => {
    // g = 1: d = 2, v = 2, p = 2 − 0.5·(2 + 0.5·2) = 0.5. Then g = 3: d = 3.25, v = 4.25, p = 0.5 − 0.5·(3.25 + 0.5·4.25) = −2.1875.
    const [p, v] = [float64([2]), float64([99])];
    const options = { learningRate: 0.5, momentum: 0.5, nesterov: true, weightDecay: 0.5 };
    sgd(p, float64([1]), v, { ...options, first: true });
    expect([numbers(p), numbers(v)]).toEqual([[0.5], [2]]);
    sgd(p, float64([3]), v, { ...options, first: false });
    expect([numbers(p), numbers(v)]).toEqual([[-2.1875], [4.25]]);
  });

  it("without a buffer is gradient descent on the loss plus λ/2·p²", () => {
    fc.assert(
      fc.property(value, value, rate, rate, (p0, g, learningRate, weightDecay) => {
        const p = float64([p0]);
        sgd(p, float64([g]), undefined, { learningRate, momentum: 0, nesterov: false, weightDecay, first: true });
        closeTo(numbers(p)[0]!, p0 - learningRate * (g + weightDecay * p0));
      }),
    );
  });

  it("has the velocity g·(1 − μᵗ)/(1 − μ) for a constant gradient", () => {
    fc.assert(
      fc.property(
        value,
        value,
        rate,
        fc.double({ min: 0, max: 0.95, noNaN: true }),
        fc.integer({ min: 1, max: 12 }),
        (p0, g, learningRate, momentum, steps) => {
          const [p, v] = [float64([p0]), float64([0])];
          let travelled = 0;
          for (let t = 1; t <= steps; t++) {
            sgd(p, float64([g]), v, { learningRate, momentum, nesterov: false, weightDecay: 0, first: t === 1 });
            travelled += (g * (1 - momentum ** t)) / (1 - momentum);
            closeTo(numbers(v)[0]!, (g * (1 - momentum ** t)) / (1 - momentum));
          }
          closeTo(numbers(p)[0]!, p0 - learningRate * travelled);
        },
      ),
    );
  });
});

describe("adamUpdate", () => {
  const options = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, decoupled: false };

  it("moves by lr·g/(|g| + ε) in every step for a constant gradient, because of the bias corrections", () => {
    fc.assert(
      fc.property(value, value, rate, fc.integer({ min: 1, max: 12 }), (p0, g, learningRate, steps) => {
        fc.pre(Math.abs(g) > 1e-3);
        const [p, m, s] = [float64([p0]), float64([0]), float64([0])];
        for (let step = 1; step <= steps; step++) adam(p, float64([g]), m, s, { ...options, learningRate, step });
        closeTo(numbers(m)[0]!, g * (1 - options.beta1 ** steps));
        // 1 − 0.999ᵗ loses three digits to cancellation on both sides.
        closeTo(numbers(s)[0]!, g ** 2 * (1 - options.beta2 ** steps));
        closeTo(numbers(p)[0]!, p0 - (steps * learningRate * g) / (Math.abs(g) + options.epsilon));
      }),
    );
  });

  it("without decoupling adds λp to the gradient", () => {
    fc.assert(
      fc.property(value, value, rate, rate, (p0, g, learningRate, weightDecay) => {
        const plain = [float64([p0]), float64([0.1]), float64([0.2])] as const;
        const decayed = [float64([p0]), float64([0.1]), float64([0.2])] as const;
        adam(plain[0], float64([g + weightDecay * p0]), plain[1], plain[2], { ...options, learningRate, step: 3 });
        adam(decayed[0], float64([g]), decayed[1], decayed[2], { ...options, learningRate, weightDecay, step: 3 });
        for (const i of [0, 1, 2] as const) closeTo(numbers(decayed[i])[0]!, numbers(plain[i])[0]!);
      }),
    );
  });

  it("with decoupling shrinks p by the factor 1 − lr·λ and does not change the moments", () => {
    fc.assert(
      fc.property(value, value, rate, rate, (p0, g, learningRate, weightDecay) => {
        const plain = [float64([p0]), float64([0.1]), float64([0.2])] as const;
        const decayed = [float64([p0]), float64([0.1]), float64([0.2])] as const;
        adam(plain[0], float64([g]), plain[1], plain[2], { ...options, learningRate, step: 3 });
        adam(decayed[0], float64([g]), decayed[1], decayed[2], {
          ...options,
          learningRate,
          weightDecay,
          decoupled: true,
          step: 3,
        });
        closeTo(numbers(decayed[0])[0]!, numbers(plain[0])[0]! - learningRate * weightDecay * p0);
        expect([numbers(decayed[1]), numbers(decayed[2])]).toEqual([numbers(plain[1]), numbers(plain[2])]);
      }),
    );
  });
});
