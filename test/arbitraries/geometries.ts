/**
 * Arbitrary convolutions, poolings, matrix products and normalisations, generated as a user would write them. They shrink towards size 1
 * and default options.
 */

import fc from "fast-check";
import type { MatmulGeometry, NormGeometry } from "../../src/backend/kernels.ts";
import { type ConvolutionGeometry, type ConvolutionOptions, convolutionGeometry } from "../../src/core/convolution-geometry.ts";
import { sizes } from "./shapes.ts";

/** The shapes and options of a convolution that `convolutionGeometry("conv2d", x, w, options)` accepts. */
export interface ConvolutionCase {
  readonly x: readonly [batch: number, channels: number, height: number, width: number];
  readonly w: readonly [outChannels: number, groupChannels: number, kernelHeight: number, kernelWidth: number];
  readonly options: Required<ConvolutionOptions>;
}

export interface ConvolutionLimits {
  /** Default: 3. */
  readonly maxBatch?: number;
  /** The channels of each group. Default: 3. */
  readonly maxChannels?: number;
  /** Default: 3. */
  readonly maxGroups?: number;
  /** Height and width of the image, in pixels. Default: 7. */
  readonly maxSize?: number;
  /** Height and width of the kernel, in pixels. Default: 4. */
  readonly maxKernel?: number;
  /** Whether batch, channels and image sizes may be 0. Default: true; about one size in thirteen is. */
  readonly empty?: boolean;
}

const pairs = (min: number, max: number): fc.Arbitrary<[number, number]> => fc.tuple(fc.integer({ min, max }), fc.integer({ min, max }));

/**
 * Convolutions of all kinds: dense, grouped and depthwise, with or without a channel multiplier, also with windows larger than the image.
 */
export function convolutions(limits: ConvolutionLimits = {}): fc.Arbitrary<ConvolutionCase> {
  const { maxBatch = 3, maxChannels = 3, maxGroups = 3, maxSize = 7, maxKernel = 4, empty = true } = limits;
  return fc
    .record({
      batch: sizes(maxBatch, empty),
      groups: fc.integer({ min: 1, max: maxGroups }),
      groupInputs: fc.oneof(fc.constant(1), sizes(maxChannels, empty)),
      groupOutputs: fc.oneof(fc.constant(1), sizes(maxChannels, empty)),
      image: fc.tuple(sizes(maxSize, empty), sizes(maxSize, empty)),
      kernel: fc.oneof(fc.constant<[number, number]>([1, 1]), fc.constant<[number, number]>([3, 3]), pairs(1, maxKernel)),
      stride: fc.oneof(fc.constant<[number, number]>([1, 1]), pairs(1, 3)),
      padding: pairs(0, 3),
      dilation: fc.oneof(fc.constant<[number, number]>([1, 1]), pairs(1, 3)),
    })
    .map(({ batch, groups, groupInputs, groupOutputs, image, kernel, stride, padding, dilation }) => ({
      x: [batch, groups * groupInputs, ...image],
      w: [groups * groupOutputs, groupInputs, ...kernel],
      options: { stride, padding, dilation, groups },
    }));
}

/** Poolings, as convolutions with O = C = groups. Without channels there is one empty group. */
export const poolings = (limits: ConvolutionLimits = {}): fc.Arbitrary<ConvolutionCase> =>
  convolutions({ ...limits, maxGroups: 1 }).map(({ x, w, options }) => ({
    x,
    w: [x[1], Math.min(1, x[1]), w[2], w[3]],
    options: { ...options, groups: Math.max(1, x[1]) },
  }));

export const geometryOf = ({ x, w, options }: ConvolutionCase): ConvolutionGeometry => convolutionGeometry("conv2d", x, w, options);

/** Matrix products. Either operand may be transposed, or shared by the whole batch (batch stride 0). */
export const matmuls = (max: number, maxBatch = 3): fc.Arbitrary<MatmulGeometry> =>
  fc
    .record({
      batch: sizes(maxBatch),
      m: sizes(max),
      k: sizes(max),
      n: sizes(max),
      transposeA: fc.boolean(),
      transposeB: fc.boolean(),
      sharedA: fc.boolean(),
      sharedB: fc.boolean(),
    })
    .map(({ batch, m, k, n, transposeA, transposeB, sharedA, sharedB }) => ({
      batch,
      m,
      k,
      n,
      transposeA,
      transposeB,
      batchStrideA: sharedA ? 0 : m * k,
      batchStrideB: sharedB ? 0 : k * n,
    }));

/** The number of elements of each operand of a product. */
export const matmulLengths = ({ batch, m, k, n, batchStrideA, batchStrideB }: MatmulGeometry): { a: number; b: number } => ({
  a: batchStrideA === 0 ? m * k : batch * m * k,
  b: batchStrideB === 0 ? k * n : batch * k * n,
});

/** Batch normalisations. */
export const norms = (max: number): fc.Arbitrary<NormGeometry> =>
  fc.record({ batch: sizes(max), channels: sizes(max), inner: sizes(max), epsilon: fc.constantFrom(1e-5, 1e-3) });
