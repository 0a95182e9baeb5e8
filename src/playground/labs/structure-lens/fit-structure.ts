/** A matrix or the kernel of a convolution under one structure, and both as layers whose time can be measured. */

import { Random } from "../../../core/random.ts";
import { sizeOf } from "../../../core/shape.ts";
import { type Matrix, matrix, relativeDistance } from "../../../linalg/matrix.ts";
import type { TensorArray } from "../../../linalg/tensor-array.ts";
import type { Layer } from "../../../nn/module.ts";
import { conv2d } from "../../../ops/convolution.ts";
import { normal, tensor } from "../../../ops/creation.ts";
import { parseConvolution } from "../../../structured/convolution-text.ts";
import { createLinear } from "../../../structured/create-convolution.ts";
import { projectOnWindow } from "../../../structured/kernel-split.ts";
import { mixChannels } from "../../../structured/mix-channels.ts";
import { SeparableConvolution } from "../../../structured/separable.ts";
import { readValues } from "../../../structured/structured-convolution.ts";
import type { PathChoice, StructuredLinear } from "../../../structured/structured-linear.ts";
import type { Tensor } from "../../../tensor/tensor.ts";

export interface Fitted {
  /** The structured map, which stands for W̃:[out,in]. `apply` takes the way of its mode. */
  readonly map: StructuredLinear;
  /** The map, with the window before it where there is one. */
  readonly layer: Layer;
  /** W:[out,in], to which the map was fitted. */
  readonly w: Matrix;
  /** The distance of the layer from the target, relative to the target's norm. */
  readonly error: number;
  /** The part of the distance that remains if W is kept whole; undefined where there is no window. */
  readonly windowError: number | undefined;
  /** The multiply-adds of the window for each column. */
  readonly windowCost: number;
  /** The path that `auto` takes. */
  choose(columns: number): PathChoice;
  /** Random numbers for so many columns. For a convolution they are an image with as many pixels. */
  input(columns: number): Tensor;
  apply(x: Tensor): Tensor;
  /** What the target itself computes, without structure. */
  applyTarget(x: Tensor): Tensor;
  dispose(): void;
}

const build = () => ({ random: new Random(0) });

/** @throws ConfigError for a structure that a map of this size cannot have. */
const createMap = (conv: string, inFeatures: number, outFeatures: number): StructuredLinear =>
  createLinear(parseConvolution(conv), inFeatures, outFeatures, build(), { init: "variance-preserving" });

/** Fits a structure to a matrix W:[out,in] or to a kernel K:[O,I,k,k]. @throws ConfigError for a structure that the target cannot have. */
export const fitStructure = (target: TensorArray, conv: string): Promise<Fitted> =>
  target.shape.length === 2 ? fitMatrix(target, conv) : fitKernel(target, conv);

async function fitMatrix({ shape, data }: TensorArray, conv: string): Promise<Fitted> {
  const [out, inputs] = shape as [number, number];
  const w = matrix(out, inputs, data);
  const map = createMap(conv, inputs, out);
  await map.fromDense?.(w);
  const dense = tensor(data, { shape, dtype: "float32" });
  return {
    map,
    layer: map,
    w,
    error: relativeDistance(await readValues(() => map.toDense()), data),
    windowError: undefined,
    windowCost: 0,
    choose: (columns) => map.choose(columns),
    input: (columns) => normal([1, inputs, columns], new Random(1)),
    apply: (x) => map.applyToColumns(x),
    applyTarget: (x) => mixChannels(x, dense),
    dispose: () => {
      map.dispose();
      dense.dispose();
    },
  };
}

/** As `compress` does it: the kernel is split into a window and W, and the map is fitted to W. */
async function fitKernel(kernel: TensorArray, conv: string): Promise<Fitted> {
  const [outChannels, inChannels, size] = kernel.shape as [number, number, number];
  const map = createMap(conv, inChannels, outChannels);
  const layer = new SeparableConvolution({ inChannels, outChannels, kernel: size, padding: "same" }, build(), () => map);
  const { relative, separable } = await layer.approximateKernel(kernel);
  const window = await readValues(() => layer.grouped!.kernel());
  const dense = tensor(kernel.data, { shape: kernel.shape, dtype: "float32" });
  return {
    map,
    layer,
    w: projectOnWindow(kernel, window).pointwise,
    error: relative,
    windowError: separable,
    windowCost: sizeOf(kernel.shape.slice(1)),
    choose: (columns) => layer.choose(columns),
    input: (columns) => {
      const side = Math.round(Math.sqrt(columns));
      return normal([1, inChannels, side, side], new Random(1));
    },
    apply: (x) => layer.forward(x, { training: false }),
    applyTarget: (x) => conv2d(x, dense, { padding: "same" }),
    dispose: () => {
      layer.dispose();
      dense.dispose();
    },
  };
}
