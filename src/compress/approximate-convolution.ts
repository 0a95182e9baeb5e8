/** The structured convolution nearest to a trained dense one. */

import { ConfigError, ShapeError } from "../core/errors.ts";
import { formatShape } from "../core/shape.ts";
import { frobenius, type Matrix, matrix } from "../linalg/matrix.ts";
import { svd } from "../linalg/svd.ts";
import { type TensorArray, tensorArray } from "../linalg/tensor-array.ts";
import { Conv2d } from "../nn/conv2d.ts";
import type { Build } from "../nn/init.ts";
import type { Layer } from "../nn/module.ts";
import type { Parameter } from "../nn/state.ts";
import type { ConvolutionSite } from "../structured/convolution-factory.ts";
import { DenseConvolution } from "../structured/dense.ts";
import { convolutionFactory, type FamilyOptions } from "../structured/families.ts";
import { HashedConvolution } from "../structured/hashed-convolution.ts";
import { ShuffleConvolution } from "../structured/linear-shuffle.ts";
import { SeparableConvolution } from "../structured/separable.ts";
import type { ConvolutionSpec } from "../structured/spec.ts";
import type { StructuredLinear } from "../structured/structured-linear.ts";
import { detach, noGrad } from "../tape/tape.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Norms of what is lost, relative to the kernel's. The two losses are orthogonal: relative² = separable² + structured². */
export interface ApproximationError {
  readonly relative: number;
  /** Lost by writing K[o,i,u,v] as P[o,i]·d[i,u,v]; 0 for a kernel that is not split. */
  readonly separable: number;
  /** Lost by giving P, or the kernel that is not split, its structure. */
  readonly structured: number;
}

export interface CompressedConvolution {
  readonly layer: Layer;
  readonly error: ApproximationError;
}

/** K[o,i,u,v] ≈ P[o,i]·d[i,u,v]. */
export interface SeparableKernel {
  readonly pointwise: Matrix;
  /** d:[I,k²], of norm 1 for each input channel. */
  readonly window: Matrix;
}

/**
 * The nearest depthwise × pointwise pair: the best rank-one approximation of each input channel's slice K[:,i,:,:]:[O,k²], the first triple of its SVD.
 * As ‖d_i‖ = 1, an error in P is the same error in K.   kernel:[O,I,k,k].
 */
export function splitKernel(kernel: TensorArray): SeparableKernel {
  const [outputs, inputs, height, width] = kernel.shape as [number, number, number, number];
  const area = height * width;
  const pointwise = matrix(outputs, inputs);
  const window = matrix(inputs, area);
  for (let i = 0; i < inputs; i++) {
    const slice = matrix(outputs, area);
    for (let o = 0; o < outputs; o++) slice.data.set(kernel.data.subarray((o * inputs + i) * area, (o * inputs + i + 1) * area), o * area);
    const { u, s, v } = svd(slice);
    for (let t = 0; t < area; t++) window.data[i * area + t] = v.data[t * v.columns]!;
    for (let o = 0; o < outputs; o++) pointwise.data[o * inputs + i] = s[0]! * u.data[o * u.columns]!;
  }
  return { pointwise, window };
}

/** The best P beside a given d: P[o,i] = Σ_t K[o,i,t]·d[i,t]/‖d_i‖², and what it leaves, K − P·d. */
function projectOnWindow(kernel: TensorArray, window: ArrayLike<number>): { pointwise: Matrix; rest: Float64Array } {
  const [outputs, inputs] = kernel.shape as [number, number];
  const area = kernel.data.length / (outputs * inputs);
  const pointwise = matrix(outputs, inputs);
  const rest = kernel.data.slice();
  for (let i = 0; i < inputs; i++) {
    let square = 0;
    for (let t = 0; t < area; t++) square += window[i * area + t]! ** 2;
    // A channel that nothing reads has a window of any shape and no weight.
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

/** Says why `layer` cannot be brought near a given kernel, and what can; undefined where it can. */
export function refusal(layer: Layer, { kind }: ConvolutionSpec): string | undefined {
  if (layer instanceof DenseConvolution || layer instanceof HashedConvolution) return undefined;
  if (layer instanceof ShuffleConvolution)
    return layer.map.kernel === 1
      ? undefined
      : "Shuffle: its window stands between the two grouped maps, so a k×k kernel splits off none; use Monarch_4 or Generic_0.25";
  if (layer instanceof SeparableConvolution && layer.map.fromDense !== undefined) return undefined;
  return `${kind}: no best approximation of a given matrix is known for it; use TensorTrain_0.5, Generic_0.25, Monarch_4 or Kronecker_8, or train it from scratch`;
}

const read = async (compute: () => Tensor): Promise<Float64Array> => {
  // Detached: a window without structure is its own parameter, which must outlive the reading.
  const value = scope(() => noGrad(() => detach(compute())));
  const data = Float64Array.from(await value.data());
  value.dispose();
  return data;
};

const difference = (a: ArrayLike<number>, b: ArrayLike<number>): Float64Array => Float64Array.from(a, (value, i) => value - b[i]!);

/** A dense convolution that had no bias is nearest to a structured one whose bias is 0. */
function writeBias(bias: Parameter | undefined, target: ArrayLike<number> | undefined): void {
  bias?.write(target ?? new Float64Array(bias.value.size));
}

async function approximateMap(map: StructuredLinear, target: Matrix): Promise<void> {
  await map.fromDense!(target);
}

/**
 * Overwrites the parameters of `layer`, which the factory of `spec` has made, so that it is near the convolution of `kernel`:[O,I,k,k] and `bias`:[O].
 * A k×k kernel is split into depthwise × pointwise first, and the pointwise matrix approximated by the family's `fromDense`; hashed kernels and 1×1
 * kernels are approximated whole. Errors are of the numbers as stored. @throws ConfigError for a family without an approximation, ShapeError.
 */
export async function approximateConvolution(
  layer: Layer,
  kernel: TensorArray,
  spec: ConvolutionSpec,
  bias?: ArrayLike<number>,
): Promise<ApproximationError> {
  const refused = refusal(layer, spec);
  if (refused !== undefined) throw new ConfigError(`compress: ${refused}`);
  const size = frobenius(kernel.data) || 1;
  const whole = async (toDense: () => Tensor): Promise<ApproximationError> => {
    const relative = frobenius(difference(kernel.data, await read(toDense))) / size;
    return { relative, separable: 0, structured: relative };
  };
  const asMatrix = (): Matrix => matrix(kernel.shape[0]!, kernel.shape[1]!, kernel.data);

  if (layer instanceof DenseConvolution) {
    layer.conv.weight.write(kernel.data);
    writeBias(layer.conv.bias, bias);
    return { relative: 0, separable: 0, structured: 0 };
  }
  if (layer instanceof HashedConvolution) {
    await layer.hashed.fromDense(kernel.data);
    writeBias(layer.hashed.bias, bias);
    return whole(() => layer.toDenseKernel());
  }
  if (layer instanceof ShuffleConvolution) {
    await approximateMap(layer.map, asMatrix());
    writeBias(layer.map.offset(), bias);
    return whole(() => layer.toDenseKernel());
  }
  const { map, grouped } = layer as SeparableConvolution;
  writeBias(map.offset(), bias);
  if (grouped === undefined) {
    await approximateMap(map, asMatrix());
    return whole(() => (layer as SeparableConvolution).toDenseKernel());
  }
  const window = splitKernel(kernel).window.data;
  if (grouped instanceof HashedConvolution) {
    await grouped.hashed.fromDense(window);
    writeBias(grouped.hashed.bias, undefined);
  } else if (grouped instanceof Conv2d) grouped.weight.write(window);
  else
    throw new ConfigError(
      `compress: ${spec.kind} has a window of its own kind, ${grouped.constructor.name}, which nothing is known to bring near a kernel`,
    );
  // From the window as it became: float32, and shared where it is hashed.
  const { pointwise, rest } = projectOnWindow(kernel, await read(() => grouped.kernel()));
  await approximateMap(map, pointwise);
  const dense = await read(() => (layer as SeparableConvolution).toDenseKernel());
  const left = difference(kernel.data, dense);
  return {
    relative: frobenius(left) / size,
    separable: frobenius(rest) / size,
    structured: frobenius(difference(left, rest)) / size,
  };
}

/**
 * The convolution of `spec` nearest to the dense one of weight `kernel`:[O,I,k,k], and how near it is.
 * @throws ConfigError for a family without an approximation, ShapeError for a kernel that is not the site's.
 */
export async function compressConvolution(
  kernel: TensorArray,
  site: ConvolutionSite,
  spec: ConvolutionSpec,
  build: Build,
  options: FamilyOptions = {},
): Promise<CompressedConvolution> {
  const expected = [site.outChannels, site.inChannels / (site.groups ?? 1), site.kernel, site.kernel];
  if (kernel.shape.length !== 4 || expected.some((length, axis) => kernel.shape[axis] !== length))
    throw new ShapeError(`compressConvolution: the kernel must be the site's ${formatShape(expected)}, got ${formatShape(kernel.shape)}`);
  const layer = convolutionFactory(spec, { init: "variance-preserving", ...options })(site, build);
  return { layer, error: await approximateConvolution(layer, tensorArray(kernel.shape, kernel.data), spec) };
}
