/** `jacobian`: the whole matrix of first derivatives, by rows or by columns. */

import { ConfigError } from "../core/errors.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { quote } from "../core/quote.ts";
import type { Shape } from "../core/shape.ts";
import { zeros } from "../ops/creation.ts";
import { cast } from "../ops/elementwise.ts";
import { stack } from "../ops/layout.ts";
import { reshape } from "../ops/reshape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import {
  type DerivativeOptions,
  differentiate,
  type Evaluation,
  type FunctionOf,
  type Inputs,
  likeInputs,
  type PerInput,
  unitVector,
  zerosLike,
} from "./derivative.ts";
import { cotangentsOf } from "./gradients.ts";

/** The options of `jacobian`. */
export interface JacobianOptions extends DerivativeOptions {
  /**
   * `reverse-mode` computes a row with each walk, as Jᵀu for a unit vector u. `forward-mode` computes a column with each walk, as Jv for a
   * unit vector v (see `jvp`). Default: "auto", which takes the rows unless there are fewer columns.
   */
  readonly strategy?: "auto" | "reverse-mode" | "forward-mode";
}

/** The names of `JacobianOptions`. */
export const jacobianOptions: OptionNames = optionNames<JacobianOptions>({ createGraph: true, unused: true, strategy: true });

/**
 * The Jacobian J = ∂f/∂x, as `torch.autograd.functional.jacobian` gives it: J[i…, j…] = ∂f[i…]/∂x[j…].   x:[n…], f(x):[m…] → J:[m…,n…], in
 * the dtype of x.
 * It costs f and min(m, n) walks backwards, for m elements of f(x) and n elements of all inputs; columns take one walk more. For a list of
 * inputs, the result is a list with the Jacobian by each.
 * @throws ShapeError for inputs that are not floating, GradientError for an input that the result does not depend on, ConfigError for a
 * strategy that does not exist.
 */
export function jacobian<const I extends Inputs>(f: FunctionOf<I>, inputs: I, options: JacobianOptions = {}): PerInput<I> {
  checkOptions("jacobian", options, jacobianOptions);
  const { strategy = "auto" } = options;
  if (strategy !== "auto" && strategy !== "reverse-mode" && strategy !== "forward-mode")
    throw new ConfigError(`jacobian: strategy must be auto, reverse-mode or forward-mode, got ${quote(strategy)}`);
  const results = differentiate("jacobian", f, inputs, options, (evaluation) => {
    const columns = evaluation.inputs.reduce((total, { size }) => total + size, 0);
    const forward = strategy === "forward-mode" || (strategy === "auto" && columns < evaluation.output.size);
    return forward ? byColumns(evaluation) : byRows(evaluation);
  });
  return likeInputs(inputs, results);
}

function byRows({ inputs, output, createGraph, pullBack }: Evaluation): Tensor[] {
  const rows = Array.from({ length: output.size }, (_, i) => pullBack(unitVector(output, i), createGraph));
  return inputs.map((x, k) =>
    stacked(
      rows.map((row) => row[k]!),
      0,
      [...output.shape, ...x.shape],
      x,
    ),
  );
}

/** A column is the derivative of ⟨Jᵀu, v⟩ by u for a unit vector v, so it is the row of the linear map u ↦ Jᵀu at one element of v. */
function byColumns({ inputs, output, createGraph, pullBack }: Evaluation): Tensor[] {
  const u = zerosLike(output);
  const products = pullBack(u, true);
  return inputs.map((x, k) => {
    const columns = Array.from({ length: x.size }, (_, j) => cotangentsOf(products[k]!, [u], unitVector(x, j), createGraph)[0]);
    const matrix = stacked(
      columns.map((column) => column ?? zerosLike(output)),
      output.rank,
      [...output.shape, ...x.shape],
      output,
    );
    return matrix.dtype === x.dtype ? matrix : cast(matrix, x.dtype);
  });
}

/** The parts side by side along a new axis, in the given shape. There may be none, and then the shape has no elements. */
export const stacked = (parts: readonly Tensor[], axis: number, shape: Shape, { dtype }: Tensor): Tensor =>
  parts.length === 0 ? zeros(shape, { dtype }) : reshape(stack(parts, axis), shape);
