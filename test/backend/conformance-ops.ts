/**
 * Ops that are composed of kernels in a way that a backend could break as a whole: what they compute on the backend under test is compared
 * with what they compute on the float64 reference.
 */

import fc from "fast-check";
import { it } from "vitest";
import { useBackend } from "../../src/backend/active.ts";
import { type Shape, sizeOf } from "../../src/core/shape.ts";
import { cumsum, prod } from "../../src/ops/accumulate.ts";
import { conv2d, convTranspose2d } from "../../src/ops/convolution.ts";
import { isFinite as isFiniteElement, isNaN as isNaNElement } from "../../src/ops/elementwise.ts";
import { avgPool2d, maxPool2d } from "../../src/ops/pooling.ts";
import { min } from "../../src/ops/reductions.ts";
import { sort, topk } from "../../src/ops/sorting.ts";
import { noGrad } from "../../src/tape/tape.ts";
import { scope } from "../../src/tensor/scope.ts";
import type { Storage } from "../../src/tensor/storage.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { convolutions, geometryOf, outputPaddingOf, poolings } from "../arbitraries/geometries.ts";
import { shapesWithAxis } from "../arbitraries/shapes.ts";
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
