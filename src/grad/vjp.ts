/** `vjp`: the product of a cotangent with the Jacobian. It is one walk backwards, as `gradients` makes it. */

import type { Tensor } from "../tensor/tensor.ts";
import {
  checkDerivativeOptions,
  checkVector,
  type DerivativeOptions,
  differentiate,
  type FunctionOf,
  type Inputs,
  likeInputs,
  type PerInput,
} from "./derivative.ts";

/**
 * f(x) and the vector–Jacobian product Jᵀv, with the Jacobian J = ∂f/∂x and a vector v in the space of the result, as
 * `torch.autograd.functional.vjp` gives them. The cost is that of f and of one walk backwards.   x:[n…], v:[m…] → f(x):[m…], Jᵀv:[n…].
 * For a list of inputs, f gets them as its arguments, and the product is a list with one tensor for each.
 * @throws ShapeError for a v unlike the result of f or inputs that are not floating, GradientError for an input that the result does not
 * depend on.
 */
export function vjp<const I extends Inputs>(
  f: FunctionOf<I>,
  inputs: I,
  v: Tensor,
  options: DerivativeOptions = {},
): [output: Tensor, product: PerInput<I>] {
  checkDerivativeOptions("vjp", options);
  const [output, ...products] = differentiate("vjp", f, inputs, options, ({ output, createGraph, pullBack }) => {
    checkVector("vjp", v, output, "the result of f");
    return [output, ...pullBack(v, createGraph)];
  });
  return [output!, likeInputs(inputs, products)];
}
