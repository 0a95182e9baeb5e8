/**
 * `jvp`: the product of the Jacobian with a tangent, which is what forward mode computes. Here two walks backwards compute it, so no op
 * needs a second rule (docs/derivations/forward-mode.md).
 */

import type { Tensor } from "../tensor/tensor.ts";
import {
  checkDerivativeOptions,
  type DerivativeOptions,
  differentiate,
  type FunctionOf,
  type Inputs,
  innerProduct,
  onesLike,
  type PerInput,
  vectorsLike,
  zerosLike,
} from "./derivative.ts";
import { cotangentsOf } from "./gradients.ts";

/**
 * f(x) and the Jacobian–vector product Jv, with the Jacobian J = ∂f/∂x and a vector v in the space of the inputs: the derivative of f along
 * v. As in `torch.autograd.functional.jvp`, double backward computes it: Jᵀu is linear in u, so Jv = ∂⟨Jᵀu, v⟩/∂u for any u. This is exact.
 * It costs f and about two walks backwards, where forward rules would cost f and one, and it holds the graphs of f and of one walk.
 * x:[n…], v:[n…] → f(x):[m…], Jv:[m…]. For a list of inputs, v is a list with one tensor for each, and Jv = Σᵢ ∂f/∂xᵢ·vᵢ.
 * @throws ShapeError for a v unlike the inputs or inputs that are not floating, GradientError for an input that the result does not depend
 * on.
 */
export function jvp<const I extends Inputs>(
  f: FunctionOf<I>,
  inputs: I,
  v: PerInput<I>,
  options: DerivativeOptions = {},
): [output: Tensor, product: Tensor] {
  checkDerivativeOptions("jvp", options);
  const [output, product] = differentiate("jvp", f, inputs, options, ({ inputs: xs, output, createGraph, pullBack }) => {
    const vs = vectorsLike("jvp", v as Inputs, xs);
    const u = zerosLike(output);
    const projection = innerProduct(pullBack(u, true), vs, output);
    const [product = zerosLike(output)] = cotangentsOf(projection, [u], onesLike(projection), createGraph);
    return [output, product];
  });
  return [output!, product!];
}
