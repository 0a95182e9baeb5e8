/**
 * What `vjp`, `jvp`, `jacobian`, `hessian` and `hvp` share: functions of tensors, their evaluation at a point, and the checks.
 *
 * A derivative here is that of a function, as in mathematics. `gradients` differentiates by tensors instead, wherever a graph uses them. So
 * f is evaluated at inputs of its own, which have the values of the given inputs and a place of their own in the graph. Then the two
 * arguments of f(x, x) are two variables, and a tensor x that f refers to by itself is a constant, even at the point x.
 */

import { GradientError, ShapeError } from "../core/errors.ts";
import { checkOptions, kindOf, type OptionNames, optionNames } from "../core/options.ts";
import { formatShape, sameShape } from "../core/shape.ts";
import { checkSynchronous } from "../core/synchronous.ts";
import { full, tensor, zeros } from "../ops/creation.ts";
import { add, cast, multiply } from "../ops/elementwise.ts";
import { checkFloating } from "../ops/output.ts";
import { reshape } from "../ops/reshape.ts";
import { sum } from "../ops/sum-and-broadcast.ts";
import { detach, enableGrad, isRecording } from "../tape/tape.ts";
import { scope } from "../tensor/scope.ts";
import { typedArray } from "../tensor/storage.ts";
import { Tensor } from "../tensor/tensor.ts";
import { cotangentsOf } from "./gradients.ts";

/** The point of a derivative: one tensor for f(x), or a list for f(x₁, x₂, …). */
export type Inputs = Tensor | readonly Tensor[];

/** A function of such inputs. */
export type FunctionOf<I extends Inputs> = (...inputs: I extends readonly Tensor[] ? I : [Tensor]) => Tensor;

/** One T for a single input, and a list of one T for each input of a list. */
export type PerInput<I extends Inputs, T = Tensor> = I extends readonly Tensor[] ? { -readonly [Place in keyof I]: T } : T;

/** The options of `vjp`, `jvp`, `hessian` and `hvp`. */
export interface DerivativeOptions {
  /**
   * Whether the results get origins, so that they can be differentiated again. Inside `noGrad` they get none. Default: false; what was
   * computed on the way is then freed.
   */
  readonly createGraph?: boolean;
  /** What to do about an input that the result of f does not depend on: throw an error, or return zeros for it. Default: "error". */
  readonly unused?: "error" | "zeros";
}

/** The names of `DerivativeOptions`. */
export const derivativeOptions: OptionNames = optionNames<DerivativeOptions>({ createGraph: true, unused: true });

/** f, evaluated at a point. */
export interface Evaluation {
  /** The inputs that f was given. */
  readonly inputs: readonly Tensor[];
  readonly output: Tensor;
  /** Whether the results need origins. */
  readonly createGraph: boolean;
  /**
   * Jᵀu for each input, recorded or not.
   * @throws GradientError for an input that the output does not depend on, unless `unused` is "zeros".
   */
  pullBack(u: Tensor, createGraph: boolean): Tensor[];
}

/**
 * Evaluates f with recording and hands the evaluation to `derive`, whose results come back without origins unless `createGraph` is set.
 * @throws ShapeError for inputs that are no floating tensors, GradientError for an f that returns no floating tensor.
 */
export function differentiate<I extends Inputs>(
  op: string,
  f: FunctionOf<I>,
  point: I,
  options: DerivativeOptions,
  derive: (evaluation: Evaluation) => readonly Tensor[],
): Tensor[] {
  const given = listOf(point);
  if (!Array.isArray(given) || given.length === 0)
    throw new ShapeError(`${op}: needs a tensor or a list of tensors, got ${Array.isArray(given) ? "an empty list" : kindOf(given)}`);
  for (const x of given) checkFloating(op, x);
  const { unused = "error" } = options;
  const createGraph = options.createGraph === true && isRecording();
  const run = (): Tensor[] => {
    const inputs = given.map((x) => (createGraph ? reshape(x, x.shape) : detach(x)));
    // The types promise that a list of inputs fits the arguments of f. The compiler cannot follow the two cases of I.
    const output = (f as (...inputs: Tensor[]) => Tensor)(...inputs);
    checkOutput(op, output);
    const pullBack = (u: Tensor, recorded: boolean): Tensor[] =>
      cotangentsOf(output, inputs, u, recorded).map((g, i) => g ?? missing(op, inputs[i]!, i, unused));
    const results = derive({ inputs, output, createGraph, pullBack });
    return results.map((x) => (createGraph ? x : detach(x)));
  };
  return createGraph ? run() : scope(() => enableGrad(run));
}

/** The inputs as a list. */
export const listOf = (inputs: Inputs): readonly Tensor[] => (inputs instanceof Tensor ? [inputs] : inputs);

/** The results as the caller wrote the inputs: one alone, or a list. */
export const likeInputs = <I extends Inputs, T>(inputs: I, results: readonly T[]): PerInput<I, T> =>
  (inputs instanceof Tensor ? results[0] : results) as PerInput<I, T>;

/** Σᵢ ⟨gᵢ, vᵢ⟩, one number of the given dtype. */
export const innerProduct = (gs: readonly Tensor[], vs: readonly Tensor[], { dtype }: Tensor): Tensor =>
  gs.map((g, i) => cast(sum(multiply(g, vs[i]!)), dtype)).reduce((total, part) => add(total, part));

/** The unit vector along one element of x, in the shape of x. */
export function unitVector(x: Tensor, element: number): Tensor {
  const values = typedArray(x.dtype, x.size);
  values[element] = 1;
  return tensor(values, { shape: x.shape });
}

/** 1, in the shape of x. */
export const onesLike = (x: Tensor): Tensor => full(x.shape, 1, { dtype: x.dtype });
/** 0, in the shape of x. */
export const zerosLike = (x: Tensor): Tensor => zeros(x.shape, { dtype: x.dtype });

/** @throws ShapeError unless v is a tensor of the shape and dtype of x, which `what` names. */
export function checkVector(op: string, v: Tensor, x: Tensor, what: string): void {
  if (!(v instanceof Tensor)) throw new ShapeError(`${op}: v must be a tensor like ${what}, got ${kindOf(v)}; make it one with tensor()`);
  if (!sameShape(v.shape, x.shape) || v.dtype !== x.dtype)
    throw new ShapeError(
      `${op}: v must have the shape and dtype of ${what}, got ${v.dtype} ${formatShape(v.shape)} for ${x.dtype} ${formatShape(x.shape)}`,
    );
}

/** The vectors v as a list. @throws ShapeError unless there is one for each input, like the input. */
export function vectorsLike(op: string, v: Inputs, inputs: readonly Tensor[]): readonly Tensor[] {
  const vectors = listOf(v);
  if (vectors.length !== inputs.length)
    throw new ShapeError(`${op}: v must have one tensor for each input, got ${vectors.length} for ${inputs.length}`);
  for (const [i, x] of inputs.entries()) checkVector(op, vectors[i]!, x, `input ${i}`);
  return vectors;
}

/** @throws GradientError unless f returned a number. */
export function checkScalar(op: string, output: Tensor): void {
  if (output.size !== 1) throw new GradientError(`${op}: f must return one element, got ${formatShape(output.shape)}; sum it`);
}

function checkOutput(op: string, output: Tensor): void {
  checkSynchronous(op, output, "let f compute with ops, and read data outside");
  if (!(output instanceof Tensor) || output.dtype === "int32")
    throw new GradientError(
      `${op}: f must return a floating tensor, got ${output instanceof Tensor ? output.dtype : kindOf(output)}; ` +
        "several results can be one with concat or stack",
    );
}

/** The cotangent of an input that the output does not depend on. */
function missing(op: string, x: Tensor, index: number, unused: "error" | "zeros"): Tensor {
  if (unused === "error")
    throw new GradientError(
      `${op}: the result of f must depend on every input, and does not on input ${index} ${formatShape(x.shape)}; ` +
        "use the argument that f is given (functionalCall does so for the parameters of a module), " +
        'or pass { unused: "zeros" } to get zeros',
    );
  return zerosLike(x);
}

/** @throws ConfigError for an option that a derivative does not have. */
export const checkDerivativeOptions = (op: string, options: DerivativeOptions): void => checkOptions(op, options, derivativeOptions);
