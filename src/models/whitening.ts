/**
 * Filters that whiten the small patches of images: their outputs over all patches are uncorrelated, and of about equal size (Page 2019,
 * "How to train your ResNet 8: bag of tricks"; Jordan 2024, arXiv 2404.00498, §3.2).
 */

import { ConfigError } from "../core/errors.ts";
import { checkNumbers } from "../core/numbers.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { formatShape, type Shape, sizeOf } from "../core/shape.ts";
import { eigh } from "../linalg/eigh.ts";
import { type Matrix, matrix } from "../linalg/matrix.ts";

export interface WhiteningOptions {
  /** The height and the width of a patch in pixels. Default: 2. */
  readonly kernel?: number;
  /** ε > 0, which is added to each eigenvalue, so that directions that hold only noise stay small. Default: 5e-4. */
  readonly epsilon?: number;
}

/** The names of `WhiteningOptions`. */
export const whiteningOptions: OptionNames = optionNames<WhiteningOptions>({ kernel: true, epsilon: true });

/** A network with a first layer that whitens patches of the training images. */
export interface WhitenedNetwork {
  /** Sets the filters of the first layer. images:[N,C,H,W], normalised as in training. */
  whiten(images: ArrayLike<number>, shape: Shape): void;
}

export const isWhitened = (network: object): network is WhitenedNetwork => "whiten" in network && typeof network.whiten === "function";

/**
 * M = (1/P)·Σ p·pᵀ over all P patches p of C·k² numbers: the covariance, if the mean of the images is 0, as normalisation makes it.
 * images:[N,C,H,W] → M:[C·k²,C·k²].
 */
export function patchMoments(images: ArrayLike<number>, [count, channels, height, width]: Shape, kernel: number): Matrix {
  const size = channels! * kernel * kernel;
  const moments = new Float64Array(size * size);
  const patch = new Float64Array(size);
  for (let n = 0; n < count!; n++)
    for (let y = 0; y + kernel <= height!; y++)
      for (let x = 0; x + kernel <= width!; x++) {
        for (let c = 0, k = 0; c < channels!; c++)
          for (let v = 0; v < kernel; v++)
            for (let u = 0; u < kernel; u++, k++) patch[k] = images[((n * channels! + c) * height! + y + v) * width! + x + u]!;
        for (let i = 0; i < size; i++) {
          const a = patch[i]!;
          for (let j = 0; j <= i; j++) moments[i * size + j]! += a * patch[j]!;
        }
      }
  const patches = count! * (height! - kernel + 1) * (width! - kernel + 1);
  for (let i = 0; i < size; i++)
    for (let j = 0; j <= i; j++) {
      const mean = moments[i * size + j]! / patches;
      moments[i * size + j] = mean;
      moments[j * size + i] = mean;
    }
  return matrix(size, size, moments);
}

/**
 * The filters v/√(λ + ε) for each eigenvector v with its eigenvalue λ of the patches' second moments, the largest eigenvalue first, and
 * then the same filters with the opposite sign, which a GELU behind them needs. images:[N,C,H,W] → filters:[2·C·k²,C,k,k], row by row.
 * @throws ConfigError for images that do not have the shape or are smaller than a patch, and for options out of range.
 */
export function whiteningFilters(images: ArrayLike<number>, shape: Shape, options: WhiteningOptions = {}): Float64Array {
  checkOptions("whiteningFilters", options, whiteningOptions);
  const { kernel = 2, epsilon = 5e-4 } = options;
  checkNumbers("whiteningFilters", { kernel }, { integer: true, least: 1 });
  checkNumbers("whiteningFilters", { epsilon }, { above: 0 });
  if (shape.length !== 4 || sizeOf(shape) !== images.length || images.length === 0 || Math.min(shape[2]!, shape[3]!) < kernel)
    throw new ConfigError(
      `whiteningFilters: needs images [N,C,H,W] of at least ${kernel}×${kernel} pixels, got ${images.length} numbers as ${formatShape(shape)}`,
    );
  const { values, vectors } = eigh(patchMoments(images, shape, kernel));
  const size = values.length;
  const filters = new Float64Array(2 * size * size);
  for (let i = 0; i < size; i++) {
    const from = size - 1 - i;
    // Rounding can make the eigenvalue of a direction without variance slightly negative.
    const scale = 1 / Math.sqrt(Math.max(0, values[from]!) + epsilon);
    for (let k = 0; k < size; k++) {
      const weight = vectors.data[k * size + from]! * scale;
      filters[i * size + k] = weight;
      filters[(size + i) * size + k] = -weight;
    }
  }
  return filters;
}
