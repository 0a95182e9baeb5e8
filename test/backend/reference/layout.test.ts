import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sizeOf } from "../../../src/core/shape.ts";
import { permutations, shapes, sizes } from "../../arbitraries/shapes.ts";
import { indicesOf, seeds, valuesOf } from "../../arbitraries/values.ts";
import { buildView, viewRecipes } from "../../arbitraries/views.ts";
import { at, build, indicesOf as indexTuplesOf } from "../../support/nd-array.ts";
import { float64, inner, int32, numbers, reference } from "./run-kernels.ts";

describe("readView", () => {
  it("reads the element at offset + Σ i·stride", () => {
    fc.assert(
      fc.property(seeds, viewRecipes(), (seed, recipe) => {
        const { length, view } = buildView(recipe);
        const data = valuesOf(seed, length);
        const expected = build(
          view.shape,
          (index) => data[view.offset + index.reduce((sum, i, axis) => sum + i * view.strides[axis]!, 0)]!,
        );
        expect(numbers(reference.readView(float64(data), view))).toEqual(expected.values);
      }),
    );
  });

  it("flips and permutes", () => {
    const recipes = shapes({ minRank: 1, maxRank: 3 }).chain((shape) =>
      fc.record({ shape: fc.constant(shape), order: permutations(shape.length) }),
    );
    fc.assert(
      fc.property(seeds, recipes, (seed, { shape, order }) => {
        const array = { shape, values: [...valuesOf(seed, sizeOf(shape))] };
        const slices = shape.map((size) => ({ start: Math.max(0, size - 1), step: -1, count: size, repeat: undefined }));
        const { view } = buildView({ shape, slices, order });
        const expected = [...indexTuplesOf(view.shape)].map((index) => {
          const source = shape.map((size, axis) => size - 1 - index[order.indexOf(axis)]!);
          return at(array, source);
        });
        expect(numbers(reference.readView(float64(array.values), view))).toEqual(expected);
      }),
    );
  });
});

describe("assemble", () => {
  it("is the adjoint of readView: ⟨readView(x), g⟩ = ⟨x, assemble(g)⟩", () => {
    fc.assert(
      fc.property(seeds, viewRecipes({ repeats: false }), (seed, recipe) => {
        const { length, view } = buildView(recipe);
        // The values are small integers, so that the order of the sum does not matter.
        const x = valuesOf(seed, length, "integers");
        const g = valuesOf(seed + 1, sizeOf(view.shape), "integers");
        const scattered = reference.assemble("float64", length, 0, [{ source: float64(g), view }]);
        expect(inner(numbers(reference.readView(float64(x), view)), g).value).toBe(inner(x, numbers(scattered)).value);
      }),
    );
  });

  it("leaves the fill value in the places that no part is written to", () => {
    fc.assert(
      fc.property(seeds, viewRecipes({ repeats: false }), fc.constantFrom(-Infinity, 0.5), (seed, recipe, fill) => {
        const { length, view } = buildView(recipe);
        const part = float64(valuesOf(seed, sizeOf(view.shape)));
        const covered = new Set(numbers(reference.readView(float64(Array.from({ length }, (_, i) => i)), view)));
        const out = numbers(reference.assemble("float64", length + 2, fill, [{ source: part, view }]));
        out.forEach((value, i) => {
          if (!covered.has(i)) expect(value).toBe(fill);
        });
        expect(numbers(reference.readView(float64(out), view))).toEqual(numbers(part));
      }),
    );
  });
});

describe("gather and scatterAdd", () => {
  const cases = fc
    .record({ outer: sizes(4), axis: fc.integer({ min: 1, max: 5 }), inner: sizes(4), count: fc.nat({ max: 8 }), seed: seeds })
    .map(({ seed, count, ...split }) => ({ split, seed, indices: indicesOf(seed, count, split.axis) }));

  it("gather takes whole slices in the order of the indices", () => {
    fc.assert(
      fc.property(cases, ({ split: { outer, axis, inner: width }, seed, indices }) => {
        const x = { shape: [outer, axis, width], values: [...valuesOf(seed, outer * axis * width)] };
        const expected = build([outer, indices.length, width], ([o, j, i]) => at(x, [o!, indices[j!]!, i!]));
        const y = reference.gather(float64(x.values), int32(indices), { outer, axis, inner: width });
        expect(numbers(y)).toEqual(expected.values);
      }),
    );
  });

  it("are adjoint, also for repeated indices: ⟨gather(x), y⟩ = ⟨x, scatterAdd(y)⟩", () => {
    fc.assert(
      fc.property(cases, ({ split, seed, indices }) => {
        const x = valuesOf(seed, split.outer * split.axis * split.inner, "integers");
        const y = valuesOf(seed + 1, split.outer * indices.length * split.inner, "integers");
        const gathered = numbers(reference.gather(float64(x), int32(indices), split));
        const scattered = numbers(reference.scatterAdd(float64(y), int32(indices), split));
        expect(inner(gathered, y).value).toBe(inner(x, scattered).value);
      }),
    );
  });
});
