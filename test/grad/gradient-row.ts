/** One row of the finite-difference table: how to draw an op's configuration, and how to build the op and its inputs from it. */

import fc from "fast-check";
import { checkGradients, checkSecondDerivatives } from "../../src/grad/check-gradients.ts";
import { gradients } from "../../src/grad/gradients.ts";
import { multiply } from "../../src/ops/elementwise.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { seeds } from "../arbitraries/values.ts";
import { expectValues } from "../support/nd-array.ts";
import { sampleTensor } from "../support/sample.ts";

export interface Differentiable {
  readonly f: (...inputs: Tensor[]) => Tensor;
  readonly inputs: readonly Tensor[];
}

export interface GradientRow {
  /** Checks the first derivatives of every input of every configuration drawn. */
  first(runs: number): Promise<void>;
  /** The same for second derivatives, of f² so that ops linear in their input have some. */
  second(runs: number): Promise<void>;
}

/** Inputs are of order 1 and few, so central differences are good to about 1e-9; sums of a few dozen products lose some of it. */
const tolerance = 1e-6;

/** A VJP may be fused when it is not recorded; recorded it must give the same, or second derivatives would be right ones of a wrong first. */
async function expectSameRecorded(f: Differentiable["f"], inputs: readonly Tensor[]): Promise<void> {
  const of = async (createGraph: boolean): Promise<ArrayLike<number>[]> => {
    const y = f(...inputs);
    const seed = sampleTensor(y.shape, 1);
    return Promise.all(gradients(y, inputs, { seed, createGraph, unused: "zeros" }).map((g) => g.data()));
  };
  const [plain, recorded] = [await of(false), await of(true)];
  for (const [i, values] of plain.entries()) expectValues(recorded[i]!, values, 1e-9);
}

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
  };
}
