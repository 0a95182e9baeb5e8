/** The finite-difference table. It has a row for every differentiable function that a file of src/ops exports. */

import fc from "fast-check";
import { type Activation, activations } from "../../src/backend/kernels.ts";
import { Random } from "../../src/core/random.ts";
import { broadcastShapes, type Shape, sizeOf } from "../../src/core/shape.ts";
import { cumsum, prod } from "../../src/ops/accumulate.ts";
import { addInPlace } from "../../src/ops/add-in-place.ts";
import * as norm from "../../src/ops/batch-norm.ts";
import { butterflyMatrix, butterflyMatrixComposed } from "../../src/ops/butterfly-matrix.ts";
import * as affine from "../../src/ops/channel-affine.ts";
import { contractChannels, contractChannelsComposed, type Stage } from "../../src/ops/contract-channels.ts";
import { contractWindow } from "../../src/ops/contract-window.ts";
import { conv2d, convTranspose2d } from "../../src/ops/convolution.ts";
import { cosineTransform } from "../../src/ops/cosine-transform.ts";
import { tensor, zeros } from "../../src/ops/creation.ts";
import { softmaxCrossEntropy, softmaxCrossEntropyComposed } from "../../src/ops/cross-entropy.ts";
import { dropout, dropPath } from "../../src/ops/dropout.ts";
import { einsum } from "../../src/ops/einsum.ts";
import * as elementwise from "../../src/ops/elementwise.ts";
import { applyEpilogue, applyInPlace, beforeActivation, type Epilogue } from "../../src/ops/epilogue.ts";
import { gather, scatterAdd } from "../../src/ops/indexing.ts";
import * as layout from "../../src/ops/layout.ts";
import { matmul } from "../../src/ops/matmul.ts";
import { normContractWindow, normContractWindowComposed } from "../../src/ops/norm-contract-window.ts";
import * as normSeparable from "../../src/ops/norm-separable-convolution.ts";
import * as pooling from "../../src/ops/pooling.ts";
import type { ReduceOptions } from "../../src/ops/reduce-axes.ts";
import * as reductions from "../../src/ops/reductions.ts";
import { reshape } from "../../src/ops/reshape.ts";
import * as separable from "../../src/ops/separable-convolution.ts";
import { logSoftmax, softmax } from "../../src/ops/softmax.ts";
import { sort, topk } from "../../src/ops/sorting.ts";
import * as broadcast from "../../src/ops/sum-and-broadcast.ts";
import { limitedNorm, limitedNormComposed } from "../../src/ops/weight-norm.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { convolutions, outputPaddingOf, poolings } from "../arbitraries/geometries.ts";
import { axisSubsets, broadcastPairs, permutations, shapes, shapesWithAxis, sizes } from "../arbitraries/shapes.ts";
import { drawnStages } from "../arbitraries/stages.ts";
import { indicesOf } from "../arbitraries/values.ts";
import { toTensor } from "../support/nd-array.ts";
import { distinctTensor, sample, sampleTensor } from "../support/sample.ts";
import { equations, operandsOf } from "./einsum-equations.ts";
import { type GradientRow, row } from "./gradient-row.ts";

const small = { maxRank: 3, maxSize: 3 };
const pairs = broadcastPairs(small);

type Binary = (a: Tensor, b: Tensor) => Tensor;

/** An elementwise op. Its inputs are drawn from [low, high), where it is smooth. */
const unary = (f: (x: Tensor) => Tensor, low = -2, high = 2): GradientRow =>
  row(shapes(small), (shape, seed) => ({ f, inputs: [sampleTensor(shape, seed, low, high)] }));

/** An elementwise op that has kinks at multiples of 0.1. Its inputs stay away from them. */
const kinked = (f: (x: Tensor) => Tensor): GradientRow =>
  row(shapes(small), (shape, seed) => ({ f, inputs: [distinctTensor(shape, seed)] }));

/** An op of two operands, each drawn from its range. */
const binary = (f: Binary, ranges: { a?: [number, number]; b?: [number, number] } = {}): GradientRow =>
  row(pairs, ({ a, b }, seed) => ({
    f,
    inputs: [sampleTensor(a, seed, ...(ranges.a ?? [])), sampleTensor(b, seed + 1, ...(ranges.b ?? []))],
  }));

/** An op that chooses between a and b. They are drawn from interleaved grids, so they are never equal. */
const choosing = (f: Binary): GradientRow =>
  row(pairs, ({ a, b }, seed) => ({ f, inputs: [distinctTensor(a, seed, 0), distinctTensor(b, seed + 1, 1)] }));

/** A chain of products along the channels, with the input and all weights as inputs. */
const ofLogits = (f: typeof softmaxCrossEntropy): GradientRow =>
  row(fc.tuple(sizes(4, false), sizes(4, false), fc.constantFrom(0, 0.2)), ([rows, classes, labelSmoothing], seed) => ({
    f: (x) => {
      const labels = Int32Array.from({ length: rows }, (_, n) => (7 * n) % classes);
      return f(x, labels, labelSmoothing);
    },
    inputs: [sampleTensor([rows, classes], seed)],
  }));

const ofTwiddle = (f: typeof butterflyMatrix): GradientRow =>
  row(fc.tuple(fc.integer({ min: 1, max: 3 }), sizes(8, false), sizes(8, false)), ([stages, rows, columns], seed) => ({
    f: (twiddle) => f(twiddle, Math.min(rows, 2 ** stages), Math.min(columns, 2 ** stages)),
    inputs: [sampleTensor([stages, 2 ** (stages - 1), 2, 2], seed)],
  }));

/** The sum of squares is far from where the maximum has its kink. */
const ofFactor = (f: typeof limitedNorm): GradientRow =>
  row(fc.tuple(shapes({ ...small, empty: false }), fc.constantFrom(0.001, 10)), ([shape, factor], seed) => ({
    f: (x, gain) => f(x, gain!, factor),
    inputs: [sampleTensor(shape, seed, 0.5, 2), sampleTensor([1], seed + 1)],
  }));

const ofStages = (f: typeof contractChannels): GradientRow =>
  row(drawnStages({ batch: 2, channels: 6, columns: 2 }), ({ batch, channels, columns, stages }, seed) => ({
    f: (x, ...weights) =>
      f(
        x,
        stages.map(({ equation, sizes }, s): Stage => [equation, weights[s]!, sizes]),
      ),
    inputs: [sampleTensor([batch, channels, columns], seed), ...stages.map(({ weight }, s) => sampleTensor(weight, seed + s + 1))],
  }));

interface Reduction {
  readonly shape: Shape;
  readonly axes: number[] | undefined;
  readonly keepDims: boolean;
}

const reductionsOf = (empty: boolean): fc.Arbitrary<Reduction> =>
  shapes({ ...small, empty }).chain((shape) =>
    fc.record({ shape: fc.constant(shape), axes: fc.option(axisSubsets(shape.length), { nil: undefined }), keepDims: fc.boolean() }),
  );

const reduction = (
  f: (x: Tensor, options: ReduceOptions) => Tensor,
  { empty = true, draw = sampleTensor }: { empty?: boolean; draw?: (shape: Shape, seed: number) => Tensor } = {},
): GradientRow =>
  row(reductionsOf(empty), ({ shape, axes, keepDims }, seed) => ({
    f: (x) => f(x, { keepDims, ...(axes === undefined ? {} : { axes }) }),
    inputs: [draw(shape, seed)],
  }));

const alongAxis = (f: (x: Tensor, axis: number) => Tensor): GradientRow =>
  row(shapesWithAxis(small), ({ shape, axis }, seed) => ({ f: (x) => f(x, axis), inputs: [sampleTensor(shape, seed)] }));

const images = fc.record({
  batch: fc.integer({ min: 1, max: 2 }),
  channels: fc.integer({ min: 1, max: 2 }),
  inner: shapes({ maxRank: 2, maxSize: 3, empty: false }),
});
type Images = { readonly batch: number; readonly channels: number; readonly inner: readonly number[] };

const drawnActivation = fc.constantFrom<(Activation | undefined)[]>(undefined, ...activations);
/** Constants below, between and above the kinks of the activations, which are at 0 and 6. */
const levels = (shape: Shape): Tensor =>
  tensor(
    Float64Array.from({ length: sizeOf(shape) }, (_, i) => [-3, 3, 9][i % 3]!),
    { shape },
  );

/**
 * A normalisation, or a scale and a shift, of x by two vectors, with an epilogue. Each channel has at least 3 values, because a
 * normalisation of fewer is nearly a step function. Before an activation, the result is kept away from the kinks.
 */
const ofChannels = (f: (x: Tensor, scale: Tensor, shift: Tensor, then: Epilogue) => Tensor): GradientRow =>
  row(fc.tuple(images, fc.boolean(), drawnActivation), ([{ batch, channels, inner }, adds, activation], seed) => {
    const shape = [batch + 2, channels, ...inner];
    const small = (t: Tensor): Tensor => (activation === undefined ? t : elementwise.multiply(t, 0.1));
    const placed = (t: Tensor): Tensor => (activation === undefined ? t : elementwise.add(small(t), levels(t.shape)));
    return {
      f: (x, scale, shift, addend) =>
        f(x, small(scale!), addend ? small(shift!) : placed(shift!), { addend: addend && placed(addend), activation }),
      inputs: [shape, [channels], [channels], ...(adds ? [shape] : [])].map((size, i) => sampleTensor(size, seed + i)),
    };
  });

const window = { maxBatch: 2, maxChannels: 2, maxGroups: 2, maxSize: 4, maxKernel: 3 };
/** A depthwise window and a map. The convolution has one group, whose sizes are those of the map. */
const separableRow = (f: typeof separable.separableConv2d): GradientRow =>
  row(
    fc.tuple(convolutions({ ...window, maxGroups: 1 }), fc.boolean()),
    (
      [
        {
          x,
          w: [outChannels, channels, ...kernel],
          options: { groups: _, ...options },
        },
        adds,
      ],
      seed,
    ) => {
      const sizes = [x, [channels, 1, ...kernel], [outChannels, channels]];
      const y = separable.separableConv2d(...(sizes.map((size) => sampleTensor(size, 0)) as [Tensor, Tensor, Tensor]), options).shape;
      return {
        f: (image, weight, map, addend) => f(image, weight!, map!, options, addend),
        inputs: [...sizes, ...(adds ? [y] : [])].map((shape, i) => sampleTensor(shape, seed + i)),
      };
    },
  );

/** Stages behind a window, a norm and an activation, as in `normSeparableRow`. */
const normWindowRow = (f: typeof normContractWindow): GradientRow =>
  row(
    fc.tuple(drawnStages({ batch: 1, channels: 4, columns: 1 }), fc.integer({ min: 1, max: 2 }), fc.constantFrom(...activations)),
    ([{ batch, channels, stages }, stride, activation], seed) => ({
      f: (x, w, gamma, beta, ...weights) => {
        const [scale, shift] = [gamma!, beta!].map((t) => elementwise.multiply(t, 0.1)) as [Tensor, Tensor];
        const norm = { gamma: scale, beta: elementwise.add(shift, levels(shift.shape)), epsilon: 1e-2, activation };
        const list = stages.map(({ equation, sizes }, s): Stage => [equation, weights[s]!, sizes]);
        return f(x!, norm, w!, list, { stride, padding: 1 }).y;
      },
      inputs: [[batch + 3, channels, 3, 3], [channels, 1, 3, 3], [channels], [channels], ...stages.map(({ weight }) => weight)].map(
        (shape, i) => sampleTensor(shape, seed + i),
      ),
    }),
  );

/**
 * The same behind a norm and an activation. The norm's results are kept away from the kinks of the activation, and each channel has at least
 * 4 values.
 */
const normSeparableRow = (f: typeof normSeparable.normSeparableConv2d): GradientRow =>
  row(
    fc.tuple(convolutions({ ...window, maxGroups: 1, empty: false }), fc.constantFrom(...activations)),
    (
      [
        {
          x,
          w: [outChannels, channels, ...kernel],
          options: { groups: _, ...options },
        },
        activation,
      ],
      seed,
    ) => ({
      f: (image, weight, map, gamma, beta, addend) => {
        const [scale, shift] = [gamma!, beta!].map((t) => elementwise.multiply(t, 0.1)) as [Tensor, Tensor];
        const norm = { gamma: scale, beta: elementwise.add(shift, levels(shift.shape)), epsilon: 1e-2, activation };
        return f(image, norm, weight!, map!, options, addend).y;
      },
      inputs: [[x[0]! + 3, ...x.slice(1)], [channels, 1, ...kernel], [outChannels, channels], [channels], [channels]].map((shape, i) =>
        sampleTensor(shape, seed + i),
      ),
    }),
  );

/** Poolings of images that hold a window, with padding before the image or after it, in ceil mode or not. */
const pooled = (f: (x: Tensor, options: pooling.AveragePoolingOptions) => Tensor): GradientRow =>
  row(
    fc.tuple(poolings({ ...window, empty: false }), fc.boolean(), fc.boolean(), fc.boolean()),
    ([{ x, w, options }, before, ceilMode, countIncludePad], seed) => {
      const kernel: [number, number] = [w[2], w[3]];
      const image = [Math.max(x[2], w[2]), Math.max(x[3], w[3])];
      const [height, width] = [w[2] - 1, w[3] - 1];
      const padding = before ? { top: height, left: 0, bottom: 0, right: width } : { top: 0, left: width, bottom: height, right: 0 };
      const { stride } = options;
      return {
        f: (input) => f(input, { kernel, stride, padding, ceilMode, countIncludePad }),
        inputs: [distinctTensor([x[0], x[1], ...image], seed)],
      };
    },
  );

const gathers = shapesWithAxis({ ...small, empty: false }).chain(({ shape, axis }) =>
  fc.record({ shape: fc.constant(shape), axis: fc.constant(axis), at: shapes({ maxRank: 2, maxSize: 3 }) }),
);

const products = fc
  .record({
    batch: broadcastPairs({ maxRank: 2, maxSize: 2 }),
    sizes: fc.tuple(...[0, 1, 2].map(() => fc.integer({ min: 0, max: 3 }))),
    transposeA: fc.boolean(),
    transposeB: fc.boolean(),
  })
  .map(({ batch, sizes: [m, k, n], transposeA, transposeB }) => ({
    a: [...batch.a, ...(transposeA ? [k!, m!] : [m!, k!])],
    b: [...batch.b, ...(transposeB ? [n!, k!] : [k!, n!])],
    transposeA,
    transposeB,
  }));

/** 0 or 1 for each element. */
const condition = (shape: Shape, seed: number): Tensor => toTensor({ shape, values: sample(shape, seed).values.map((v) => Number(v > 0)) });

/** The rows by `file/function`. */
export const gradientTable: Readonly<Record<string, GradientRow>> = {
  "elementwise/add": binary(elementwise.add),
  "elementwise/subtract": binary(elementwise.subtract),
  "elementwise/multiply": binary(elementwise.multiply),
  "elementwise/divide": binary(elementwise.divide, { b: [0.5, 2] }),
  "elementwise/power": binary(elementwise.power, { a: [0.5, 2] }),
  "elementwise/maximum": choosing(elementwise.maximum),
  "elementwise/minimum": choosing(elementwise.minimum),
  "elementwise/reluGradient": row(pairs, ({ a, b }, seed) => ({
    f: (g) => elementwise.reluGradient(distinctTensor(a, seed), g),
    inputs: [sampleTensor(b, seed + 1)],
  })),
  "elementwise/where": row(pairs, ({ a, b, out }, seed) => ({
    f: (x, y) => elementwise.where(condition(out, seed), x, y),
    inputs: [sampleTensor(a, seed + 1), sampleTensor(b, seed + 2)],
  })),
  "elementwise/negate": unary(elementwise.negate),
  "elementwise/log": unary(elementwise.log, 0.5, 3),
  "elementwise/exp": unary(elementwise.exp),
  "elementwise/expm1": unary(elementwise.expm1),
  "elementwise/log1p": unary(elementwise.log1p, -0.5, 2),
  "elementwise/sqrt": unary(elementwise.sqrt, 0.5, 3),
  "elementwise/reciprocalSqrt": unary(elementwise.reciprocalSqrt, 0.5, 3),
  "elementwise/reciprocal": unary(elementwise.reciprocal, 0.5, 3),
  "elementwise/absolute": kinked(elementwise.absolute),
  "elementwise/sin": unary(elementwise.sin),
  "elementwise/cos": unary(elementwise.cos),
  "elementwise/tanh": unary(elementwise.tanh),
  "elementwise/sigmoid": unary(elementwise.sigmoid),
  "elementwise/erf": unary(elementwise.erf),
  "elementwise/normalCdf": unary(elementwise.normalCdf),
  "elementwise/relu": kinked(elementwise.relu),
  "elementwise/gelu": unary(elementwise.gelu),
  "elementwise/geluGradient": binary(elementwise.geluGradient, { a: [-3, 3] }),
  "elementwise/clamp": kinked((x) => elementwise.clamp(x, -0.3, 0.5)),
  "elementwise/relu6": kinked((x) => elementwise.relu6(elementwise.add(elementwise.multiply(x, 10), 3))),
  "elementwise/cast": unary((x) => elementwise.cast(x, "float64")),

  "reshape/reshape": row(shapes(small), (shape, seed) => ({
    f: (x) => reshape(x, [...shape].reverse()),
    inputs: [sampleTensor(shape, seed)],
  })),
  "sum-and-broadcast/sum": reduction(broadcast.sum),
  "sum-and-broadcast/sumTo": row(pairs, ({ a, out }, seed) => ({ f: (x) => broadcast.sumTo(x, a), inputs: [sampleTensor(out, seed)] })),
  "sum-and-broadcast/broadcastTo": row(pairs, ({ a, out }, seed) => ({
    f: (x) => broadcast.broadcastTo(x, out),
    inputs: [sampleTensor(a, seed)],
  })),

  "reductions/mean": reduction(reductions.mean, { empty: false }),
  "reductions/variance": row(
    fc.tuple(shapes({ ...small, maxRank: 2, empty: false }), fc.integer({ min: 0, max: 1 }), fc.boolean()),
    ([shape, correction, keepDims], seed) => ({
      f: (x) => reductions.variance(x, { axes: 0, correction, keepDims }),
      inputs: [sampleTensor([3, ...shape], seed)],
    }),
  ),
  "reductions/max": reduction(reductions.max, { empty: false, draw: distinctTensor }),
  "reductions/min": reduction(reductions.min, { empty: false, draw: distinctTensor }),
  "reductions/logSumExp": reduction(reductions.logSumExp, { empty: false }),

  "accumulate/prod": reduction(prod),
  "accumulate/cumsum": alongAxis(cumsum),

  "sorting/sort": row(fc.tuple(shapesWithAxis(small), fc.boolean()), ([{ shape, axis }, descending], seed) => ({
    f: (x) => sort(x, { axis, descending }).values,
    inputs: [distinctTensor(shape, seed)],
  })),
  "sorting/topk": row(fc.tuple(shapesWithAxis(small), fc.boolean(), fc.nat()), ([{ shape, axis }, largest, k], seed) => ({
    f: (x) => topk(x, k % (shape[axis]! + 1), { axis, largest }).values,
    inputs: [distinctTensor(shape, seed)],
  })),

  "softmax/softmax": alongAxis(softmax),
  "softmax/logSoftmax": alongAxis(logSoftmax),

  "indexing/gather": row(gathers, ({ shape, axis, at }, seed) => ({
    f: (x) => gather(x, tensor(indicesOf(seed, sizeOf(at), shape[axis]!), { shape: at }), axis),
    inputs: [sampleTensor(shape, seed)],
  })),
  "indexing/scatterAdd": row(gathers, ({ shape, axis, at }, seed) => ({
    f: (y) => scatterAdd(y, tensor(indicesOf(seed, sizeOf(at), shape[axis]!), { shape: at }), shape, axis),
    inputs: [sampleTensor([...shape.slice(0, axis), ...at, ...shape.slice(axis + 1)], seed)],
  })),

  "cosine-transform/cosineTransform": row(
    fc.record({ along: shapesWithAxis({ ...small, maxSize: 7 }), transpose: fc.boolean() }),
    ({ along: { shape, axis }, transpose }, seed) => ({
      f: (x) => cosineTransform(x, { axis, transpose }),
      inputs: [sampleTensor(shape, seed)],
    }),
  ),

  "layout/permute": row(
    shapes(small).chain((shape) => fc.tuple(fc.constant(shape), permutations(shape.length))),
    ([shape, axes], seed) => ({ f: (x) => layout.permute(x, axes), inputs: [sampleTensor(shape, seed)] }),
  ),
  "layout/transpose": row(shapes({ ...small, minRank: 2 }), (shape, seed) => ({
    f: (x) => layout.transpose(x),
    inputs: [sampleTensor(shape, seed)],
  })),
  "layout/slice": row(
    shapes({ ...small, maxSize: 5 }).chain((shape) =>
      fc.tuple(
        fc.constant(shape),
        fc.tuple(
          ...shape.map((size) =>
            fc.tuple(fc.integer({ min: -size, max: size }), fc.integer({ min: -size, max: size }), fc.integer({ min: 1, max: 3 })),
          ),
        ),
      ),
    ),
    ([shape, ranges], seed) => ({ f: (x) => layout.slice(x, ranges), inputs: [sampleTensor(shape, seed)] }),
  ),
  "layout/flip": row(
    shapes(small).chain((shape) => fc.tuple(fc.constant(shape), axisSubsets(shape.length))),
    ([shape, axes], seed) => ({ f: (x) => layout.flip(x, axes), inputs: [sampleTensor(shape, seed)] }),
  ),
  "layout/diagonal": row(
    fc.tuple(shapes({ ...small, maxRank: 1 }), fc.integer({ min: 0, max: 3 }), fc.integer({ min: 2, max: 3 })),
    ([shape, size, count], seed) => ({
      f: (x) => layout.diagonal(x, count === 2 ? [0, -1] : [0, -2, -1]),
      inputs: [sampleTensor([size, ...shape, ...Array.from({ length: count - 1 }, () => size)], seed)],
    }),
  ),
  "layout/pad": row(
    shapes(small).chain((shape) =>
      fc.tuple(fc.constant(shape), fc.tuple(...shape.map(() => fc.tuple(fc.nat({ max: 2 }), fc.nat({ max: 2 })))), fc.constantFrom(0, 1.5)),
    ),
    ([shape, widths, value], seed) => ({ f: (x) => layout.pad(x, widths, value), inputs: [sampleTensor(shape, seed)] }),
  ),
  "layout/concat": row(
    fc.tuple(shapesWithAxis(small), fc.array(fc.nat({ max: 3 }), { minLength: 1, maxLength: 3 })),
    ([{ shape, axis }, lengths], seed) => ({
      f: (...parts) => layout.concat(parts, axis),
      inputs: lengths.map((length, i) => sampleTensor(shape.with(axis, length), seed + i)),
    }),
  ),
  "layout/stack": row(
    shapes(small).chain((shape) =>
      fc.record({ shape: fc.constant(shape), axis: fc.nat({ max: shape.length }), count: fc.integer({ min: 1, max: 3 }) }),
    ),
    ({ shape, axis, count }, seed) => ({
      f: (...parts) => layout.stack(parts, axis),
      inputs: Array.from({ length: count }, (_, i) => sampleTensor(shape, seed + i)),
    }),
  ),
  "layout/tile": row(
    shapes(small).chain((shape) => fc.tuple(fc.constant(shape), fc.tuple(...shape.map(() => fc.nat({ max: 3 }))))),
    ([shape, counts], seed) => ({ f: (x) => layout.tile(x, counts), inputs: [sampleTensor(shape, seed)] }),
  ),

  "matmul/matmul": row(products, ({ a, b, transposeA, transposeB }, seed) => ({
    f: (x, y) => matmul(x, y, { transposeA, transposeB }),
    inputs: [sampleTensor(a, seed), sampleTensor(b, seed + 1)],
  })),
  "einsum/einsum": row(equations, (drawn, seed) => ({
    f: (...operands) => einsum(drawn.equation, ...operands),
    inputs: operandsOf(drawn, seed).map((operand) => toTensor(operand)),
  })),
  "contract-channels/contractChannels": ofStages(contractChannels),
  "contract-channels/contractChannelsComposed": ofStages(contractChannelsComposed),
  "contract-window/contractWindow": row(
    fc.tuple(drawnStages({ batch: 2, channels: 4, columns: 1 }), fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 2 })),
    ([{ batch, channels, stages }, stride, dilation], seed) => ({
      f: (x, w, ...weights) =>
        contractWindow(
          x!,
          w!,
          stages.map(({ equation, sizes }, s): Stage => [equation, weights[s]!, sizes]),
          { stride, dilation, padding: 1 },
        ),
      inputs: [
        sampleTensor([batch, channels, 3, 2], seed),
        sampleTensor([channels, 1, 2, 2], seed + 8),
        ...stages.map(({ weight }, s) => sampleTensor(weight, seed + s + 1)),
      ],
    }),
  ),
  "convolution/conv2d": row(convolutions(window), ({ x, w, options }, seed) => ({
    f: (image, weight) => conv2d(image, weight, options),
    inputs: [sampleTensor(x, seed), sampleTensor(w, seed + 1)],
  })),

  "convolution/convTranspose2d": row(convolutions({ ...window, empty: false }), (drawn, seed) => {
    const { x, w, options, sides } = drawn;
    const y = conv2d(sampleTensor(x, seed), sampleTensor(w, seed), options);
    return {
      f: (image, weight) => convTranspose2d(image, weight, { ...options, padding: sides, outputPadding: outputPaddingOf(drawn, y.shape) }),
      inputs: [sampleTensor(y.shape, seed), sampleTensor(w, seed + 1)],
    };
  }),

  "separable-convolution/separableConv2d": separableRow(separable.separableConv2d),
  "separable-convolution/separableConv2dComposed": separableRow(separable.separableConv2dComposed),

  "norm-contract-window/normContractWindow": normWindowRow(normContractWindow),
  "norm-contract-window/normContractWindowComposed": normWindowRow(normContractWindowComposed),

  "norm-separable-convolution/normSeparableConv2d": normSeparableRow(normSeparable.normSeparableConv2d),
  "norm-separable-convolution/normSeparableConv2dComposed": normSeparableRow(normSeparable.normSeparableConv2dComposed),

  "pooling/maxPool2d": pooled((x, { countIncludePad: _, ...options }) => pooling.maxPool2d(x, options)),
  "pooling/avgPool2d": pooled(pooling.avgPool2d),
  "pooling/globalAvgPool2d": row(shapes({ minRank: 4, maxRank: 4, maxSize: 3, empty: false }), (shape, seed) => ({
    f: pooling.globalAvgPool2d,
    inputs: [sampleTensor(shape, seed)],
  })),
  "pooling/globalMaxPool2d": row(shapes({ minRank: 4, maxRank: 4, maxSize: 3, empty: false }), (shape, seed) => ({
    f: pooling.globalMaxPool2d,
    inputs: [distinctTensor(shape, seed)],
  })),

  "cross-entropy/softmaxCrossEntropy": ofLogits(softmaxCrossEntropy),
  "cross-entropy/softmaxCrossEntropyComposed": ofLogits(softmaxCrossEntropyComposed),
  "butterfly-matrix/butterflyMatrix": ofTwiddle(butterflyMatrix),
  "butterfly-matrix/butterflyMatrixComposed": ofTwiddle(butterflyMatrixComposed),
  "weight-norm/limitedNorm": ofFactor(limitedNorm),
  "weight-norm/limitedNormComposed": ofFactor(limitedNormComposed),

  "batch-norm/batchNorm": ofChannels((x, gamma, beta, then) => norm.batchNorm(x, gamma, beta, 1e-2, then).y),
  "batch-norm/batchNormComposed": ofChannels((x, gamma, beta, then) => norm.batchNormComposed(x, gamma, beta, 1e-2, then).y),
  "batch-norm/batchNormInference": row(images, ({ batch, channels, inner }: Images, seed) => ({
    f: (x, gamma, beta, mean, variance) => norm.batchNormInference(x, gamma!, beta!, mean!, variance!, 1e-2),
    inputs: [
      sampleTensor([batch, channels, ...inner], seed),
      ...[1, 2, 3].map((i) => sampleTensor([channels], seed + i)),
      sampleTensor([channels], seed + 4, 0.5, 2),
    ],
  })),
  "batch-norm/inferenceAffine": row(images, ({ channels }: Images, seed) => ({
    f: (gamma, beta, mean, variance) => {
      const { scale, shift } = norm.inferenceAffine(gamma, beta!, mean!, variance!, 1e-2);
      return layout.concat([scale, shift]);
    },
    inputs: [...[1, 2, 3].map((i) => sampleTensor([channels], seed + i)), sampleTensor([channels], seed + 4, 0.5, 2)],
  })),

  "channel-affine/channelAffine": ofChannels(affine.channelAffine),
  "channel-affine/channelAffineComposed": ofChannels((x, scale, shift, then) =>
    applyEpilogue(affine.channelAffineComposed(x, scale, shift), then),
  ),
  "channel-affine/perChannel": row(images, ({ batch, channels, inner }: Images, seed) => ({
    f: (vector) => affine.perChannel(vector, zeros([batch, channels, ...inner])),
    inputs: [sampleTensor([channels], seed)],
  })),
  "epilogue/applyEpilogue": ofChannels((x, scale, shift, then) => applyEpilogue(affine.channelAffine(x, scale, shift), then)),
  "epilogue/applyInPlace": ofChannels((x, scale, shift, then) => applyInPlace(affine.channelAffine(x, scale, shift), then)),
  "add-in-place/addInPlace": row(broadcastPairs(small), ({ a, b }, seed) => {
    const shape = broadcastShapes("addInPlace", a, b);
    return {
      f: (x, w, addend) => addInPlace(elementwise.multiply(x, w!), addend!),
      inputs: [shape, shape, b].map((size, i) => sampleTensor(size, seed + i)),
    };
  }),
  "epilogue/beforeActivation": row(fc.tuple(shapes(small), drawnActivation), ([shape, activation], seed) => ({
    f: (g) => beforeActivation(activation, levels(shape), g),
    inputs: [sampleTensor(shape, seed)],
  })),

  "dropout/dropout": row(shapes(small), (shape, seed) => ({
    f: (x) => dropout(x, 0.4, { training: true, random: new Random(seed) }),
    inputs: [sampleTensor(shape, seed)],
  })),
  "dropout/dropPath": row(shapes({ ...small, minRank: 1 }), (shape, seed) => ({
    f: (x) => dropPath(x, 0.4, { training: true, random: new Random(seed) }),
    inputs: [sampleTensor(shape, seed)],
  })),
};

/** The functions without a row, each with the reason. */
export const withoutGradient: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ["equal", "notEqual", "less", "lessEqual", "greater", "greaterEqual"].map((name) => [`elementwise/${name}`, "piecewise constant"]),
  ),
  ...Object.fromEntries(["sign", "floor", "not", "isNaN", "isFinite"].map((name) => [`elementwise/${name}`, "piecewise constant"])),
  ...Object.fromEntries(
    ["tensor", "constantTensor", "full", "zeros", "ones", "arange", "eye", "drawn", "uniform", "normal"].map((name) => [
      `creation/${name}`,
      "makes leaves",
    ]),
  ),
  ...Object.fromEntries(
    ["output", "asTensor", "checkDType", "checkFloating", "checkIndices"].map((name) => [`output/${name}`, "no op: what ops share"]),
  ),
  ...Object.fromEntries(["keptShape", "droppedShape", "splitAt"].map((name) => [`reduce-axes/${name}`, "arithmetic on shapes"])),
  "reduce-axes/reduceAxes": "the value of sum and max, which record it",
  "reductions/argmax": "integer-valued",
  "reductions/constantMax": "a constant by contract: its derivative cancels",
  "batch-norm/updateRunning": "never recorded, by contract",
  "batch-norm/besselCorrection": "a number",
  "contract-channels/stagesOperands": "no op: what ops share",
  "contract-window/windowContraction": "no op: what ops share",
  "norm-separable-convolution/checkPrecedingNorm": "no op: what ops share",
  "batch-norm/batchNormGradientComposed": "a VJP: the second derivatives of its op are its test",
  "separable-convolution/separableGradientComposed": "a VJP: the second derivatives of its op are its test",
  ...Object.fromEntries(["checkedGeometry", "checkedShape"].map((name) => [`separable-convolution/${name}`, "no op: what ops share"])),
  ...Object.fromEntries(["otherAxes", "channelGeometry"].map((name) => [`channel-affine/${name}`, "arithmetic on shapes"])),
  ...Object.fromEntries(["checkEpilogue", "epilogueStorages"].map((name) => [`epilogue/${name}`, "no op: what ops share"])),
  "contraction-order/contractionOrder": "a plan, not an op",
  "contraction-order/labelledSize": "a number",
  ...Object.fromEntries(
    ["arrangement", "greedyTree", "intervalTree", "leftToRightTree"].map((name) => [`contraction-heuristics/${name}`, "a plan, not an op"]),
  ),
  ...Object.fromEntries(["join", "leaf", "networkOf"].map((name) => [`contraction-tree/${name}`, "a plan, not an op"])),
  "einsum/einsumPlan": "a plan, not an op",
  "einsum/einsumMultiplyAdds": "a number",
};
