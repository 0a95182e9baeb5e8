import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { NormGeometry } from "../../../src/backend/kernels.ts";
import { norms } from "../../arbitraries/geometries.ts";
import { preciseValuesOf, seeds } from "../../arbitraries/values.ts";
import { float64, inner, numbers, reference } from "./run-kernels.ts";

interface Inputs {
  readonly x: Float64Array;
  readonly gamma: Float64Array;
  readonly beta: Float64Array;
}

const inputsOf = (seed: number, { batch, channels, inner: width }: NormGeometry): Inputs => ({
  x: preciseValuesOf(seed, batch * channels * width),
  gamma: preciseValuesOf(seed + 1, channels),
  beta: preciseValuesOf(seed + 2, channels),
});

function forward({ x, gamma, beta }: Inputs, geometry: NormGeometry) {
  const { y, mean, variance } = reference.batchNorm(float64(x), float64(gamma), float64(beta), geometry);
  return { y: numbers(y), mean: numbers(mean), variance: numbers(variance) };
}

/** The elements of one channel. */
const channelOf = (values: ArrayLike<number>, c: number, { channels, inner: width }: NormGeometry): number[] =>
  Array.from(values).filter((_, at) => Math.floor(at / width) % channels === c);

const averageOf = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0) / list.length;
const varianceOf = (list: readonly number[]): number => averageOf(list.map((value) => (value - averageOf(list)) ** 2));

describe("batchNorm", () => {
  it("gives every channel the mean β and the variance γ²·σ²/(σ² + ε)", () => {
    fc.assert(
      fc.property(seeds, norms(6), (seed, geometry) => {
        const inputs = inputsOf(seed, geometry);
        const { y, mean, variance } = forward(inputs, geometry);
        expect(y.length).toBe(inputs.x.length);
        for (let c = 0; c < geometry.channels; c++) {
          const [before, after] = [channelOf(inputs.x, c, geometry), channelOf(y, c, geometry)];
          if (before.length === 0) {
            expect([mean[c], variance[c]]).toEqual([Number.NaN, Number.NaN]);
            continue;
          }
          // Values are of order 1 and a channel has at most 36 elements. So there are a few dozen roundings. They grow by up to 1/√ε if all
          // x are equal.
          const rounding = 100 * 2 ** -53 * 10;
          const [gamma, beta] = [inputs.gamma[c]!, inputs.beta[c]!];
          expect(Math.abs(mean[c]! - averageOf(before))).toBeLessThanOrEqual(rounding);
          expect(Math.abs(variance[c]! - varianceOf(before))).toBeLessThanOrEqual(rounding);
          expect(Math.abs(averageOf(after) - beta)).toBeLessThanOrEqual(rounding / Math.sqrt(geometry.epsilon));
          const expected = (gamma ** 2 * variance[c]!) / (variance[c]! + geometry.epsilon);
          expect(Math.abs(varianceOf(after) - expected)).toBeLessThanOrEqual(rounding / Math.sqrt(geometry.epsilon));
        }
      }),
    );
  });

  it("is β for one element per channel", () => {
    const { y, variance } = forward(
      { x: Float64Array.of(3, -7), gamma: Float64Array.of(2, 2), beta: Float64Array.of(0.5, -1) },
      { batch: 1, channels: 2, inner: 1, epsilon: 1e-5 },
    );
    expect(y).toEqual([0.5, -1]);
    expect(variance).toEqual([0, 0]);
  });
});

describe("batchNormGradient", () => {
  /** ⟨g, y⟩ as a function of the inputs. */
  const lossOf = (inputs: Inputs, g: Float64Array, geometry: NormGeometry): number => inner(g, forward(inputs, geometry).y).value;

  it("equals the central differences of ⟨g, y⟩ in every element of x, γ and β", () => {
    const geometries = norms(4).filter(({ batch, inner: width }) => batch * width !== 1);
    fc.assert(
      fc.property(seeds, geometries, (seed, geometry) => {
        // ε is 0.1, because a small ε with few elements makes the third derivative too large for finite differences.
        const config = { ...geometry, epsilon: 0.1 };
        const inputs = inputsOf(seed, config);
        const g = preciseValuesOf(seed + 3, inputs.x.length);
        const { mean, variance } = forward(inputs, config);
        const gradient = reference.batchNormGradient(
          float64(inputs.x),
          float64(inputs.gamma),
          float64(mean),
          float64(variance),
          float64(g),
          config,
        );
        for (const name of ["x", "gamma", "beta"] as const) {
          const analytic = numbers(gradient[name]);
          expect(analytic.length).toBe(inputs[name].length);
          for (let i = 0; i < analytic.length; i++) {
            const h = 1e-4;
            const moved = (by: number): Inputs => ({ ...inputs, [name]: inputs[name].with(i, inputs[name][i]! + by) });
            const slope = (lossOf(moved(h), g, config) - lossOf(moved(-h), g, config)) / (2 * h);
            // The truncation error is h²/6 = 1.7e-9 times a third derivative of up to some hundreds. The rounding error 1e-15/h is far
            // smaller.
            expect(Math.abs(analytic[i]! - slope)).toBeLessThanOrEqual(1e-6 * (1 + Math.abs(slope)));
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it("is 0 for the x of a channel with one element, and is defined for a channel without elements", () => {
    const one = reference.batchNormGradient(float64([3]), float64([2]), float64([3]), float64([0]), float64([5]), {
      batch: 1,
      channels: 1,
      inner: 1,
      epsilon: 1e-5,
    });
    expect([numbers(one.x), numbers(one.gamma), numbers(one.beta)]).toEqual([[0], [0], [5]]);
    const none = reference.batchNormGradient(float64([]), float64([2]), float64([0]), float64([0]), float64([]), {
      batch: 0,
      channels: 1,
      inner: 4,
      epsilon: 1e-5,
    });
    expect([numbers(none.x), numbers(none.gamma), numbers(none.beta)]).toEqual([[], [0], [0]]);
  });
});
