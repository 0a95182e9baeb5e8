/**
 * Ops that are composed of kernels in a way that a backend could break as a whole: what they compute on the backend under test is compared
 * with what they compute on the float64 reference.
 */

import fc from "fast-check";
import { it } from "vitest";
import { useBackend } from "../../src/backend/active.ts";
import { type Shape, sizeOf } from "../../src/core/shape.ts";
import { gradients } from "../../src/grad/gradients.ts";
import { cumsum, prod } from "../../src/ops/accumulate.ts";
import { butterflyMatrix } from "../../src/ops/butterfly-matrix.ts";
import { conv2d, convTranspose2d } from "../../src/ops/convolution.ts";
import { softmaxCrossEntropy } from "../../src/ops/cross-entropy.ts";
import { isFinite as isFiniteElement, isNaN as isNaNElement, multiply } from "../../src/ops/elementwise.ts";
import { matmul } from "../../src/ops/matmul.ts";
import { avgPool2d, maxPool2d } from "../../src/ops/pooling.ts";
import { min } from "../../src/ops/reductions.ts";
import { sort, topk } from "../../src/ops/sorting.ts";
import { sum } from "../../src/ops/sum-and-broadcast.ts";
import { limitedNorm } from "../../src/ops/weight-norm.ts";
import { enableGrad, noGrad } from "../../src/tape/tape.ts";
import { scope } from "../../src/tensor/scope.ts";
import type { Storage } from "../../src/tensor/storage.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { convolutions, geometryOf, outputPaddingOf, poolings } from "../arbitraries/geometries.ts";
import { broadcastPairs, shapesWithAxis } from "../arbitraries/shapes.ts";
import { seeds, type ValueKind } from "../arbitraries/values.ts";
import { absolute, conforms, floating, holds, onReference, type Run, type Subject } from "./conformance-harness.ts";
import { sumBound } from "./conformance-tolerance.ts";

/** Runs ops on inputs of these shapes, and leaves their results allocated and nothing else. */
const running =
  (shapes: readonly Shape[], compute: (...x: Tensor[]) => readonly Tensor[]): Run =>
  (k, inputs) => {
    const results: Storage[] = [];
    useBackend(k);
    try {
      scope(() => {
        const tensors = inputs.map((storage, i) => {
          storage.retain();
          return new Tensor(shapes[i]!, storage);
        });
        for (const { storage } of noGrad(() => compute(...tensors))) {
          // An op may return an operand's storage. The caller releases each storage once.
          if (![...inputs, ...results].includes(storage)) storage.retain();
          results.push(storage);
        }
      });
      return results;
    } finally {
      useBackend(undefined);
    }
  };

/** f(x) and its cotangents for the cotangent g of the result: what the backend computes at once, if it can. */
function withCotangents(f: (...x: Tensor[]) => Tensor, inputs: readonly Tensor[], g: Tensor): Tensor[] {
  const y = enableGrad(() => f(...inputs));
  return [y, ...gradients(y, inputs, { seed: g })];
}

/** The gradient of Σ v·(gradient of f with seed g): the VJPs that are composed of ops, because they are recorded. */
const secondCotangent = (f: (x: Tensor) => Tensor, x: Tensor, g: Tensor, v: Tensor): Tensor =>
  enableGrad(() => {
    const [first] = gradients(f(x), [x], { seed: g, createGraph: true });
    return gradients(sum(multiply(first!, v)), [x], { unused: "zeros" })[0]!;
  });

const butterflies = fc.integer({ min: 1, max: 4 }).chain((stages) =>
  fc.record({
    stages: fc.constant(stages),
    rows: fc.integer({ min: 1, max: 2 ** stages }),
    columns: fc.integer({ min: 1, max: 2 ** stages }),
  }),
);

/** Rows of logits with a label each. */
const classifications = fc
  .record({ rows: fc.integer({ min: 1, max: 600 }), classes: fc.integer({ min: 1, max: 12 }), labelSmoothing: fc.constantFrom(0, 0.1, 1) })
  .map((drawn) => (drawn.rows > 40 && drawn.rows < 560 ? { ...drawn, rows: drawn.rows % 40 || 1 } : drawn));

const alongAxis = shapesWithAxis({ maxRank: 3, maxSize: 9 });
const longAxis = fc.record({ shape: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 60, max: 150 })), axis: fc.constant(1) });
const anyKind = fc.constantFrom<ValueKind>("normal", "integers", "nonFinite", "extreme");

export function opConformance(subject: Subject): void {
  /** Results that must be those of the reference to the bit. */
  const exact = (shapes: readonly Shape[], seed: number, kind: ValueKind, compute: (...x: Tensor[]) => readonly Tensor[]): Promise<void> =>
    conforms(subject, {
      inputs: shapes.map((shape, i) => floating(subject.values(seed + i, sizeOf(shape), kind))),
      run: running(shapes, compute),
    });

  /** Results of at most `roundings` roundings each, of terms whose magnitudes the same ops give for the absolute values of the inputs. */
  const bounded = async (
    shapes: readonly Shape[],
    seed: number,
    roundings: number,
    compute: (...x: Tensor[]) => readonly Tensor[],
  ): Promise<void> => {
    const inputs = shapes.map((shape, i) => floating(subject.values(seed + i, sizeOf(shape))));
    const run = running(shapes, compute);
    const magnitudes = onReference(inputs.map(absolute), run);
    await conforms(subject, { inputs, run, bound: (precision) => magnitudes.map((size) => sumBound(roundings, size, precision)) });
  };

  it("sort and topk: ties, NaN, ±∞, empty axes, long axes", () =>
    holds(
      subject,
      fc.asyncProperty(
        seeds,
        anyKind,
        fc.oneof({ weight: 8, arbitrary: alongAxis }, { weight: 1, arbitrary: longAxis }),
        fc.boolean(),
        fc.nat(),
        (seed, kind, { shape, axis }, descending, draw) =>
          exact([shape], seed, kind, (x) => {
            const [all, some] = [sort(x, { axis, descending }), topk(x, draw % (shape[axis]! + 1), { axis, largest: descending })];
            return [all.values, all.indices, some.values, some.indices];
          }),
      ),
    ));

  it("min, isNaN and isFinite", () =>
    holds(
      subject,
      fc.asyncProperty(seeds, anyKind, alongAxis, (seed, kind, { shape, axis }) =>
        exact([shape], seed, kind, (x) => [min(x, { axes: axis }), isNaNElement(x), isFiniteElement(x)]),
      ),
    ));

  it("prod and cumsum", () =>
    holds(
      subject,
      fc.asyncProperty(seeds, fc.oneof({ weight: 8, arbitrary: alongAxis }, { weight: 1, arbitrary: longAxis }), (seed, { shape, axis }) =>
        bounded([shape], seed, 2 * shape[axis]!, (x) => [prod(x, { axes: axis }), cumsum(x, axis)]),
      ),
    ));

  it("convTranspose2d: strides, paddings of each side, outputPadding, dilations, groups", () =>
    holds(
      subject,
      fc.asyncProperty(seeds, convolutions({ empty: false }), (seed, drawn) => {
        const { w, options, sides } = drawn;
        const { batch, outHeight, outWidth } = geometryOf(drawn);
        const image = [batch, w[0], outHeight, outWidth];
        const outputPadding = outputPaddingOf(drawn, image);
        return bounded([image, w], seed, (w[0] / options.groups) * w[2] * w[3], (y, weight) => [
          convTranspose2d(y, weight, { ...options, padding: sides, outputPadding }),
        ]);
      }),
    ));

  it("conv2d with padding on one side of each axis", () =>
    holds(
      subject,
      fc.asyncProperty(seeds, convolutions({ empty: false }), fc.boolean(), (seed, { x, w, options }, before) => {
        const [height, width] = [w[2] * 3, w[3] * 3];
        const padding = before ? { top: height, left: 0, bottom: 0, right: width } : { top: 0, left: width, bottom: height, right: 0 };
        return bounded([x, w], seed, w[1] * w[2] * w[3], (image, weight) => [conv2d(image, weight, { ...options, padding })]);
      }),
    ));

  it("multiply: both cotangents, also where an operand repeats", () =>
    holds(
      subject,
      fc.asyncProperty(seeds, broadcastPairs({ maxRank: 5, maxSize: 4 }), (seed, { a, b, out }) =>
        bounded([a, b, out], seed, sizeOf(out), (x, y, g) => withCotangents(multiply, [x!, y!], g!)),
      ),
    ));

  it("matmul: both cotangents", () => {
    const size = fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 30, max: 70 }));
    const product = fc.record({ batch: fc.integer({ min: 1, max: 3 }), m: size, k: size, n: size, ta: fc.boolean(), tb: fc.boolean() });
    return holds(
      subject,
      fc.asyncProperty(seeds, product, (seed, { batch, m, k, n, ta, tb }) => {
        const shapes = [ta ? [batch, k, m] : [batch, m, k], tb ? [batch, n, k] : [batch, k, n], [batch, m, n]];
        const f = (a: Tensor, b: Tensor): Tensor => matmul(a, b, { transposeA: ta, transposeB: tb });
        return bounded(shapes, seed, Math.max(m, k, n), (a, b, g) => withCotangents(f as (...x: Tensor[]) => Tensor, [a!, b!], g!));
      }),
      60,
    );
  });

  it("butterflyMatrix: the matrix, its cotangent, and the cotangent's own", () =>
    holds(
      subject,
      fc.asyncProperty(seeds, butterflies, (seed, { stages, rows, columns }) => {
        const twiddle = [stages, 2 ** (stages - 1), 2, 2];
        return bounded([twiddle, [rows, columns], twiddle], seed, 2 ** stages + 2 * stages, (x, g, v) => {
          const f = (entries: Tensor): Tensor => butterflyMatrix(entries, rows, columns);
          return [...withCotangents(f, [x!], g!), secondCotangent(f, x!, g!, v!)];
        });
      }),
      60,
    ));

  it("limitedNorm: the factor, both cotangents, and the cotangent's own", () =>
    holds(
      subject,
      fc.asyncProperty(
        seeds,
        fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 60, max: 6000 })),
        fc.constantFrom(0.1, 4),
        (seed, length, scale) => {
          const factor = scale / length;
          const inputs = [length, 1, length, length].map((count, i) => floating(subject.values(seed + i, count)));
          const run = running([[length], [1], [length], [length]], (x, gain, g, v) => [
            ...withCotangents((each, own) => limitedNorm(each!, own!, factor), [x!, gain!], g!),
            secondCotangent((each) => limitedNorm(each, gain!, factor), x!, g!, v!),
          ]);
          // Every quantity is a sum of at most `length` products times quotients of a few roundings. Where the factor is scaled down,
          // |x| ≤ √(length/scale), and each sum is at most the product of two norms.
          const norm = ({ data }: { readonly data: ArrayLike<number> }): number => Math.hypot(...Array.from(data));
          const [ofX, ofGain, ofG, ofV] = inputs.map(norm) as [number, number, number, number];
          return conforms(subject, {
            inputs,
            run,
            bound: ({ unit, sides }) => {
              const relative = sides * unit * (length + 32);
              const slope = 1 + factor * ofX * ofX;
              return [
                new Float64Array(length).fill(relative * ofX * ofGain),
                new Float64Array(length).fill(relative * ofGain * ofG * slope),
                Float64Array.of(relative * ofG * ofX),
                new Float64Array(length).fill(4 * relative * ofGain * ofG * ofV * slope * slope),
              ];
            },
          });
        },
      ),
      40,
    ));

  it("softmaxCrossEntropy: the loss, its cotangent, and the cotangent's own", () =>
    holds(
      subject,
      fc.asyncProperty(seeds, classifications, async (seed, { rows, classes, labelSmoothing }) => {
        const labels = Int32Array.from({ length: rows }, (_, n) => (seed + 7 * n) % classes);
        const logits = subject.values(seed, rows * classes);
        const [cotangent, v] = [Float64Array.of(1.5), subject.values(seed + 1, rows * classes)];
        const f = (x: Tensor): Tensor => softmaxCrossEntropy(x, labels, labelSmoothing);
        await conforms(subject, {
          inputs: [logits, cotangent, v].map(floating),
          run: running([[rows, classes], [], [rows, classes]], (x, g, w) => [
            ...withCotangents(f, [x!], g!),
            secondCotangent(f, x!, g!, w!),
          ]),
          bound: ({ unit, sides }) => {
            // Exponentials of numbers down to −range are off by 4 + 2·range ulp on a device, and their sum by as many roundings as it has
            // terms.
            const range = Math.max(...logits) - Math.min(...logits);
            const relative = sides * unit * (classes + 24 + 8 * range);
            const largest = Math.max(1, ...v.map(Math.abs));
            return [
              Float64Array.of((relative + sides * unit * rows) * (1 + Math.log(classes) + range)),
              new Float64Array(rows * classes).fill((relative * 1.5) / rows),
              new Float64Array(rows * classes).fill((4 * relative * 1.5 * largest) / rows),
            ];
          },
        });
      }),
      40,
    ));

  it("maxPool2d and avgPool2d: padding of each side, ceil mode, padding that does not count", () =>
    holds(
      subject,
      fc.asyncProperty(
        seeds,
        poolings({ empty: false }),
        fc.boolean(),
        fc.boolean(),
        async (seed, { x, w, options: { stride } }, ceilMode, before) => {
          const [height, width] = [w[2] - 1, w[3] - 1];
          const padding = before ? { top: height, left: 0, bottom: 0, right: width } : { top: 0, left: width, bottom: height, right: 0 };
          const image = [x[0], x[1], Math.max(x[2], w[2]), Math.max(x[3], w[3])];
          const options = { kernel: [w[2], w[3]] as const, stride, padding, ceilMode };
          await exact([image], seed, "nonFinite", (input) => [maxPool2d(input, options)]);
          await bounded([image], seed, w[2] * w[3] + 2, (input) => [
            avgPool2d(input, options),
            avgPool2d(input, { ...options, countIncludePad: false }),
          ]);
        },
      ),
    ));
}
