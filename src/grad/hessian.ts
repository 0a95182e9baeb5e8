/** `hessian` and `hvp`: the second derivatives of a function of one number, as a matrix, and its product with a vector. */

import type { Tensor } from "../tensor/tensor.ts";
import {
  checkDerivativeOptions,
  checkScalar,
  type DerivativeOptions,
  differentiate,
  type FunctionOf,
  type Inputs,
  innerProduct,
  likeInputs,
  listOf,
  onesLike,
  type PerInput,
  unitVector,
  vectorsLike,
  zerosLike,
} from "./derivative.ts";
import { cotangentsOf } from "./gradients.ts";
import { stacked } from "./jacobian.ts";

/**
 * The Hessian H[i…, j…] = ∂²f/∂x[i…]∂x[j…] of an f that returns one element, as `torch.autograd.functional.hessian` gives it.
 * x:[n…] → H:[n…,n…]. Its rows are the derivatives of the gradient, so it costs f, one walk backwards, and one walk through both graphs for
 * each of the n elements. H is symmetric up to rounding where the second derivatives are continuous. Nothing here makes it symmetric, so
 * that a wrong VJP shows. For a list of inputs, the result is a list of lists: H[a][b] = ∂²f/∂x_a∂x_b.
 * @throws GradientError for an f of more elements or one that does not depend on an input, ShapeError for inputs that are not floating.
 */
export function hessian<const I extends Inputs>(f: FunctionOf<I>, inputs: I, options: DerivativeOptions = {}): PerInput<I, PerInput<I>> {
  checkDerivativeOptions("hessian", options);
  const results = differentiate("hessian", f, inputs, options, ({ inputs: xs, output, createGraph, pullBack }) => {
    checkScalar("hessian", output);
    return pullBack(onesLike(output), true).flatMap((gradient) => {
      const rows = Array.from({ length: gradient.size }, (_, i) => cotangentsOf(gradient, xs, unitVector(gradient, i), createGraph));
      return xs.map((x, b) =>
        stacked(
          rows.map((row) => row[b] ?? zerosLike(x)),
          0,
          [...gradient.shape, ...x.shape],
          x,
        ),
      );
    });
  });
  const count = listOf(inputs).length;
  const rows = Array.from({ length: count }, (_, a) => likeInputs(inputs, results.slice(a * count, (a + 1) * count)));
  return likeInputs(inputs, rows);
}

/**
 * f(x) and the Hessian–vector product Hv of an f that returns one element, without the matrix H: Hv = ∂⟨∂f/∂x, v⟩/∂x (Pearlmutter 1994).
 * The cost is that of f, one walk backwards, and one walk through both graphs, for any number of elements. The formula gives Hᵀv, which is
 * Hv where the second derivatives are continuous.   x:[n…], v:[n…] → f(x), Hv:[n…]. For a list of inputs, v and Hv are lists.
 * @throws GradientError for an f of more elements or one that does not depend on an input, ShapeError for a v unlike the inputs or inputs
 * that are not floating.
 */
export function hvp<const I extends Inputs>(
  f: FunctionOf<I>,
  inputs: I,
  v: PerInput<I>,
  options: DerivativeOptions = {},
): [output: Tensor, product: PerInput<I>] {
  checkDerivativeOptions("hvp", options);
  const [output, ...products] = differentiate("hvp", f, inputs, options, ({ inputs: xs, output, createGraph, pullBack }) => {
    checkScalar("hvp", output);
    const vs = vectorsLike("hvp", v as Inputs, xs);
    const slope = innerProduct(pullBack(onesLike(output), true), vs, output);
    return [output, ...cotangentsOf(slope, xs, onesLike(slope), createGraph).map((g, i) => g ?? zerosLike(xs[i]!))];
  });
  return [output!, likeInputs(inputs, products)];
}
