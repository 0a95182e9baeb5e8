/**
 * A backend without numbers. Its storages know their dtype and their length, and its kernels return storages of the right dtype and length.
 * A network can be built and run on this backend without memory for elements and in almost no time, to see which kernels the network would
 * call. `countingBackend` around this backend counts the multiply-adds of those kernels. PyTorch's meta device is of the same kind.
 */

import type { ConvolutionGeometry } from "../core/convolution-geometry.ts";
import { BackendError } from "../core/errors.ts";
import { sizeOf } from "../core/shape.ts";
import type { DType, Storage, TypedArray } from "../tensor/storage.ts";
import type { AxisSplit, Kernels, WindowStagesGeometry } from "./kernels.ts";

/** A storage without elements. Its holders are not counted, because there is nothing to free. */
class ShapeOnlyStorage implements Storage {
  readonly dtype: DType;
  readonly length: number;
  readonly alive = true;
  readonly exclusive = false;

  constructor(dtype: DType, length: number) {
    this.dtype = dtype;
    this.length = length;
  }

  retain(): void {}

  release(): void {}

  async read(): Promise<TypedArray> {
    throw new BackendError("storage.read: the shape-only backend holds no numbers, got a read; compute on another backend");
  }
}

const storage = (dtype: DType, length: number): Storage => new ShapeOnlyStorage(dtype, length);
const like = ({ dtype }: Storage, length: number): Storage => storage(dtype, length);

const reducedLength = ({ outer, inner }: AxisSplit): number => outer * inner;
const outputLength = (g: ConvolutionGeometry): number => g.batch * g.outChannels * g.outHeight * g.outWidth;

function windowedLength({ window: { batch, outHeight, outWidth }, stages }: WindowStagesGeometry): number {
  const { groups, outputs } = stages.at(-1)!;
  return batch * groups * outputs * outHeight * outWidth;
}

/** Every kernel returns storages of the dtypes and lengths that any backend would return. Reading one of them throws a BackendError. */
export const createShapeOnlyBackend = (): Kernels => ({
  name: "shape-only",
  threads: 1,
  upload: (dtype, data) => storage(dtype, data.length),
  full: (dtype, length) => storage(dtype, length),
  write: () => undefined,
  cast: (x, dtype) => storage(dtype, x.length),
  memory: () => ({ backend: "shape-only", storages: 0, used: 0, peak: 0, reserved: 0 }),
  resetPeak: () => undefined,
  unary: (_, x) => like(x, x.length),
  binary: (_, a, __, { shape }) => like(a, sizeOf(shape)),
  accumulate: () => undefined,
  select: (_, a) => like(a, a.length),
  clamp: (x) => like(x, x.length),
  reduce: (_, x, split) => like(x, reducedLength(split)),
  argmax: (_, split) => storage("int32", reducedLength(split)),
  gather: (x, indices, split) => like(x, reducedLength(split) * indices.length),
  scatterAdd: (y, _, split) => like(y, reducedLength(split) * split.axis),
  argsort: (x) => storage("int32", x.length),
  takeAlongAxis: (x) => like(x, x.length),
  cosineTransform: (x) => like(x, x.length),
  readView: (x, { shape }) => like(x, sizeOf(shape)),
  assemble: (dtype, length) => storage(dtype, length),
  matmul: (a, _, { batch, m, n }) => like(a, batch * m * n),
  conv2d: (x, _, geometry) => like(x, outputLength(geometry)),
  conv2dInputGradient: (g, _, { batch, inChannels, height, width }) => like(g, batch * inChannels * height * width),
  conv2dWeightGradient: (x, _, g) => like(x, g.outChannels * (g.inChannels / g.groups) * g.kernelHeight * g.kernelWidth),
  separableConv2d: (x, _, __, { window, outChannels }) => like(x, window.batch * outChannels * window.outHeight * window.outWidth),
  separableConv2dGradient: (x, w, map) => ({ x: like(x, x.length), w: like(w, w.length), map: like(map, map.length) }),
  contractWindow: (x, _, __, geometry) => like(x, windowedLength(geometry)),
  contractWindowGradient: (x, w, weights) => ({
    ...{ x: like(x, x.length), w: like(w, w.length), weights: weights.map((weight) => like(weight, weight.length)) },
  }),
  maxPool2d: (x, geometry) => ({ values: like(x, outputLength(geometry)), indices: storage("int32", outputLength(geometry)) }),
  channelAffine: (x) => like(x, x.length),
  batchNorm: (x, _, __, { channels }) => ({ y: like(x, x.length), mean: like(x, channels), variance: like(x, channels) }),
  batchNormGradient: (x, gamma, _, __, ___, ____, through) => ({
    ...{ x: like(x, x.length), gamma: like(gamma, gamma.length), beta: like(gamma, gamma.length) },
    ...(through?.addend ? { addend: like(x, x.length) } : {}),
  }),
  sgdUpdate: () => undefined,
  adamUpdate: () => undefined,
});
