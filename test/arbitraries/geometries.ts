/** Convolutions, poolings, matrix products and normalisations, drawn as the options a user would write; they shrink towards 1×1 and no options. */

import fc from "fast-check";
import type { MatmulGeometry, NormGeometry } from "../../src/backend/kernels.ts";
import { type ConvolutionGeometry, type ConvolutionOptions, convolutionGeometry } from "../../src/core/convolution-geometry.ts";
import { sizes } from "./shapes.ts";

/** A convolution as its user sees it: `convolutionGeometry("conv2d", x, w, options)` accepts it. */
export interface ConvolutionCase {
  readonly x: readonly [batch: number, channels: number, height: number, width: number];
  readonly w: readonly [outChannels: number, groupChannels: number, kernelHeight: number, kernelWidth: number];
  readonly options: Required<ConvolutionOptions>;
}

export interface ConvolutionLimits {
  readonly maxBatch?: number;
  /** Per group. */
  readonly maxChannels?: number;
  readonly maxGroups?: number;
  readonly maxSize?: number;
  readonly maxKernel?: number;
  /** Whether batch, channels or the image may be empty. Default: yes, now and then. */
  readonly empty?: boolean;
}

const pairs = (min: number, max: number): fc.Arbitrary<[number, number]> => fc.tuple(fc.integer({ min, max }), fc.integer({ min, max }));

/** Any kind: dense, grouped, depthwise (with or without a channel multiplier), windows larger than the image (no output) included. */
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

/** A pooling as a convolution of each channel with itself: O = C = groups (no channels make one empty group). */
export const poolings = (limits: ConvolutionLimits = {}): fc.Arbitrary<ConvolutionCase> =>
  convolutions({ ...limits, maxGroups: 1 }).map(({ x, w, options }) => ({
    x,
    w: [x[1], Math.min(1, x[1]), w[2], w[3]],
    options: { ...options, groups: Math.max(1, x[1]) },
  }));

export const geometryOf = ({ x, w, options }: ConvolutionCase): ConvolutionGeometry => convolutionGeometry("conv2d", x, w, options);

/** Matrix products, either operand transposed, either one shared by the whole batch (stride 0). */
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

/** How many elements the operands of a product hold. */
export const matmulLengths = ({ batch, m, k, n, batchStrideA, batchStrideB }: MatmulGeometry): { a: number; b: number } => ({
  a: batchStrideA === 0 ? m * k : batch * m * k,
  b: batchStrideB === 0 ? k * n : batch * k * n,
});

export const norms = (max: number): fc.Arbitrary<NormGeometry> =>
  fc.record({ batch: sizes(max), channels: sizes(max), inner: sizes(max), epsilon: fc.constantFrom(1e-5, 1e-3) });
