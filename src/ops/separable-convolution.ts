/**
 * The separable convolution y = P·(w ∗ x) in two forms. `separableConv2dComposed` is two convolutions: it is easy to read, and it can be
 * differentiated any number of times. `separableConv2d` is one kernel forward and one kernel backward, and it stores nothing of the size of
 * w ∗ x. The tests compare the two forms (docs/derivations/separable.md).
 */

import { kernels } from "../backend/active.ts";
import { checkOptions } from "../core/options.ts";
import { mapGeometry, type SeparableGeometry, separableGeometry, type WindowOptions, windowOptions } from "../core/separable-geometry.ts";
import type { Shape } from "../core/shape.ts";
import { isRecording, record } from "../tape/tape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { convolutionOps as convolution } from "./convolution.ts";
import { applyEpilogue, checkEpilogue } from "./epilogue.ts";
import { checkFloating, output } from "./output.ts";
import { reshape } from "./reshape.ts";

/** P:[O,C] as the weight of a 1×1 convolution. */
const pointwise = (map: Tensor): Tensor => reshape(map, [...map.shape, 1, 1]);

/** w:[C,1,Kh,Kw] as the weight of a depthwise convolution. Without channels, a group has none: the weight is [0,0,Kh,Kw]. */
const windowWeight = (w: Tensor): Tensor => (w.shape[0] === 0 ? reshape(w, [0, 0, ...w.shape.slice(2)]) : w);

/**
 * `separableConv2d` as two convolutions: the same value and the same gradients, at a higher cost in time and memory.
 * @throws ShapeError as `separableConv2d` does.
 */
export function separableConv2dComposed(x: Tensor, w: Tensor, map: Tensor, options: WindowOptions = {}, addend?: Tensor): Tensor {
  const geometry = checkedGeometry("separableConv2d", x, w, map, options);
  const y = convolution.forward(convolution.forward(x, windowWeight(w), geometry.window), pointwise(map), mapGeometry(geometry));
  checkEpilogue("separableConv2d", y, { addend });
  return applyEpilogue(y, { addend });
}

/**
 * y[n,o,i,j] = Σ_c P[o,c]·(w ∗ x)[n,c,i,j] + addend[n,o,i,j], where w ∗ x is the depthwise convolution of x with w. Default: nothing is
 * added. x:[N,C,H,W], w:[C,1,Kh,Kw], P:[O,C], addend:[N,O,H′,W′] → y:[N,O,H′,W′], in N·H′·W′·C·(Kh·Kw + O) multiply-adds. VJP, with
 * D = w ∗ x and D̄ = Pᵀ·ȳ: P̄ = Σ ȳ·Dᵀ, and x̄ and w̄ are those of the depthwise convolution for the cotangent D̄. D is computed again for
 * P̄. The cotangent of the addend is ȳ.
 * @throws ShapeError for shapes, options or dtypes that do not fit together.
 */
export function separableConv2d(x: Tensor, w: Tensor, map: Tensor, options: WindowOptions = {}, addend?: Tensor): Tensor {
  const geometry = checkedGeometry("separableConv2d", x, w, map, options);
  const shape = checkedShape("separableConv2d", x, geometry, addend);
  const y = kernels().separableConv2d(x.storage, w.storage, map.storage, geometry, addend?.storage);

  /** The VJP as one kernel. Its results have no origin, so it serves only where nothing is recorded. */
  const fusedGradient = (g: Tensor): Tensor[] => {
    const gradient = kernels().separableConv2dGradient(x.storage, w.storage, map.storage, g.storage, geometry);
    return [output(x.shape, gradient.x), output(w.shape, gradient.w), output(map.shape, gradient.map)];
  };

  return record("separableConv2d", {
    inputs: [x, w, map, ...(addend === undefined ? [] : [addend])],
    value: output(shape, y),
    vjp: (g) => {
      const ofOperands = isRecording() ? separableGradientComposed(x, w, map, g, geometry) : fusedGradient(g);
      return addend === undefined ? ofOperands : [...ofOperands, g];
    },
  });
}

/** The VJP composed of ops, for gradients of gradients: the cotangents of x, w and P. */
export function separableGradientComposed(x: Tensor, w: Tensor, map: Tensor, g: Tensor, geometry: SeparableGeometry): Tensor[] {
  const { window } = geometry;
  const pixels = mapGeometry(geometry);
  const windowedGradient = convolution.inputGradient(g, pointwise(map), pixels);
  const weight = windowWeight(w);
  const mapGradient = convolution.weightGradient(convolution.forward(x, weight, window), g, pixels);
  return [
    convolution.inputGradient(windowedGradient, weight, window),
    reshape(convolution.weightGradient(x, windowedGradient, window), w.shape),
    reshape(mapGradient, map.shape),
  ];
}

/** The shape of y. @throws ShapeError for an addend of another shape or dtype. */
export function checkedShape(op: string, x: Tensor, { window, outChannels }: SeparableGeometry, addend: Tensor | undefined): Shape {
  const shape = [window.batch, outChannels, window.outHeight, window.outWidth];
  if (addend !== undefined) checkEpilogue(op, { shape, dtype: x.dtype }, { addend });
  return shape;
}

/** @throws ShapeError for shapes, options or dtypes that do not fit together. */
export function checkedGeometry(op: string, x: Tensor, w: Tensor, map: Tensor, options: WindowOptions): SeparableGeometry {
  checkOptions(op, options, windowOptions);
  checkFloating(op, x, w, map);
  return separableGeometry(op, x.shape, w.shape, map.shape, options);
}
