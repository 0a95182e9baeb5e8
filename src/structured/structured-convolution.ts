/** The contract of all convolutions of families. `compress`, `count` and Frobenius decay use it for every class of convolution. */

import { type Shape, sizeOf } from "../core/shape.ts";
import { frobenius } from "../linalg/matrix.ts";
import type { TensorArray } from "../linalg/tensor-array.ts";
import { Layer } from "../nn/module.ts";
import type { Parameter } from "../nn/state.ts";
import { detach, noGrad } from "../tape/tape.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { StructuredLinear } from "./structured-linear.ts";

/**
 * The distance of a convolution from a kernel K. All norms are relative to ‖K‖. The two parts are orthogonal: relative² = separable² +
 * structured².
 */
export interface ApproximationError {
  readonly relative: number;
  /** The part from writing K[o,i,u,v] as P[o,i]·d[i,u,v]. It is 0 for a kernel that is not split. */
  readonly separable: number;
  /** The part from giving a structure to P, or to the kernel that is not split. */
  readonly structured: number;
}

/** A k×k convolution that stands for a dense kernel K:[O,I/groups,k,k]. */
export abstract class StructuredConvolution extends Layer {
  /** The name in the tables of `count`. */
  abstract readonly name: string;

  /** The bias b:[O]; undefined for a convolution without one. */
  abstract readonly bias: Parameter | undefined;

  /** K:[O,I/groups,k,k], differentiable. */
  abstract toDenseKernel(): Tensor;

  /** The multiply-adds that the paper's code counts for one sample x:[1,I,H,W] → y:[1,O,H′,W′] (docs/faithfulness.md). */
  abstract paperMultiplyAdds(input: Shape, output: Shape): number;

  /** The reason why `approximateKernel` is impossible, and what is possible instead; undefined where it is possible. */
  abstract approximationRefusal(kind: string): string | undefined;

  /** Overwrites the parameters, except the bias, so that the convolution is near to the kernel K:[O,I/groups,k,k]. */
  abstract approximateKernel(kernel: TensorArray): Promise<ApproximationError>;

  /** The structured maps inside. Default: none. */
  maps(): readonly StructuredLinear[] {
    return [];
  }

  /** The matrix or kernel that Frobenius decay shrinks; undefined where ordinary weight decay does. */
  abstract decayedWeight(): Tensor | undefined;
}

/** The number of pixels of an image [N,C,H,W] with N = 1. */
export const pixelsOf = (shape: Shape): number => sizeOf(shape.slice(2));

/** The numbers of a tensor that `compute` makes, in float64. */
export async function readValues(compute: () => Tensor): Promise<Float64Array> {
  // A window without structure is its own parameter. It is detached because it must outlive the reading.
  const value = scope(() => noGrad(() => detach(compute())));
  const data = Float64Array.from(await value.data());
  value.dispose();
  return data;
}

/** a − b, number by number. */
export const difference = (a: ArrayLike<number>, b: ArrayLike<number>): Float64Array => Float64Array.from(a, (value, i) => value - b[i]!);

/** The error of a convolution that approximates its kernel as a whole, measured on the numbers as they are stored. */
export async function wholeKernelError(kernel: TensorArray, toDenseKernel: () => Tensor): Promise<ApproximationError> {
  const lost = frobenius(difference(kernel.data, await readValues(toDenseKernel)));
  const relative = lost / (frobenius(kernel.data) || 1);
  return { relative, separable: 0, structured: relative };
}

/** The message for families whose maps have no `fromDense`. */
export const noApproximation = (kind: string): string =>
  `${kind}: no best approximation of a given matrix is known for it; ` +
  "use TensorTrain_0.5, Generic_0.25, Monarch_4 or Kronecker_8, or train it from scratch";
