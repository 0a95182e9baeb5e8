/**
 * Products of batched matrices. A transpose costs nothing: it is a flag, and the kernel reads its operand with the strides exchanged
 * (docs/derivations/matmul.md).
 */

import { kernels } from "../backend/active.ts";
import { ShapeError } from "../core/errors.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { broadcastShapes, formatShape, type Shape, sizeOf } from "../core/shape.ts";
import { differentiable, jointly } from "../tape/tape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkFloating, output } from "./output.ts";
import { reshape } from "./reshape.ts";
import { broadcastTo, sumTo } from "./sum-and-broadcast.ts";

/** The options of `matmul`. */
export interface MatmulOptions {
  /** Whether A is stored as [k,m] instead of [m,k]. Default: false. */
  readonly transposeA?: boolean;
  /** Whether B is stored as [n,k] instead of [k,n]. Default: false. */
  readonly transposeB?: boolean;
}

/** The names of `MatmulOptions`. */
export const matmulOptions: OptionNames = optionNames<MatmulOptions>({ transposeA: true, transposeB: true });

/** The products of two stacks of matrices, both of rank 3. A stack of one matrix serves the whole batch of the other operand. */
const product: (a: Tensor, b: Tensor, ta: boolean, tb: boolean) => Tensor = differentiable(
  "matmul",
  (a: Tensor, b: Tensor, ta: boolean, tb: boolean) => {
    const [m, k] = matrixOf(a.shape, ta);
    const [, n] = matrixOf(b.shape, tb);
    const batch = a.shape[0] === 1 ? b.shape[0]! : a.shape[0]!;
    const strideOf = (x: Tensor): number => (x.shape[0] === 1 ? 0 : x.shape[1]! * x.shape[2]!);
    const geometry = { batch, m, k, n, transposeA: ta, transposeB: tb, batchStrideA: strideOf(a), batchStrideB: strideOf(b) };
    const { matmulGradient } = kernels();
    return {
      inputs: [a, b],
      value: output([batch, m, n], kernels().matmul(a.storage, b.storage, geometry)),
      vjp: jointly(
        matmulGradient &&
          ((g) => {
            const both = matmulGradient(a.storage, b.storage, g.storage, geometry);
            return both && [output(a.shape, both.a), output(b.shape, both.b)];
          }),
        [
          (g) => sumTo(ta ? product(b, g, tb, true) : product(g, b, false, !tb), a.shape),
          (g) => sumTo(tb ? product(g, a, true, ta) : product(a, g, !ta, false), b.shape),
        ],
      ),
    };
  },
);

/** The numbers of rows and columns of a matrix after its transpose, if it is transposed. */
const matrixOf = (shape: Shape, transposed: boolean): [number, number] =>
  transposed ? [shape.at(-1)!, shape.at(-2)!] : [shape.at(-2)!, shape.at(-1)!];

/**
 * C = A·B over the last two axes. The axes before them broadcast.   A:[…,m,k], B:[…,k,n] → C:[…,m,n].   VJP: Ā = C̄·Bᵀ, B̄ = Aᵀ·C̄.
 * Each matrix of the batch takes m·k·n multiply-adds.
 * @throws ShapeError for operands of rank 0 or 1, for inner sizes that differ, or for dtypes that differ.
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  checkOptions("matmul", options, matmulOptions);
  const { transposeA = false, transposeB = false } = options;
  checkFloating("matmul", a, b);
  if (a.rank < 2 || b.rank < 2)
    throw new ShapeError(
      `matmul: operands need two axes or more, got A:${formatShape(a.shape)} · B:${formatShape(b.shape)}; ` +
        "reshape vectors to [n,1] or [1,n]",
    );
  const [m, inner] = matrixOf(a.shape, transposeA);
  const [innerB, n] = matrixOf(b.shape, transposeB);
  if (inner !== innerB) {
    const marks = `${transposeA ? "ᵀ" : ""} · B:${formatShape(b.shape)}${transposeB ? "ᵀ" : ""}`;
    throw new ShapeError(`matmul: inner sizes must agree, got A:${formatShape(a.shape)}${marks}`);
  }
  const batch = broadcastShapes("matmul", a.shape.slice(0, -2), b.shape.slice(0, -2));
  const [batchA, batchB] = [sizeOf(a.shape.slice(0, -2)), sizeOf(b.shape.slice(0, -2))];
  // If one matrix B serves the whole batch of A, the matrices of A stack up to one tall matrix. One large product is faster than many small
  // ones.
  if (batchB === 1 && batchA !== 1 && !transposeA) {
    const tall = product(reshape(a, [1, batchA * m, inner]), reshape(b, [1, ...b.shape.slice(-2)]), false, transposeB);
    return reshape(tall, [...batch, m, n]);
  }
  // The kernel repeats a single matrix by a batch stride of 0. Any other broadcast is copied out first.
  const full = sizeOf(batch);
  const stacked = (x: Tensor, own: number): Tensor => {
    const matrix = x.shape.slice(-2);
    return own === full || own === 1 ? reshape(x, [own, ...matrix]) : reshape(broadcastTo(x, [...batch, ...matrix]), [full, ...matrix]);
  };
  return reshape(product(stacked(a, batchA), stacked(b, batchB), transposeA, transposeB), [...batch, m, n]);
}
