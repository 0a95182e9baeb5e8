/** The nearest orthogonal matrix, approximately and in few products. */

import { ShapeError } from "../core/errors.ts";
import { formatShape } from "../core/shape.ts";
import { add, divide, multiply, sqrt } from "../ops/elementwise.ts";
import { matmul } from "../ops/matmul.ts";
import { sum } from "../ops/sum-and-broadcast.ts";
import type { Tensor } from "../tensor/tensor.ts";

/**
 * The quintic q(σ) = a·σ + b·σ³ + c·σ⁵, chosen so that few repetitions bring every σ in (0, 1] into about [0.7, 1.2]. It does not converge to
 * 1, which Muon does not need (Jordan 2024, "Muon: an optimizer for hidden layers in neural networks").
 */
const [a, b, c] = [3.4445, -4.775, 2.0315] as const;

/** ‖x‖ = √Σx².   → []. */
export const frobeniusNorm = (x: Tensor): Tensor => sqrt(sum(multiply(x, x)));

/** ‖X‖ of each matrix in a stack.   x:[…,m,n] → […,1,1]. A single matrix has its norm as one number. */
const normOf = (x: Tensor): Tensor => (x.rank === 2 ? frobeniusNorm(x) : sqrt(sum(multiply(x, x), { axes: [-2, -1], keepDims: true })));

/**
 * U·q(…q(Σ))·Vᵀ for G/‖G‖ = U·Σ·Vᵀ, by `steps` Newton–Schulz iterations X ← a·X + (b·A + c·A²)·X with A = X·Xᵀ. All singular values become
 * about 1, so the result is near U·Vᵀ, the nearest orthogonal matrix (Bernstein & Newhouse 2024, arXiv 2409.20325).
 * G:[…,m,n] → […,m,n], each matrix by itself.   (2·m²·n + m³)·steps multiply-adds a matrix for m ≤ n.
 * @throws ShapeError for a vector or a number.
 */
export function orthogonalise(g: Tensor, steps: number): Tensor {
  if (g.rank < 2) throw new ShapeError(`orthogonalise: needs matrices, got ${formatShape(g.shape)}`);
  const [rows, columns] = g.shape.slice(-2) as [number, number];
  // The products of the shorter side are the smaller ones.
  const wide = rows <= columns;
  let x = divide(g, add(normOf(g), 1e-7));
  for (let step = 0; step < steps; step++) {
    const gram = wide ? matmul(x, x, { transposeB: true }) : matmul(x, x, { transposeA: true });
    const polynomial = add(multiply(gram, b), multiply(matmul(gram, gram), c));
    x = add(multiply(x, a), wide ? matmul(polynomial, x) : matmul(x, polynomial));
  }
  return x;
}
