/** A row of the finite-difference table: an op and its inputs, built from a random configuration. */

import fc from "fast-check";
import { expect } from "vitest";
import { checkGradients, checkSecondDerivatives } from "../../src/grad/check-gradients.ts";
import { gradients } from "../../src/grad/gradients.ts";
import { jvp } from "../../src/grad/jvp.ts";
import { multiply } from "../../src/ops/elementwise.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { seeds } from "../arbitraries/values.ts";
import { expectTensor, expectValues } from "../support/nd-array.ts";
import { sampleTensor } from "../support/sample.ts";
import { alongLine } from "./central-differences.ts";

/** A function to differentiate, and the point to do it at. */
export interface Differentiable {
  readonly f: (...inputs: Tensor[]) => Tensor;
  readonly inputs: readonly Tensor[];
}

/** The two checks of a row. */
export interface GradientRow {
  /** Checks the first derivatives by all inputs, for `runs` random configurations. */
  first(runs: number): Promise<void>;
  /** Checks the second derivatives of f². The square matters for an f that is linear, whose own second derivatives are 0. */
  second(runs: number): Promise<void>;
  /** Checks the derivative along a direction, which `jvp` computes from the VJP of the VJP, for `runs` random configurations. */
  along(runs: number): Promise<void>;
}

/** Inputs are few and of order 1, so central differences are accurate to about 1e-9. Sums of a few dozen products lose some of that. */
const tolerance = 1e-6;

/**
 * A VJP may be fused when it is not recorded. Recorded and unrecorded, it must give the same gradients. It must also give them where
 * `freeGraph` frees every tensor whose turn in the walk is over: a VJP may read the inputs and the value of its op only.
 */
async function expectSameRecorded(f: Differentiable["f"], inputs: readonly Tensor[]): Promise<void> {
  const of = async (createGraph: boolean): Promise<ArrayLike<number>[]> => {
    const y = f(...inputs);
    const seed = sampleTensor(y.shape, 1);
    return Promise.all(gradients(y, inputs, { seed, createGraph, unused: "zeros" }).map((g) => g.data()));
  };
  const [plain, recorded] = [await of(false), await of(true)];
  for (const [i, values] of plain.entries()) expectValues(recorded[i]!, values, 1e-9);
  // Leaves are not freed, so the op gets products with 1.
  const y = multiply(f(...inputs.map((x) => multiply(x, 1))), 1);
  const freed = gradients(y, inputs, { seed: sampleTensor(y.shape, 1), freeGraph: true, unused: "zeros" });
  for (const [i, values] of plain.entries()) expect(await freed[i]!.data()).toEqual(values);
}

/** The product Jv must be the derivative along v, by central differences. */
async function expectDirectional(f: Differentiable["f"], inputs: readonly Tensor[]): Promise<void> {
  const v = inputs.map((x, i) => sampleTensor(x.shape, i + 2, -1, 1));
  const [, product] = jvp(f, inputs, v, { unused: "zeros" });
  await expectTensor(product, await alongLine(f, inputs, v), tolerance);
}

/** A row whose `build` makes the op and its inputs from a configuration and a seed. */
export function row<C>(configuration: fc.Arbitrary<C>, build: (configuration: C, seed: number) => Differentiable): GradientRow {
  const check = (runs: number, property: (drawn: Differentiable) => Promise<unknown>): Promise<void> =>
    fc.assert(
      fc.asyncProperty(configuration, seeds, async (drawn, seed) => {
        const { f, inputs } = build(drawn, seed);
        await property({ f, inputs });
      }),
      { numRuns: runs },
    );
  return {
    first: (runs) =>
      check(runs, async ({ f, inputs }) => {
        await checkGradients(f, inputs, { tolerance });
        await expectSameRecorded(f, inputs);
      }),
    second: (runs) =>
      check(runs, ({ f, inputs }) =>
        checkSecondDerivatives(
          (...at) => {
            const y = f(...at);
            return multiply(y, y);
          },
          inputs,
          { tolerance: 10 * tolerance },
        ),
      ),
    along: (runs) => check(runs, ({ f, inputs }) => expectDirectional(f, inputs)),
  };
}
