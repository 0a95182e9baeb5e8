/** The contraction that structured layers are made of: it applies one matrix, or one matrix per group, to the channels of every column. */

import { conv2d } from "../ops/convolution.ts";
import { permute } from "../ops/layout.ts";
import { reshape } from "../ops/reshape.ts";
import type { Tensor } from "../tensor/tensor.ts";

/**
 * y[n,o,p] = Σ_c w[o,c]·x[n,c,p], a 1×1 convolution. With `groups` blocks the matrix is block-diagonal: output block g reads input block g
 * alone. x:[N,C,P], w:[O,C/groups] (or [O,C/groups,1,1]) → y:[N,O,P].   N·O·(C/groups)·P multiply-adds. @throws ShapeError
 */
export function mixChannels(x: Tensor, w: Tensor, groups = 1): Tensor {
  const [batch, channels, columns] = x.shape as [number, number, number];
  const y = conv2d(reshape(x, [batch, channels, columns, 1]), reshape(w, [w.shape[0]!, w.shape[1]!, 1, 1]), { groups });
  return reshape(y, [batch, w.shape[0]!, columns]);
}

/**
 * The channels seen as a matrix [before, after], transposed: channel i·after + j moves to j·before + i.   x:[N,before·after,P] → the same
 * shape.
 */
export function transposeChannels(x: Tensor, before: number, after: number): Tensor {
  const [batch, channels, columns] = x.shape as [number, number, number];
  return reshape(permute(reshape(x, [batch, before, after, columns]), [0, 2, 1, 3]), [batch, channels, columns]);
}
