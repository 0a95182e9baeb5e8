/**
 * Two-dimensional convolution and its two gradients: a closed family. The output is bilinear in (x, w), so each of the three ops is
 * the transpose of the others and their VJPs never leave the family; gradients of gradients cost nothing extra to write.
 */

import { kernels } from "../backend/active.ts";
import { type ConvolutionGeometry, type ConvolutionOptions, convolutionGeometry } from "../core/convolution-geometry.ts";
import { differentiable } from "../tape/tape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkFloating, output } from "./output.ts";

const inputShape = (g: ConvolutionGeometry): number[] => [g.batch, g.inChannels, g.height, g.width];
const weightShape = (g: ConvolutionGeometry): number[] => [g.outChannels, g.inChannels / g.groups, g.kernelHeight, g.kernelWidth];
const outputShape = (g: ConvolutionGeometry): number[] => [g.batch, g.outChannels, g.outHeight, g.outWidth];

type Bilinear = (first: Tensor, second: Tensor, geometry: ConvolutionGeometry) => Tensor;

const forward: Bilinear = differentiable("conv2d", (x: Tensor, w: Tensor, geometry: ConvolutionGeometry) => ({
  inputs: [x, w],
  value: output(outputShape(geometry), kernels().conv2d(x.storage, w.storage, geometry)),
  vjp: [(g) => inputGradient(g, w, geometry), (g) => weightGradient(x, g, geometry)],
}));

/** x̄ from ȳ and w: ȳ spread back through the taps. */
const inputGradient: Bilinear = differentiable("conv2dInputGradient", (g: Tensor, w: Tensor, geometry: ConvolutionGeometry) => ({
  inputs: [g, w],
  value: output(inputShape(geometry), kernels().conv2dInputGradient(g.storage, w.storage, geometry)),
  vjp: [(h) => forward(h, w, geometry), (h) => weightGradient(h, g, geometry)],
}));

/** w̄ from x and ȳ: how often each tap met each pair of values. */
const weightGradient: Bilinear = differentiable("conv2dWeightGradient", (x: Tensor, g: Tensor, geometry: ConvolutionGeometry) => ({
  inputs: [x, g],
  value: output(weightShape(geometry), kernels().conv2dWeightGradient(x.storage, g.storage, geometry)),
  vjp: [(h) => inputGradient(g, h, geometry), (h) => forward(x, h, geometry)],
}));

/**
 * y[n,o,i,j] = Σ_{c,u,v} w[o,c,u,v]·x[n, c, i·stride + u·dilation − padding, j·stride + v·dilation − padding], x being 0 outside (cross-correlation,
 * as PyTorch's conv2d); channels split into `groups` that do not meet.   x:[N,C,H,W], w:[O,C/groups,Kh,Kw] → y:[N,O,H′,W′].
 * N·O·H′·W′·(C/groups)·Kh·Kw multiply-adds. @throws ShapeError
 */
export function conv2d(x: Tensor, w: Tensor, options: ConvolutionOptions = {}): Tensor {
  checkFloating("conv2d", x, w);
  return forward(x, w, convolutionGeometry("conv2d", x.shape, w.shape, options));
}
