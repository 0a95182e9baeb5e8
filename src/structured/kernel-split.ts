/** A dense kernel split into a depthwise window and a pointwise matrix. */

import { frobenius, type Matrix, matrix } from "../linalg/matrix.ts";
import { svd } from "../linalg/svd.ts";
import type { TensorArray } from "../linalg/tensor-array.ts";

/** K[o,i,u,v] ≈ P[o,i]·d[i,u,v]. */
export interface SeparableKernel {
  /** P:[O,I]. */
  readonly pointwise: Matrix;
  /** d:[I,k²], of norm 1 for each input channel. */
  readonly window: Matrix;
}

/**
 * The nearest pair of a depthwise window and a pointwise matrix. It is the best approximation of rank one of each input channel's slice
 * K[:,i,:,:]:[O,k²], the first triple of the slice's SVD. As ‖d_i‖ = 1, an error in P is an error of the same norm in K.
 * kernel:[O,I,k,k].
 */
export function splitKernel(kernel: TensorArray): SeparableKernel {
  const [outputs, inputs, height, width] = kernel.shape as [number, number, number, number];
  const area = height * width;
  const pointwise = matrix(outputs, inputs);
  const window = matrix(inputs, area);
  for (let i = 0; i < inputs; i++) {
    const { u, s, v } = svd(sliceOf(kernel, i));
    for (let t = 0; t < area; t++) window.data[i * area + t] = v.data[t * v.columns]!;
    for (let o = 0; o < outputs; o++) pointwise.data[o * inputs + i] = s[0]! * u.data[o * u.columns]!;
  }
  return { pointwise, window };
}

/** The slice K[:,i,:,:]:[O,k²]. */
function sliceOf(kernel: TensorArray, i: number): Matrix {
  const [outputs, inputs] = kernel.shape as [number, number];
  const area = kernel.data.length / (outputs * inputs);
  const slice = matrix(outputs, area);
  for (let o = 0; o < outputs; o++) slice.data.set(kernel.data.subarray((o * inputs + i) * area, (o * inputs + i + 1) * area), o * area);
  return slice;
}

/**
 * The least error ‖K − Σ_t P_t·d_t‖ of `windows` windows with dense maps: the singular values of the slices that a sum of so many windows
 * leaves out.   kernel:[O,I,k,k].
 */
export function separableRest(kernel: TensorArray, windows: number): number {
  const lost = Array.from({ length: kernel.shape[1]! }, (_, i) => frobenius(svd(sliceOf(kernel, i)).s.subarray(windows)));
  return frobenius(lost);
}

/** The best P for a given window d, P[o,i] = Σ_t K[o,i,t]·d[i,t]/‖d_i‖², and the rest K − P·d.   kernel:[O,I,k,k], window:[I,k²]. */
export function projectOnWindow(kernel: TensorArray, window: ArrayLike<number>): { pointwise: Matrix; rest: Float64Array } {
  const [outputs, inputs] = kernel.shape as [number, number];
  const area = kernel.data.length / (outputs * inputs);
  const pointwise = matrix(outputs, inputs);
  const rest = kernel.data.slice();
  for (let i = 0; i < inputs; i++) {
    let square = 0;
    for (let t = 0; t < area; t++) square += window[i * area + t]! ** 2;
    // No output reads such a channel. Its window may have any shape, and its weights in P are 0.
    if (square === 0) continue;
    for (let o = 0; o < outputs; o++) {
      const from = (o * inputs + i) * area;
      let dot = 0;
      for (let t = 0; t < area; t++) dot += kernel.data[from + t]! * window[i * area + t]!;
      pointwise.data[o * inputs + i] = dot / square;
      for (let t = 0; t < area; t++) rest[from + t]! -= (dot / square) * window[i * area + t]!;
    }
  }
  return { pointwise, rest };
}
