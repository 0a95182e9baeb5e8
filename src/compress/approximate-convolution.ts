/** The structured convolution nearest to a trained dense one. */

import { ConfigError, ShapeError } from "../core/errors.ts";
import { checkOptions } from "../core/options.ts";
import { formatShape } from "../core/shape.ts";
import { type TensorArray, tensorArray } from "../linalg/tensor-array.ts";
import type { Build } from "../nn/init.ts";
import type { Layer } from "../nn/module.ts";
import type { ConvolutionSite } from "../structured/convolution-factory.ts";
import { convolutionFactory } from "../structured/create-convolution.ts";
import { type FamilyOptions, familyOptions } from "../structured/family.ts";
import { type ConvolutionSpec, familyOf } from "../structured/spec.ts";
import { type ApproximationError, noApproximation, StructuredConvolution } from "../structured/structured-convolution.ts";

export interface CompressedConvolution {
  readonly layer: Layer;
  readonly error: ApproximationError;
}

/**
 * The reason why no parameters of `layer` are known that bring it near to a given kernel, and what to do instead; undefined if there is no
 * reason.
 */
export function refusal(layer: Layer, spec: ConvolutionSpec): string | undefined {
  const { kind } = familyOf(spec);
  return layer instanceof StructuredConvolution ? layer.approximationRefusal(kind) : noApproximation(kind);
}

/**
 * Overwrites the parameters of `layer`, which the factory of `spec` has made, so that it is near to the convolution of `kernel`:[O,I,k,k]
 * and `bias`:[O]. Without a `bias`, the bias of the layer becomes 0. Errors are measured on the numbers as they are stored.
 * @throws ConfigError for a family without an approximation.
 */
export async function approximateConvolution(
  layer: Layer,
  kernel: TensorArray,
  spec: ConvolutionSpec,
  bias?: ArrayLike<number>,
): Promise<ApproximationError> {
  const refused = refusal(layer, spec);
  if (refused !== undefined) throw new ConfigError(`compress: ${refused}`);
  const convolution = layer as StructuredConvolution;
  convolution.bias?.write(bias ?? new Float64Array(convolution.bias.value.size));
  return convolution.approximateKernel(kernel);
}

/**
 * The convolution of `spec` nearest to the dense one of weight `kernel`:[O,I,k,k], and its error.
 * @throws ConfigError for a family without an approximation, ShapeError for a kernel of another shape than the site's.
 */
export async function compressConvolution(
  kernel: TensorArray,
  site: ConvolutionSite,
  spec: ConvolutionSpec,
  build: Build,
  options: FamilyOptions = {},
): Promise<CompressedConvolution> {
  checkOptions("compressConvolution", options, familyOptions);
  const expected = [site.outChannels, site.inChannels / (site.groups ?? 1), site.kernel, site.kernel];
  if (kernel.shape.length !== 4 || expected.some((length, axis) => kernel.shape[axis] !== length))
    throw new ShapeError(`compressConvolution: the kernel must be the site's ${formatShape(expected)}, got ${formatShape(kernel.shape)}`);
  const layer = convolutionFactory(spec, { init: "variance-preserving", ...options })(site, build);
  return { layer, error: await approximateConvolution(layer, tensorArray(kernel.shape, kernel.data), spec) };
}
