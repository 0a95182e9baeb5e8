/** A check of gradients against central differences, which need no VJPs. */

import { ConfigError, GradientError } from "../core/errors.ts";
import { checkNumbers } from "../core/numbers.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { formatShape } from "../core/shape.ts";
import { tensor } from "../ops/creation.ts";
import { add, multiply } from "../ops/elementwise.ts";
import { sum } from "../ops/sum-and-broadcast.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { gradients } from "./gradients.ts";

/** The options of `checkGradients` and `checkSecondDerivatives`. */
export interface CheckOptions {
  /**
   * Half the distance ε between the two evaluations. Default: 1e-5, which balances the error ε² of the formula against the rounding error
   * 1e-16/ε.
   */
  readonly epsilon?: number;
  /** The largest error that is allowed, relative to max(1, |gradient|). Default: 1e-7. */
  readonly tolerance?: number;
}

/** The names of `CheckOptions`. */
export const gradientCheckOptions: OptionNames = optionNames<CheckOptions>({ epsilon: true, tolerance: true });

/** The largest error, and the element that has it. */
export interface CheckReport {
  /** The largest error, relative to max(1, |gradient|). */
  readonly worst: number;
  /** The position of the input. */
  readonly input: number;
  /** The position of the element in the input. */
  readonly element: number;
}

/**
 * Compares `gradients` of f with (f(x + ε·e) − f(x − ε·e))/2ε, for the unit vector e of every element of every input. f may return a tensor
 * of any shape. The check multiplies its elements by fixed weights that all differ, so that the errors of two elements cannot cancel.
 * @throws GradientError for an element whose error exceeds the tolerance, ConfigError unless the inputs are float64.
 */
export async function checkGradients(
  f: (...inputs: Tensor[]) => Tensor,
  inputs: readonly Tensor[],
  options: CheckOptions = {},
): Promise<CheckReport> {
  checkOptions("checkGradients", options, gradientCheckOptions);
  const { epsilon = 1e-5, tolerance = 1e-7 } = options;
  checkNumbers("checkGradients", { epsilon }, { above: 0 });
  checkNumbers("checkGradients", { tolerance }, { least: 0 });
  if (inputs.some((x) => x.dtype !== "float64"))
    throw new ConfigError(
      `checkGradients: inputs must be float64, got ${inputs.map((x) => x.dtype).join(", ")}; ` +
        "in float32 the rounding is larger than the differences",
    );
  const objective = (...at: Tensor[]): Tensor => {
    const y = f(...at);
    return sum(
      multiply(
        y,
        tensor(
          Float64Array.from({ length: y.size }, (_, i) => Math.cos(i * 1.7 + 0.3) + 0.1),
          { shape: y.shape },
        ),
      ),
    );
  };
  const found = scope(() => gradients(objective(...inputs), inputs, { unused: "zeros" }));
  const analytic = await Promise.all(found.map((g) => g.data()));
  for (const g of found) g.dispose();
  let worst: CheckReport = { worst: 0, input: 0, element: 0 };
  for (const [i, x] of inputs.entries()) {
    const values = Float64Array.from(await x.data());
    for (let element = 0; element < values.length; element++) {
      const numeric = (await valueAt(epsilon, element)) - (await valueAt(-epsilon, element));
      const expected = numeric / (2 * epsilon);
      const got = analytic[i]![element]!;
      const error = Math.abs(got - expected) / Math.max(1, Math.abs(expected));
      if (!(error <= worst.worst)) worst = { worst: error, input: i, element };
      if (!(error <= tolerance))
        throw new GradientError(
          `checkGradients: gradients must match central differences within ${tolerance}, ` +
            `got ${got} instead of ${expected} for element ${element} of input ${i} ${formatShape(x.shape)}`,
        );
    }
    async function valueAt(step: number, element: number): Promise<number> {
      const moved = values.slice();
      moved[element]! += step;
      const y = scope(() => objective(...inputs.map((input, j) => (j === i ? tensor(moved, { shape: x.shape }) : input))));
      const value = await y.item();
      y.dispose();
      return value;
    }
  }
  return worst;
}

/**
 * The same check for second derivatives. It checks the gradients of x ↦ Σ c·∂f/∂x, for fixed weights c that differ between inputs.
 * @throws GradientError and ConfigError as `checkGradients` does.
 */
export function checkSecondDerivatives(
  f: (...inputs: Tensor[]) => Tensor,
  inputs: readonly Tensor[],
  options: CheckOptions = {},
): Promise<CheckReport> {
  checkOptions("checkSecondDerivatives", options, gradientCheckOptions);
  const firstDerivatives = (...at: Tensor[]): Tensor => {
    const y = f(...at);
    const seed = tensor(
      Float64Array.from({ length: y.size }, (_, i) => Math.sin(i * 2.3 + 0.7)),
      { shape: y.shape },
    );
    const first = gradients(y, at, { seed, createGraph: true, unused: "zeros" });
    return first.map((g, i) => sum(multiply(g, 1 + i / 3))).reduce((total, part) => add(total, part));
  };
  return checkGradients(firstDerivatives, inputs, options);
}
