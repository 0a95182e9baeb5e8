/**
 * Arbitrary convolutions, poolings, matrix products and normalisations, generated as a user would write them. They shrink towards size 1
 * and default options.
 */

import fc from "fast-check";
import type { MatmulGeometry, NormGeometry } from "../../src/backend/kernels.ts";
import {
  type ConvolutionGeometry,
  type ConvolutionOptions,
  convolutionGeometry,
  type Padding,
  type Sides,
} from "../../src/core/convolution-geometry.ts";
import { sizes } from "./shapes.ts";

/** The shapes and options of a convolution that `convolutionGeometry("conv2d", x, w, options)` accepts. */
export interface ConvolutionShapes {
  readonly x: readonly [batch: number, channels: number, height: number, width: number];
  readonly w: readonly [outChannels: number, groupChannels: number, kernelHeight: number, kernelWidth: number];
  readonly options: Required<ConvolutionOptions>;
}

export interface ConvolutionCase extends ConvolutionShapes {
  /** What the option `padding` means for each side. */
  readonly sides: Sides;
}

/** The number of window positions along one axis, by counting the windows that fit. */
export function places(size: number, kernel: number, stride: number, dilation: number, padding: number): number {
  let count = 0;
  while (count * stride + (kernel - 1) * dilation < size + padding) count++;
  return count;
}

/** The padding of one axis with which ⌈size/stride⌉ windows fit, found by trying 0, 1, 2, …. */
function samePadding(size: number, kernel: number, stride: number, dilation: number): readonly [before: number, after: number] {
  let padding = 0;
  while (places(size, kernel, stride, dilation, padding) < Math.ceil(size / stride)) padding++;
  return [Math.floor(padding / 2), Math.ceil(padding / 2)];
}

/** The padding of each side, for axes [size, kernel, stride, dilation]. */
export function sidesByCounting(padding: Padding, axes: readonly (readonly [number, number, number, number])[]): Sides {
  const [[top, bottom], [left, right]] = axes.map((axis, i) => {
    if (padding === "same") return samePadding(...axis);
    if (typeof padding === "number") return [padding, padding];
    if ("top" in padding) return i === 0 ? [padding.top, padding.bottom] : [padding.left, padding.right];
    return [padding[i]!, padding[i]!];
  }) as [[number, number], [number, number]];
  return { top, left, bottom, right };
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

/** Every form of padding: a number, a pair, one number for each side, and `"same"`. */
export const paddings = (max: number): fc.Arbitrary<Padding> => {
  const width = fc.nat({ max });
  return fc.oneof(
    { weight: 1, arbitrary: width },
    { weight: 3, arbitrary: pairs(0, max) },
    { weight: 3, arbitrary: fc.record({ top: width, left: width, bottom: width, right: width }) },
    { weight: 1, arbitrary: fc.constant<Padding>("same") },
  );
};

/**
 * Convolutions of all kinds: dense, grouped and depthwise, with or without a channel multiplier. Where a window would be larger than the
 * padded image, the image is padded on all sides until the window fits.
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
      padding: paddings(3),
      dilation: fc.oneof(fc.constant<[number, number]>([1, 1]), pairs(1, 3)),
    })
    .map(({ batch, groups, groupInputs, groupOutputs, image, kernel, stride, padding: drawn, dilation }) => {
      const axes = [0, 1].map((axis) => [image[axis]!, kernel[axis]!, stride[axis]!, dilation[axis]!] as const);
      const fits = (padding: Padding): boolean => {
        const { top, left, bottom, right } = sidesByCounting(padding, axes);
        return axes.every((axis, i) => places(...axis, i === 0 ? top + bottom : left + right) > 0);
      };
      let padding = drawn;
      for (let width = 4; !image.includes(0) && !fits(padding); width++) padding = width;
      return {
        x: [batch, groups * groupInputs, ...image],
        w: [groups * groupOutputs, groupInputs, ...kernel],
        options: { stride, padding, dilation, groups },
        sides: sidesByCounting(padding, axes),
      };
    });
}

/** Poolings, as convolutions with O = C = groups. Without channels there is one empty group. */
export const poolings = (limits: ConvolutionLimits = {}): fc.Arbitrary<ConvolutionCase> =>
  convolutions({ ...limits, maxGroups: 1 }).map(({ x, w, options, sides }) => ({
    x,
    sides,
    w: [x[1], Math.min(1, x[1]), w[2], w[3]],
    options: { ...options, groups: Math.max(1, x[1]) },
  }));

/** The `outputPadding` with which the transposed convolution goes back from y to the size of x. */
export function outputPaddingOf({ x, w, options, sides }: ConvolutionCase, y: readonly number[]): [number, number] {
  const [stride, dilation] = [options.stride, options.dilation] as readonly (readonly [number, number])[];
  const [vertical, horizontal] = [sides.top + sides.bottom, sides.left + sides.right];
  const least = (axis: number, padding: number): number =>
    (y[axis + 2]! - 1) * stride![axis]! + dilation![axis]! * (w[axis + 2]! - 1) + 1 - padding;
  return [x[2] - least(0, vertical!), x[3] - least(1, horizontal!)];
}

export const geometryOf = ({ x, w, options }: ConvolutionShapes): ConvolutionGeometry => convolutionGeometry("conv2d", x, w, options);

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
