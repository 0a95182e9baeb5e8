/**
 * Two-dimensional convolution and its two gradients. The convolution is linear in x and linear in w, and so are its gradients in their
 * operands. So the VJP of each of the three ops is one of the three ops again, and gradients of any order need no further op
 * (docs/derivations/convolution.md).
 */

import { kernels } from "../backend/active.ts";
import {
  type ConvolutionGeometry,
  type ConvolutionOptions,
  convolutionGeometry,
  convolutionOptions,
} from "../core/convolution-geometry.ts";
import { checkOptions } from "../core/options.ts";
import { type TransposedConvolutionOptions, transposedConvolutionOptions, transposedGeometry } from "../core/transposed-geometry.ts";
import { differentiable } from "../tape/tape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkFloating, output } from "./output.ts";

const inputShape = (g: ConvolutionGeometry): number[] => [g.batch, g.inChannels, g.height, g.width];
const weightShape = (g: ConvolutionGeometry): number[] => [g.outChannels, g.inChannels / g.groups, g.kernelHeight, g.kernelWidth];
const outputShape = (g: ConvolutionGeometry): number[] => [g.batch, g.outChannels, g.outHeight, g.outWidth];

/** An op that is linear in each of its two operands. */
type Bilinear = (first: Tensor, second: Tensor, geometry: ConvolutionGeometry) => Tensor;

/** y from x and w: the convolution itself. */
const forward: Bilinear = differentiable("conv2d", (x: Tensor, w: Tensor, geometry: ConvolutionGeometry) => ({
  inputs: [x, w],
  value: output(outputShape(geometry), kernels().conv2d(x.storage, w.storage, geometry)),
  vjp: [(g) => inputGradient(g, w, geometry), (g) => weightGradient(x, g, geometry)],
}));

/** x̄ from ȳ and w: each tap carries ȳ back to the pixel that it read. */
const inputGradient: Bilinear = differentiable("conv2dInputGradient", (g: Tensor, w: Tensor, geometry: ConvolutionGeometry) => ({
  inputs: [g, w],
  value: output(inputShape(geometry), kernels().conv2dInputGradient(g.storage, w.storage, geometry)),
  vjp: [(h) => forward(h, w, geometry), (h) => weightGradient(h, g, geometry)],
}));

/** w̄ from x and ȳ: for each tap, the sum of x·ȳ over all positions of the window. */
const weightGradient: Bilinear = differentiable("conv2dWeightGradient", (x: Tensor, g: Tensor, geometry: ConvolutionGeometry) => ({
  inputs: [x, g],
  value: output(weightShape(geometry), kernels().conv2dWeightGradient(x.storage, g.storage, geometry)),
  vjp: [(h) => inputGradient(g, h, geometry), (h) => forward(x, h, geometry)],
}));

/** The three ops for callers that have checked the geometry. */
export const convolutionOps = { forward, inputGradient, weightGradient } as const;

/**
 * y[n,o,i,j] = Σ_{c,u,v} w[o,c,u,v]·x[n, c, i·stride + u·dilation − top, j·stride + v·dilation − left], where x is 0 outside the
 * image. This is a cross-correlation, as PyTorch's conv2d is. With `groups`, an output channel sees only the input channels of its own
 * group. x:[N,C,H,W], w:[O,C/groups,Kh,Kw] → y:[N,O,H′,W′], in N·O·H′·W′·(C/groups)·Kh·Kw multiply-adds.
 * @throws ShapeError for shapes, options or dtypes that do not fit together.
 */
export function conv2d(x: Tensor, w: Tensor, options: ConvolutionOptions = {}): Tensor {
  checkOptions("conv2d", options, convolutionOptions);
  checkFloating("conv2d", x, w);
  return forward(x, w, convolutionGeometry("conv2d", x.shape, w.shape, options));
}

/**
 * The transpose of a convolution: y[n,o,i·stride + u·dilation − top, j·stride + v·dilation − left] = Σ_{c,i,j,u,v} x[n,c,i,j]·w[c,o,u,v],
 * summed over all that meet in one pixel of y. It is the input gradient of conv2d with the same weight and options (arXiv 1603.07285, §4),
 * so it is PyTorch's conv_transpose2d. x:[N,C,H,W], w:[C,O/groups,Kh,Kw] → y:[N,O,H′,W′] with
 * H′ = (H−1)·stride − top − bottom + dilation·(Kh−1) + outputPadding + 1, in N·C·H·W·(O/groups)·Kh·Kw multiply-adds.
 * @throws ShapeError for shapes, options or dtypes that do not fit together.
 */
export function convTranspose2d(x: Tensor, w: Tensor, options: TransposedConvolutionOptions = {}): Tensor {
  checkOptions("convTranspose2d", options, transposedConvolutionOptions);
  checkFloating("convTranspose2d", x, w);
  return inputGradient(x, w, transposedGeometry("convTranspose2d", x.shape, w.shape, options));
}
