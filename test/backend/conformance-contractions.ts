import fc from "fast-check";
import { it } from "vitest";
import type { MatmulGeometry } from "../../src/backend/kernels.ts";
import { type ConvolutionGeometry, convolutionGeometry } from "../../src/core/convolution-geometry.ts";
import { type SeparableGeometry, separableGeometry, type WindowOptions } from "../../src/core/separable-geometry.ts";
import { type ConvolutionShapes, convolutions, geometryOf, matmulLengths, matmuls } from "../arbitraries/geometries.ts";
import { type DrawnStages, drawnStages, geometryOfStages } from "../arbitraries/stages.ts";
import { seeds, type ValueKind } from "../arbitraries/values.ts";
import { absolute, conforms, floating, holds, type Operand, onReference, type Run, type Subject } from "./conformance-harness.ts";
import { sumBound } from "./conformance-tolerance.ts";

/** One of the three convolution kernels: its operands' sizes, and how many products each of its results adds up. */
interface ConvolutionKernel {
  readonly run: (geometry: ConvolutionGeometry) => Run;
  readonly operands: (sizes: Record<"x" | "w" | "y", number>) => readonly [number, number];
  readonly terms: (geometry: ConvolutionGeometry) => number;
}

const convolutionKernels = {
  conv2d: {
    run:
      (geometry) =>
      (k, [x, w]) => [k.conv2d(x!, w!, geometry)],
    operands: ({ x, w }) => [x, w],
    terms: ({ inChannels, groups, kernelHeight, kernelWidth }) => (inChannels / groups) * kernelHeight * kernelWidth,
  },
  conv2dInputGradient: {
    run:
      (geometry) =>
      (k, [g, w]) => [k.conv2dInputGradient(g!, w!, geometry)],
    operands: ({ y, w }) => [y, w],
    terms: ({ outChannels, groups, kernelHeight, kernelWidth }) => (outChannels / groups) * kernelHeight * kernelWidth,
  },
  conv2dWeightGradient: {
    run:
      (geometry) =>
      (k, [x, g]) => [k.conv2dWeightGradient(x!, g!, geometry)],
    operands: ({ x, y }) => [x, y],
    terms: ({ batch, outHeight, outWidth }) => batch * outHeight * outWidth,
  },
} satisfies Record<string, ConvolutionKernel>;

/** How many elements x, w and y hold. */
function sizesOf(geometry: ConvolutionGeometry): Record<"x" | "w" | "y", number> {
  const { batch, inChannels, outChannels, groups, height, width, kernelHeight, kernelWidth, outHeight, outWidth } = geometry;
  return {
    x: batch * inChannels * height * width,
    w: outChannels * (inChannels / groups) * kernelHeight * kernelWidth,
    y: batch * outChannels * outHeight * outWidth,
  };
}

const between = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max });

/**
 * Convolutions as networks have them: a window reaching half over the border, sizes that fill vectors and tiles and sizes that leave a
 * rest.
 */
const networkConvolutions: fc.Arbitrary<ConvolutionShapes> = fc
  .record({
    // Large images, many channels or many images: each makes a backend cut its work differently, and none takes the reference long.
    extent: fc.oneof(
      fc.record({ batch: between(1, 4), inChannels: between(1, 9), outChannels: between(1, 9), size: fc.constantFrom(16, 17, 31, 32) }),
      fc.record({ batch: between(1, 9), inChannels: between(1, 24), outChannels: between(1, 24), size: between(5, 12) }),
      fc.record({
        batch: between(1, 2),
        inChannels: fc.constantFrom(16, 32, 65),
        outChannels: fc.constantFrom(16, 33),
        size: fc.constantFrom(8, 16),
      }),
      fc.record({ batch: between(33, 70), inChannels: between(1, 4), outChannels: between(1, 4), size: between(5, 12) }),
    ),
    form: fc.constantFrom("dense", "depthwise", "grouped"),
    wider: between(0, 3),
    kernel: fc.constantFrom(1, 3, 3, 5),
    stride: fc.constantFrom(1, 1, 2),
    dilation: fc.constantFrom(1, 1, 2),
    same: fc.boolean(),
  })
  .map(({ extent: { batch, inChannels, outChannels, size }, form, wider, kernel, stride, dilation, same }) => {
    const groups = { dense: 1, depthwise: inChannels, grouped: 2 }[form];
    const groupInputs = { dense: inChannels, depthwise: 1, grouped: Math.ceil(inChannels / 2) }[form];
    const groupOutputs = { dense: outChannels, depthwise: 1, grouped: Math.ceil(outChannels / 2) }[form];
    const padding = same ? "same" : (dilation * (kernel - 1)) / 2;
    return {
      x: [batch, groups * groupInputs, size, size + wider],
      w: [groups * groupOutputs, groupInputs, kernel, kernel],
      options: { stride, padding, dilation, groups },
    };
  });

/** Small convolutions whose rows are runs of four, and whose channels are: some backends compute four neighbours together. */
const convolutionsOfFours: fc.Arbitrary<ConvolutionShapes> = fc
  .record({
    batch: between(1, 3),
    groups: fc.constantFrom(1, 1, 2),
    inputs: fc.constantFrom(1, 3, 4, 8, 32),
    outputs: between(1, 4),
    height: between(5, 8),
    fours: between(1, 4),
    kernelHeight: fc.constantFrom(1, 2, 3),
    kernelWidth: between(1, 5),
    stride: fc.constantFrom(1, 2),
    padding: between(0, 2),
  })
  .map(({ batch, groups, inputs, outputs, height, fours, kernelHeight, kernelWidth, stride, padding }) => ({
    x: [batch, groups * inputs, height, 4 * fours + (kernelWidth > 4 ? 4 : 0)],
    w: [groups * outputs, inputs, kernelHeight, kernelWidth],
    options: { stride, padding, dilation: 1, groups },
  }));

interface SeparableCase {
  readonly x: readonly [batch: number, channels: number, height: number, width: number];
  readonly outChannels: number;
  readonly kernel: readonly [number, number];
  readonly options: WindowOptions;
}

const paddedWindow = (x: SeparableCase["x"], outChannels: number, stride = 1): SeparableCase => ({
  ...{ x, outChannels, kernel: [3, 3], options: { stride, padding: 1, dilation: 1 } },
});

/** Small ones with any window; and the 3×3 windows of networks on rows of whole and of broken runs, small images and large ones. */
export const separables: fc.Arbitrary<SeparableCase> = fc.oneof(
  {
    weight: 4,
    arbitrary: convolutions({ maxGroups: 1, maxChannels: 6 }).map(
      ({ x, w, options: { groups: _, ...options } }): SeparableCase => ({ x, outChannels: w[0], kernel: [w[2], w[3]], options }),
    ),
  },
  {
    weight: 6,
    arbitrary: fc
      .record({
        extent: fc.oneof(
          fc.record({ batch: between(1, 3), channels: between(1, 9), outChannels: between(1, 9) }),
          fc.record({ batch: fc.constantFrom(17, 33), channels: between(1, 2), outChannels: between(1, 5) }),
        ),
        height: between(1, 9),
        width: fc.constantFrom(4, 7, 8, 12, 16, 24, 32),
        stride: fc.constantFrom(1, 1, 2),
      })
      .map(({ extent: { batch, channels, outChannels }, height, width, stride }) =>
        paddedWindow([batch, channels, height, width], outChannels, stride),
      ),
  },
  // Panels of several bands.
  { weight: 1, arbitrary: fc.constant(paddedWindow([1, 130, 20, 32], 1)) },
);

/** A window before stages, on planes of so many rows and columns. */
interface StagesWindow {
  readonly height: number;
  readonly width: number;
  readonly kernel: number;
  readonly stride: number;
}

const stagesWindows: fc.Arbitrary<StagesWindow> = fc.record({
  height: between(1, 12),
  width: fc.constantFrom(4, 7, 8, 12, 16, 24, 32),
  kernel: fc.constantFrom(1, 3, 3, 3, 5),
  stride: between(1, 2),
});

export const geometryOfSeparable = ({ x, outChannels, kernel, options }: SeparableCase): SeparableGeometry =>
  separableGeometry("separableConv2d", x, [x[1], 1, ...kernel], [outChannels, x[1]], options);

const separableRun =
  (geometry: SeparableGeometry): Run =>
  (k, [x, w, map, g, addend]) => {
    const gradient = k.separableConv2dGradient(x!, w!, map!, g!, geometry);
    const [y, sum] = [k.separableConv2d(x!, w!, map!, geometry), k.separableConv2d(x!, w!, map!, geometry, addend)];
    return [y, gradient.x, gradient.w, gradient.map, sum];
  };

export function contractionConformance(subject: Subject): void {
  const contraction = async (inputs: readonly Operand[], terms: number, run: Run): Promise<void> => {
    const magnitudes = onReference(inputs.map(absolute), run);
    await conforms(subject, { inputs, run, bound: (precision) => magnitudes.map((each) => sumBound(terms, each, precision)) });
  };

  const multiply = async (seed: number, geometry: MatmulGeometry, kind: ValueKind): Promise<void> => {
    const { a, b } = matmulLengths(geometry);
    await contraction([floating(subject.values(seed, a, kind)), floating(subject.values(seed + 1, b, kind))], geometry.k, (k, [x, y]) => [
      k.matmul(x!, y!, geometry),
    ]);
  };

  it("matmul: batches, transposes, shared operands, empty sizes", () =>
    holds(
      subject,
      fc.asyncProperty(seeds, fc.oneof(matmuls(9), matmuls(40)), (seed, geometry) => multiply(seed, geometry, "normal")),
      150,
    ));

  it("matmul: sizes beyond one block, and long thin ones", () => {
    const long = fc.integer({ min: 100, max: 300 });
    const thin = fc.integer({ min: 1, max: 9 });
    const sizes = fc.oneof(
      fc.record({ m: long, k: fc.integer({ min: 1, max: 140 }), n: long }),
      fc.record({ m: thin, k: fc.integer({ min: 500, max: 3000 }), n: thin }),
      fc.record({ m: fc.integer({ min: 1, max: 60 }), k: fc.integer({ min: 250, max: 800 }), n: fc.integer({ min: 1, max: 60 }) }),
      fc.record({ m: fc.integer({ min: 1000, max: 4000 }), k: thin, n: thin }),
      fc.record({ m: thin, k: thin, n: fc.integer({ min: 1000, max: 4000 }) }),
    );
    const large = fc.record({ sizes, batch: fc.constantFrom(1, 1, 2), transposeA: fc.boolean(), transposeB: fc.boolean() });
    return holds(
      subject,
      fc.asyncProperty(seeds, large, (seed, { sizes: { m, k, n }, ...rest }) =>
        multiply(seed, { m, k, n, ...rest, batchStrideA: m * k, batchStrideB: k * n }, "normal"),
      ),
      12,
    );
  });

  it("matmul: NaN and ∞ reach their row and column, and no farther", () =>
    holds(
      subject,
      fc.asyncProperty(seeds, matmuls(20), (seed, geometry) => multiply(seed, geometry, "nonFinite")),
    ));

  const contract = (seed: number, drawn: DrawnStages, kind: ValueKind): Promise<void> => {
    const { contractChannels, contractChannelsGradient } = subject.kernels();
    // The kernels are optional: without them the op is composed of others.
    if (contractChannels === undefined || contractChannelsGradient === undefined) return Promise.resolve();
    const geometry = geometryOfStages(drawn);
    const { batch, columns, stages } = geometry;
    const last = stages.at(-1)!;
    const weights = stages.map((stage) => stage.weights * stage.outputs * stage.inputs);
    const lengths = [batch * drawn.channels * columns, batch * last.groups * last.outputs * columns, ...weights];
    const terms = batch * columns + stages.reduce((sum, { inputs, outputs, groups }) => sum + inputs + outputs + groups, 0);
    return contraction(
      lengths.map((length, i) => floating(subject.values(seed + i, length, kind))),
      terms,
      (k, [x, g, ...w]) => {
        const gradient = k.contractChannelsGradient!(x!, w, g!, geometry);
        return [k.contractChannels!(x!, w, geometry), gradient.x, ...gradient.weights];
      },
    );
  };

  it("contractChannels and its gradient: blocks, shared weights, any order of channels", () =>
    holds(
      subject,
      fc.asyncProperty(seeds, drawnStages({ batch: 5, channels: 24, columns: 70 }), (seed, drawn) => contract(seed, drawn, "normal")),
      120,
    ));

  it("contractChannels and its gradient: several tiles of an image, several images of a tile", () =>
    holds(
      subject,
      fc.asyncProperty(
        seeds,
        fc.oneof(drawnStages({ batch: 40, channels: 12, columns: 33 }), drawnStages({ batch: 2, channels: 30, columns: 1300 })),
        (seed, drawn) => contract(seed, drawn, "normal"),
      ),
      12,
    ));

  const contractBehindWindow = (seed: number, drawn: DrawnStages, { height, width, kernel, stride }: StagesWindow): Promise<void> => {
    const { contractWindow, contractWindowGradient } = subject.kernels();
    // The kernels are optional here, too.
    if (contractWindow === undefined || contractWindowGradient === undefined) return Promise.resolve();
    const { batch, stages } = geometryOfStages(drawn);
    const { channels } = drawn;
    const options = { stride, padding: (kernel - 1) / 2, groups: channels };
    const window = convolutionGeometry("contractWindow", [batch, channels, height, width], [channels, 1, kernel, kernel], options);
    const columns = window.outHeight * window.outWidth;
    const last = stages.at(-1)!;
    const weights = stages.map((stage) => stage.weights * stage.outputs * stage.inputs);
    const lengths = [batch * channels * height * width, channels * kernel ** 2, batch * last.groups * last.outputs * columns, ...weights];
    const ofStages = stages.reduce((sum, { inputs, outputs, groups }) => sum + inputs + outputs + groups, 0);
    return contraction(
      lengths.map((length, i) => floating(subject.values(seed + i, length, "normal"))),
      kernel ** 2 + batch * columns + ofStages,
      (k, [x, w, g, ...list]) => {
        const gradient = k.contractWindowGradient!(x!, w!, list, g!, { window, stages });
        return [k.contractWindow!(x!, w!, list, { window, stages }), gradient.x, gradient.w, ...gradient.weights];
      },
    );
  };

  it("contractWindow and its gradients: any window, whole and broken rows", () =>
    holds(subject, fc.asyncProperty(seeds, drawnStages({ batch: 5, channels: 12, columns: 1 }), stagesWindows, contractBehindWindow), 80));

  it("contractWindow and its gradients: several bands of an image, several images of a range", () =>
    holds(
      subject,
      fc.asyncProperty(
        seeds,
        fc.oneof(drawnStages({ batch: 40, channels: 6, columns: 1 }), drawnStages({ batch: 2, channels: 40, columns: 1 })),
        fc.constantFrom({ height: 32, width: 32, kernel: 3, stride: 1 }, { height: 32, width: 32, kernel: 3, stride: 2 }),
        contractBehindWindow,
      ),
      12,
    ));

  /** A sum of sums: the roundings of the inner sum and of the outer one add up. */
  const separate = async (seed: number, config: SeparableCase, kinds: readonly (ValueKind | undefined)[]): Promise<void> => {
    const geometry = geometryOfSeparable(config);
    const { window, outChannels } = geometry;
    const [taps, positions] = [window.kernelHeight * window.kernelWidth, window.outHeight * window.outWidth];
    const lengths = [
      window.batch * window.inChannels * window.height * window.width,
      window.inChannels * taps,
      outChannels * window.inChannels,
      window.batch * outChannels * positions,
      window.batch * outChannels * positions,
    ];
    const inputs = lengths.map((length, i) => floating(subject.values(seed + i, length, kinds[i])));
    const run = separableRun(geometry);
    const magnitudes = onReference(inputs.map(absolute), run);
    const terms = [taps + window.inChannels, outChannels + taps, taps + window.batch * positions, outChannels + window.batch * positions];
    terms.push(taps + window.inChannels + 1);
    await conforms(subject, { inputs, run, bound: (precision) => magnitudes.map((of, i) => sumBound(terms[i]!, of, precision)) });
  };

  it("separableConv2d and its gradients: any window, whole and broken rows, several bands", () =>
    holds(
      subject,
      fc.asyncProperty(seeds, separables, (seed, config) => separate(seed, config, [])),
      25,
    ));

  it("separableConv2d and its gradients: a window on images without pixels reads padding alone", () =>
    separate(0, { x: [2, 3, 0, 0], outChannels: 2, kernel: [1, 1], options: { stride: 1, padding: 1, dilation: 1 } }, []));

  if (subject.tolerance.paddingCounts)
    it("separableConv2d: NaN and ∞ reach the results they take part in, and no other", () =>
      holds(
        subject,
        fc.asyncProperty(seeds, separables, fc.integer({ min: 0, max: 4 }), (seed, config, at) =>
          separate(
            seed,
            config,
            [0, 1, 2, 3, 4].map((i) => (i === at ? "nonFinite" : "normal")),
          ),
        ),
        25,
      ));

  for (const [name, { run, operands, terms }] of Object.entries(convolutionKernels)) {
    const convolve = async (seed: number, config: ConvolutionShapes, kind: ValueKind, secondKind?: ValueKind): Promise<void> => {
      const geometry = geometryOf(config);
      const [first, second] = operands(sizesOf(geometry));
      await contraction(
        [floating(subject.values(seed, first, kind)), floating(subject.values(seed + 1, second, secondKind))],
        terms(geometry),
        run(geometry),
      );
    };

    it(`${name}: strides, paddings, dilations, groups, rectangles, empty sizes`, () =>
      holds(
        subject,
        fc.asyncProperty(seeds, convolutions(), (seed, config) => convolve(seed, config, "normal")),
        200,
      ));

    it(`${name}: dense, grouped and depthwise, as networks have them`, () =>
      holds(
        subject,
        fc.asyncProperty(seeds, networkConvolutions, (seed, config) => convolve(seed, config, "normal")),
        12,
      ));

    it(`${name}: rows and channels of fours`, () =>
      holds(
        subject,
        fc.asyncProperty(seeds, convolutionsOfFours, (seed, config) => convolve(seed, config, "normal")),
        80,
      ));

    it(`${name}: NaN and ∞ reach the results they take part in, and no other`, () =>
      holds(
        subject,
        fc.asyncProperty(seeds, convolutions({ maxChannels: 6 }), (seed, config) => convolve(seed, config, "nonFinite")),
        60,
      ));

    if (subject.tolerance.paddingCounts)
      it(`${name}: NaN and ∞ in both operands, where the zeros of the padding take part`, () =>
        holds(
          subject,
          fc.asyncProperty(
            seeds,
            fc.oneof({ weight: 5, arbitrary: convolutions({ maxChannels: 6 }) }, { weight: 1, arbitrary: networkConvolutions }),
            (seed, config) => convolve(seed, config, "nonFinite", "nonFinite"),
          ),
          60,
        ));
  }
}
