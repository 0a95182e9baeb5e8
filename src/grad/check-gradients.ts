/** A check of gradients against central differences, which need no VJPs. */

import { ConfigError, GradientError } from "../core/errors.ts";
import { checkNumbers } from "../core/numbers.ts";
import { checkOptions, kindOf, type OptionNames, optionNames } from "../core/options.ts";
import { Random } from "../core/random.ts";
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
  /**
   * The largest error that is allowed, relative to max(1, |gradient|), or in the fast check to that of the root mean square. Default: 1e-7.
   */
  readonly tolerance?: number;
  /**
   * A stream for random projections: the fast check, which compares one number for each input. Default: none, and then every element is
   * checked.
   */
  readonly fast?: Random;
}

/** The names of `CheckOptions`. */
export const gradientCheckOptions: OptionNames = optionNames<CheckOptions>({ epsilon: true, tolerance: true, fast: true });

/** The largest error, and where it is. */
export interface CheckReport {
  /** The largest error, relative as the tolerance is. */
  readonly worst: number;
  /** The position of the input. */
  readonly input: number;
  /** The position of the element in the input. The fast check does not know it. */
  readonly element: number | undefined;
}

/** (Φ(x + h·d) − Φ(x − h·d))/2h, for a direction d in the space of one input. */
type Difference = (h: number, direction: (element: number) => number) => Promise<number>;

/** A number that was found for an input, and the number that it must be. */
interface Comparison {
  readonly element: number | undefined;
  readonly got: number;
  readonly expected: number;
  /** The size of numbers that the error is relative to. */
  readonly scale: number;
}

/**
 * Compares the gradients of Φ(x) = ⟨u, f(x)⟩ with central differences (Φ(x + h·d) − Φ(x − h·d))/2h, which need no VJPs. f may return a
 * tensor of any shape.
 *
 * The full check has fixed weights u that all differ, so that the errors of two elements cannot cancel. It compares every element of the
 * gradient and needs two evaluations of f for each.
 *
 * The fast check (`fast`) draws u and, for each input, a direction v from the standard normal distribution, as PyTorch's `fast_mode` does.
 * It compares the one number ⟨∂Φ/∂x, v⟩ and needs two evaluations of f for each input of n elements. The error may be τ = tolerance·√n for
 * gradients of order 1. A VJP with one element of the Jacobian wrong by δ passes with a probability near (2/π)·r·(1.116 − ln r) for a small
 * r = τ/δ: 0.5 % for r = 0.001. Another draw finds what one has missed (docs/derivations/gradient-check.md).
 * @throws GradientError for an error above the tolerance, ConfigError unless the inputs are float64.
 */
export async function checkGradients(
  f: (...inputs: Tensor[]) => Tensor,
  inputs: readonly Tensor[],
  options: CheckOptions = {},
): Promise<CheckReport> {
  checkOptions("checkGradients", options, gradientCheckOptions);
  const { epsilon = 1e-5, tolerance = 1e-7, fast } = options;
  checkNumbers("checkGradients", { epsilon }, { above: 0 });
  checkNumbers("checkGradients", { tolerance }, { least: 0 });
  if (fast !== undefined && !(fast instanceof Random))
    throw new ConfigError(`checkGradients: fast must be a stream, got ${kindOf(fast)}; pass new Random(0)`);
  if (inputs.some((x) => x.dtype !== "float64"))
    throw new ConfigError(
      `checkGradients: inputs must be float64, got ${inputs.map((x) => x.dtype).join(", ")}; ` +
        "in float32 the rounding is larger than the differences",
    );
  const phi = projected(f, fast === undefined ? (i) => Math.cos(i * 1.7 + 0.3) + 0.1 : () => fast.normal());
  const found = scope(() => gradients(phi(...inputs), inputs, { unused: "zeros" }));
  const analytic = await Promise.all(found.map((g) => g.data()));
  for (const g of found) g.dispose();
  let worst: CheckReport = { worst: 0, input: 0, element: fast === undefined ? 0 : undefined };
  for (const [position, x] of inputs.entries()) {
    const values = Float64Array.from(await x.data());
    const at = async (h: number, direction: (element: number) => number): Promise<number> => {
      const y = scope(() => {
        const moved = values.map((value, i) => value + h * direction(i));
        return phi(...inputs.with(position, tensor(moved, { shape: x.shape })));
      });
      const value = await y.item();
      y.dispose();
      return value;
    };
    const difference: Difference = async (h, direction) => ((await at(h, direction)) - (await at(-h, direction))) / (2 * h);
    const gradient = analytic[position]!;
    const comparisons =
      fast === undefined ? everyElement(gradient, difference, epsilon) : oneProjection(gradient, difference, epsilon, fast);
    for await (const { element, got, expected, scale } of comparisons) {
      const error = Math.abs(got - expected) / scale;
      if (!(error <= worst.worst)) worst = { worst: error, input: position, element };
      if (!(error <= tolerance))
        throw new GradientError(
          `checkGradients: gradients must match central differences within ${tolerance}, got ${got} instead of ${expected} for ` +
            `${element === undefined ? "a random projection" : `element ${element}`} of input ${position} ${formatShape(x.shape)}` +
            (element === undefined ? "; the check without fast names the element" : ""),
        );
    }
  }
  return worst;
}

/** Φ(x) = ⟨u, f(x)⟩, whose weights u are made once, when the first f(x) shows how many there are. */
function projected(f: (...inputs: Tensor[]) => Tensor, weight: (element: number) => number): (...inputs: Tensor[]) => Tensor {
  let u: Float64Array | undefined;
  return (...inputs) => {
    const y = f(...inputs);
    u ??= Float64Array.from({ length: y.size }, (_, i) => weight(i));
    return sum(multiply(y, tensor(u, { shape: y.shape })));
  };
}

/** Every element of the gradient, against a difference along its axis. */
async function* everyElement(gradient: ArrayLike<number>, difference: Difference, epsilon: number): AsyncGenerator<Comparison> {
  for (let element = 0; element < gradient.length; element++) {
    const expected = await difference(epsilon, (i) => (i === element ? 1 : 0));
    yield { element, got: gradient[element]!, expected, scale: Math.max(1, Math.abs(expected)) };
  }
}

/** The gradient's product with a random direction, against a difference along that direction. An input without elements has none. */
async function* oneProjection(
  gradient: ArrayLike<number>,
  difference: Difference,
  epsilon: number,
  random: Random,
): AsyncGenerator<Comparison> {
  const count = gradient.length;
  if (count === 0) return;
  const v = Float64Array.from({ length: count }, () => random.normal());
  const got = v.reduce((total, direction, i) => total + direction * gradient[i]!, 0);
  const expected = await difference(epsilon / norm(v), (i) => v[i]!);
  yield { element: undefined, got, expected, scale: Math.max(Math.sqrt(count), norm(gradient)) };
}

/** The Euclidean norm. The inputs of a fast check are too long for Math.hypot, which takes its numbers as arguments. */
function norm(values: ArrayLike<number>): number {
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += values[i]! ** 2;
  return Math.sqrt(squares);
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
