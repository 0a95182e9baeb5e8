import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ConvolutionGeometry, Sides } from "../../../src/core/convolution-geometry.ts";
import { type ConvolutionCase, convolutions, geometryOf } from "../../arbitraries/geometries.ts";
import { preciseValuesOf, seeds, valuesOf } from "../../arbitraries/values.ts";
import { float64, inner, numbers, reference } from "./run-kernels.ts";

type Plane = readonly (readonly number[])[];

const product = (sizes: readonly number[]): number => sizes.reduce((total, size) => total * size, 1);
const outputLength = (g: ConvolutionGeometry): number => g.batch * g.outChannels * g.outHeight * g.outWidth;

const grid = (rows: number, columns: number, at: (y: number, x: number) => number): Plane =>
  Array.from({ length: rows }, (_, y) => Array.from({ length: columns }, (_, x) => at(y, x)));

const sum = (list: readonly number[]): number => list.reduce((total, value) => total + value, 0);

/** The image with rows and columns of zeros around it. */
const pad = (plane: Plane, height: number, width: number, { top, left, bottom, right }: Sides): Plane =>
  grid(height + top + bottom, width + left + right, (y, x) => plane[y - top]?.[x - left] ?? 0);

/** The kernel with zeros between its weights, which is dilation. */
const spread = (kernel: Plane, dilationY: number, dilationX: number): Plane =>
  grid((kernel.length - 1) * dilationY + 1, (kernel[0]!.length - 1) * dilationX + 1, (y, x) => kernel[y / dilationY]?.[x / dilationX] ?? 0);

/** The sums of kernel·plane at every position where the kernel lies within the plane. */
const slide = (plane: Plane, kernel: Plane): Plane =>
  grid(Math.max(0, plane.length - kernel.length + 1), Math.max(0, (plane[0]?.length ?? 0) - kernel[0]!.length + 1), (y, x) =>
    sum(kernel.flatMap((row, ky) => row.map((w, kx) => w * plane[y + ky]![x + kx]!))),
  );

const everyNth = <Item>(list: readonly Item[], n: number): Item[] => list.filter((_, i) => i % n === 0);

/**
 * The convolution in separate steps: pad the image, dilate the kernel, slide it by single pixels, keep every stride-th result, add up the
 * channels.
 */
function convolveByParts(x: ArrayLike<number>, w: ArrayLike<number>, g: ConvolutionGeometry, sides: Sides): number[] {
  const [groupInputs, groupOutputs] = [g.inChannels / g.groups, g.outChannels / g.groups];
  const imageOf = (n: number, c: number): Plane =>
    grid(g.height, g.width, (y, column) => x[((n * g.inChannels + c) * g.height + y) * g.width + column]!);
  const kernelOf = (o: number, c: number): Plane =>
    grid(g.kernelHeight, g.kernelWidth, (y, column) => w[((o * groupInputs + c) * g.kernelHeight + y) * g.kernelWidth + column]!);
  const out: number[] = [];
  for (let n = 0; n < g.batch; n++)
    for (let o = 0; o < g.outChannels; o++) {
      const perChannel = Array.from({ length: groupInputs }, (_, c) => {
        const image = imageOf(n, Math.floor(o / groupOutputs) * groupInputs + c);
        const slid = slide(pad(image, g.height, g.width, sides), spread(kernelOf(o, c), g.dilationY, g.dilationX));
        return everyNth(slid, g.strideY).map((row) => everyNth(row, g.strideX));
      });
      out.push(...grid(g.outHeight, g.outWidth, (y, column) => sum(perChannel.map((plane) => plane[y]![column]!))).flat());
    }
  return out;
}

describe("conv2d", () => {
  it("equals padding, dilating, sliding, striding and adding up, one after the other", () => {
    fc.assert(
      fc.property(seeds, convolutions(), (seed, config) => {
        const geometry = geometryOf(config);
        // The values are small integers, so both sides are exact.
        const x = valuesOf(seed, product(config.x), "integers");
        const w = valuesOf(seed + 1, product(config.w), "integers");
        expect(numbers(reference.conv2d(float64(x), float64(w), geometry)).map((y) => y + 0)).toEqual(
          convolveByParts(x, w, geometry, config.sides).map((y) => y + 0),
        );
      }),
    );
  });

  it("multiplies polynomials in two variables, with full padding and the flipped kernel", () => {
    const small = fc.integer({ min: 1, max: 4 });
    fc.assert(
      fc.property(seeds, small, small, small, small, (seed, height, width, kernelHeight, kernelWidth) => {
        const digit = (values: Float64Array): bigint[] => Array.from(values, (v) => BigInt(Math.abs(Math.trunc(v))));
        const p = digit(valuesOf(seed, height * width, "integers"));
        const q = digit(valuesOf(seed + 1, kernelHeight * kernelWidth, "integers"));
        const rows = height + kernelHeight - 1;
        const columns = width + kernelWidth - 1;
        // Kronecker's substitution: with powers of 2³² for the variables, the coefficients are the digits of one large integer. So a
        // product of integers is the product of the polynomials.
        const evaluate = (coefficients: readonly bigint[], across: number): bigint =>
          coefficients.reduce((sum, a, i) => sum + (a << BigInt(32 * (Math.floor(i / across) * columns + (i % across)))), 0n);
        const value = evaluate(p, width) * evaluate(q, kernelWidth);
        const expected = Array.from({ length: rows * columns }, (_, i) => Number(BigInt.asUintN(32, value >> BigInt(32 * i))));
        const geometry = geometryOf({
          x: [1, 1, height, width],
          w: [1, 1, kernelHeight, kernelWidth],
          options: { stride: 1, padding: [kernelHeight - 1, kernelWidth - 1], dilation: 1, groups: 1 },
        });
        const y = reference.conv2d(float64(p.map(Number)), float64(q.map(Number).reverse()), geometry);
        expect(numbers(y)).toEqual(expected);
      }),
    );
  });
});

describe("conv2d, conv2dInputGradient and conv2dWeightGradient", () => {
  it("are adjoint: ⟨conv2d(x, w), g⟩ = ⟨x, inputGradient(g, w)⟩ = ⟨w, weightGradient(x, g)⟩", () => {
    fc.assert(
      fc.property(seeds, convolutions(), (seed, config: ConvolutionCase) => {
        const geometry = geometryOf(config);
        const x = preciseValuesOf(seed, product(config.x));
        const w = preciseValuesOf(seed + 1, product(config.w));
        const g = preciseValuesOf(seed + 2, outputLength(geometry));
        const absolute = (values: Float64Array): Float64Array => values.map(Math.abs);
        const y = (a: Float64Array, b: Float64Array): number[] => numbers(reference.conv2d(float64(a), float64(b), geometry));
        const forward = inner(y(x, w), g).value;
        const { size } = inner(y(absolute(x), absolute(w)), absolute(g));
        const input = inner(x, numbers(reference.conv2dInputGradient(float64(g), float64(w), geometry))).value;
        const weight = inner(w, numbers(reference.conv2dWeightGradient(float64(x), float64(g), geometry))).value;
        // The three are one sum in three orders, and it has no more terms than there are taps.
        const taps = outputLength(geometry) * (geometry.inChannels / geometry.groups) * geometry.kernelHeight * geometry.kernelWidth;
        const bound = 2 * (taps + 2) * 2 ** -53 * size;
        expect(Math.abs(forward - input)).toBeLessThanOrEqual(bound);
        expect(Math.abs(forward - weight)).toBeLessThanOrEqual(bound);
      }),
    );
  });
});

describe("NaN and ∞", () => {
  const row = (width: number, outWidth: number, paddingX: number): ConvolutionGeometry => ({
    batch: 1,
    inChannels: 1,
    outChannels: 1,
    groups: 1,
    height: 1,
    width,
    kernelHeight: 1,
    kernelWidth: 3,
    outHeight: 1,
    outWidth,
    strideY: 1,
    strideX: 1,
    paddingY: 0,
    paddingX,
    dilationY: 1,
    dilationX: 1,
  });

  it("meet the zeros of the padding: 0·∞ is NaN", () => {
    // One pixel 2 with a zero on either side: 0·∞ + 2·1 + 0·1, and 0·1 + 2·∞ + 0·1.
    const padded = row(1, 1, 1);
    expect(numbers(reference.conv2d(float64([2]), float64([Infinity, 1, 1]), padded))).toEqual([Number.NaN]);
    expect(numbers(reference.conv2d(float64([2]), float64([1, Infinity, 1]), padded))).toEqual([Infinity]);
    expect(numbers(reference.conv2dWeightGradient(float64([2]), float64([Infinity]), padded))).toEqual([Number.NaN, Infinity, Number.NaN]);
    // One cotangent 2 that lies between zeros. Pixel i gets Σ g_{i−k}·w_k.
    expect(numbers(reference.conv2dInputGradient(float64([2]), float64([1, Infinity, 1]), row(3, 1, 0)))).toEqual([
      Number.NaN,
      Infinity,
      Number.NaN,
    ]);
  });
});
