import fc from "fast-check";
import { it } from "vitest";
import { sizeOf, stridesOf } from "../../src/core/shape.ts";
import { permutations, shapes } from "../arbitraries/shapes.ts";
import { seeds } from "../arbitraries/values.ts";
import { buildView, viewRecipes } from "../arbitraries/views.ts";
import { conforms, floating, holds, int32, type Subject } from "./conformance-harness.ts";

export function layoutConformance(subject: Subject): void {
  it("readView: slices, steps, flips, repeats and permutations", () =>
    holds(
      subject,
      fc.asyncProperty(seeds, viewRecipes({ maxSize: 9 }), async (seed, recipe) => {
        const { length, view } = buildView(recipe);
        await conforms(subject, { inputs: [floating(subject.values(seed, length, "extreme"))], run: (k, [x]) => [k.readView(x!, view)] });
        await conforms(subject, { inputs: [int32(subject.values(seed, length, "integers"))], run: (k, [x]) => [k.readView(x!, view)] });
      }),
    ));

  it("readView: permutations of large tensors", () => {
    const permuted = shapes({ minRank: 2, maxRank: 4, maxSize: 17, empty: false }).chain((shape) =>
      fc.record({ shape: fc.constant(shape), order: permutations(shape.length) }),
    );
    return holds(
      subject,
      fc.asyncProperty(seeds, permuted, async (seed, { shape, order }) => {
        const strides = stridesOf(shape);
        const view = { shape: order.map((axis) => shape[axis]!), strides: order.map((axis) => strides[axis]!), offset: 0 };
        await conforms(subject, { inputs: [floating(subject.values(seed, sizeOf(shape)))], run: (k, [x]) => [k.readView(x!, view)] });
      }),
      20,
    );
  });

  it("readView: the diagonal of a matrix", () =>
    holds(
      subject,
      fc.asyncProperty(seeds, fc.nat({ max: 20 }), async (seed, n) => {
        const view = { shape: [n], strides: [n + 1], offset: 0 };
        await conforms(subject, { inputs: [floating(subject.values(seed, n * n))], run: (k, [x]) => [k.readView(x!, view)] });
      }),
    ));

  it("assemble: several parts, each through a view of its own, on a filled ground", () => {
    const recipes = fc.array(viewRecipes({ maxSize: 6, repeats: false }), { maxLength: 3 });
    return holds(
      subject,
      fc.asyncProperty(
        seeds,
        recipes,
        fc.constantFrom(...[0, -0, 2.5, -Infinity, Number.NaN].filter((value) => subject.tolerance.nonFinite || Number.isFinite(value))),
        fc.nat({ max: 5 }),
        async (seed, list, fill, tail) => {
          // Each part has a stretch of the target to itself, so the views do not overlap.
          let length = 0;
          const views = list.map((recipe) => {
            const { length: own, view } = buildView(recipe);
            length += own;
            return { ...view, offset: view.offset + length - own };
          });
          const inputs = views.map((view, i) => floating(subject.values(seed + i, sizeOf(view.shape), "extreme")));
          await conforms(subject, {
            inputs,
            run: (k, sources, dtype) => [
              k.assemble(
                dtype,
                length + tail,
                fill,
                sources.map((source, i) => ({ source, view: views[i]! })),
              ),
            ],
          });
          const integers = views.map((view, i) => int32(subject.values(seed + i, sizeOf(view.shape), "integers")));
          await conforms(subject, {
            inputs: integers,
            run: (k, sources) => [
              k.assemble(
                "int32",
                length + tail,
                7,
                sources.map((source, i) => ({ source, view: views[i]! })),
              ),
            ],
          });
        },
      ),
    );
  });

  it("assemble: concatenation along any axis, of large tensors too", () => {
    const joined = fc.record({
      outer: fc.integer({ min: 1, max: 9 }),
      inner: fc.integer({ min: 1, max: 90 }),
      counts: fc.array(fc.nat({ max: 40 }), { minLength: 1, maxLength: 3 }),
    });
    return holds(
      subject,
      fc.asyncProperty(seeds, joined, async (seed, { outer, inner, counts }) => {
        const total = counts.reduce((sum, count) => sum + count, 0);
        const parts = counts.map((count, i) => ({
          shape: [outer, count, inner],
          strides: [total * inner, inner, 1],
          offset: counts.slice(0, i).reduce((sum, before) => sum + before, 0) * inner,
        }));
        await conforms(subject, {
          inputs: parts.map((view, i) => floating(subject.values(seed + i, sizeOf(view.shape)))),
          run: (k, sources, dtype) => [
            k.assemble(
              dtype,
              outer * total * inner,
              0,
              sources.map((source, i) => ({ source, view: parts[i]! })),
            ),
          ],
        });
      }),
      20,
    );
  });
}
