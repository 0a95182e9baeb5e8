/**
 * The cosine transform against its definition, on the reference backend in float64 and on the wasm backend in float32. The properties hold
 * for every length. The lengths here are chosen so that every path of the fast algorithm runs.
 */

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { useBackend } from "../../src/backend/active.ts";
import { createReferenceBackend } from "../../src/backend/reference/reference-kernels.ts";
import { createWasmBackend, type WasmBackend } from "../../src/backend/wasm/wasm-backend.ts";
import { ShapeError } from "../../src/core/errors.ts";
import { sizeOf } from "../../src/core/shape.ts";
import { gradients } from "../../src/grad/gradients.ts";
import { cosineTransform } from "../../src/ops/cosine-transform.ts";
import { tensor } from "../../src/ops/creation.ts";
import { scope } from "../../src/tensor/scope.ts";
import { shapesWithAxis, sizes } from "../arbitraries/shapes.ts";
import { seeds, valuesOf } from "../arbitraries/values.ts";
import { cosineTransformRoundings } from "../backend/conformance-tolerance.ts";

const definition = (n: number, k: number, i: number): number => 2 * Math.cos((Math.PI * ((k * (2 * i + 1)) % (4 * n))) / (2 * n));

const everyLength = [...Array.from({ length: 64 }, (_, i) => i + 1), 90, 97, 160, 225, 243, 320, 625, 640, 1024, 1280];
const lengths = fc.oneof(fc.integer({ min: 1, max: 64 }), fc.constantFrom(90, 97, 160, 225, 320));

const norm = (values: ArrayLike<number>): number => Math.hypot(...Array.from(values));
const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => Array.from(a).reduce((sum, value, i) => sum + value * b[i]!, 0);

/**
 * The bound of ‖error‖. In float32 the transform may be fast, and its roundings are relative to the norm of the column. For a product with
 * the matrix, they are relative to the norm for each of the n elements.
 */
function bound(n: number, unit: number, x: ArrayLike<number>): number {
  const { dense, fast } = cosineTransformRoundings(n);
  const roundings = fast === undefined || unit < 2 ** -24 ? dense * Math.sqrt(n) : fast;
  return roundings * unit * 2 * Math.sqrt(n) * norm(x) + 2 ** -149;
}

for (const [name, dtype, unit] of [
  ["reference", "float64", 2 ** -53],
  ["wasm", "float32", 2 ** -24],
] as const)
  describe(`on the ${name} backend in ${dtype}`, () => {
    let wasm: WasmBackend | undefined;
    beforeAll(async () => {
      wasm = name === "wasm" ? await createWasmBackend({ threads: 1 }) : undefined;
      useBackend(wasm ?? createReferenceBackend());
    });
    afterAll(() => {
      useBackend(undefined);
      wasm?.dispose();
    });

    /** The transform of the columns of x:[n, columns]. */
    const transformed = async (x: ArrayLike<number>, n: number, transpose = false): Promise<ArrayLike<number>> => {
      const y = scope(() => cosineTransform(tensor(Float64Array.from(x), { shape: [n, x.length / n], dtype }), { axis: 0, transpose }));
      const values = await y.data();
      y.dispose();
      return values;
    };

    test.each(everyLength)("length %i: both directions equal the product with the matrix", async (n) => {
      const x = valuesOf(n, n);
      for (const transpose of [false, true]) {
        const y = await transformed(x, n, transpose);
        const error = Array.from({ length: n }, (_, k) => {
          let sum = 0;
          for (let i = 0; i < n; i++) sum += (transpose ? definition(n, i, k) : definition(n, k, i)) * x[i]!;
          return y[k]! - sum;
        });
        expect(norm(error)).toBeLessThanOrEqual(2 * bound(n, unit, x));
      }
    });

    test("linear: D(αa + βb) = αDa + βDb", () =>
      fc.assert(
        fc.asyncProperty(lengths, seeds, fc.boolean(), async (n, seed, transpose) => {
          const [a, b] = [valuesOf(seed, n, "integers"), valuesOf(seed + 1, n, "integers")];
          const mixed = a.map((value, i) => 2 * value - 3 * b[i]!); // Small integers, so this is exact in float32.
          const [ya, yb, y] = await Promise.all([a, b, mixed].map((x) => transformed(x, n, transpose)));
          const error = Array.from(y!, (value, k) => value - (2 * ya![k]! - 3 * yb![k]!));
          expect(norm(error)).toBeLessThanOrEqual(2 * bound(n, unit, mixed) + 4 * bound(n, unit, a) + 6 * bound(n, unit, b));
        }),
      ));

    test("D·Dᵀ = diag(4n, 2n, 2n, …)", () =>
      fc.assert(
        fc.asyncProperty(lengths, seeds, async (n, seed) => {
          const x = valuesOf(seed, n);
          const y = await transformed(await transformed(x, n, true), n);
          const error = Array.from(y, (value, k) => value - (k === 0 ? 4 : 2) * n * x[k]!);
          expect(norm(error)).toBeLessThanOrEqual(2 * 2 * Math.sqrt(n) * bound(n, unit, x) * 2);
        }),
      ));

    test("adjoint: ⟨Dx, y⟩ = ⟨x, Dᵀy⟩", () =>
      fc.assert(
        fc.asyncProperty(lengths, seeds, async (n, seed) => {
          const [x, y] = [valuesOf(seed, n), valuesOf(seed + 1, n)];
          const difference = dot(await transformed(x, n), y) - dot(x, await transformed(y, n, true));
          expect(Math.abs(difference)).toBeLessThanOrEqual(4 * bound(n, unit, x) * norm(y));
        }),
      ));

    test("along any axis, each column is transformed as if it were alone", () =>
      fc.assert(
        fc.asyncProperty(shapesWithAxis({ maxRank: 4, maxSize: 10 }), seeds, fc.boolean(), async ({ shape, axis }, seed, transpose) => {
          const x = valuesOf(seed, sizeOf(shape));
          const y = cosineTransform(tensor(x, { shape, dtype }), { axis: axis - shape.length, transpose });
          expect(y.shape).toEqual(shape);
          const values = await y.data();
          const [n, inner] = [shape[axis]!, sizeOf(shape.slice(axis + 1))];
          for (let column = 0; column < x.length / Math.max(1, n); column++) {
            const start = Math.floor(column / inner) * n * inner + (column % inner);
            const of = (array: ArrayLike<number>): number[] => Array.from({ length: n }, (_, i) => array[start + i * inner]!);
            const alone = await transformed(of(x), n, transpose);
            const error = of(values).map((value, i) => value - alone[i]!);
            expect(norm(error)).toBeLessThanOrEqual(2 * bound(n, unit, of(x)));
          }
        }),
      ));

    test("the VJP of each direction is the other direction", () =>
      fc.assert(
        fc.asyncProperty(sizes(20, false), seeds, fc.boolean(), async (n, seed, transpose) => {
          const x = tensor(valuesOf(seed, 2 * n), { shape: [2, n], dtype });
          const g = valuesOf(seed + 1, 2 * n);
          const seedTensor = tensor(g, { shape: [2, n], dtype });
          const [gradient] = gradients(cosineTransform(x, { transpose }), [x], { seed: seedTensor });
          expect(await gradient!.data()).toEqual(await cosineTransform(seedTensor, { transpose: !transpose }).data());
        }),
      ));

    test("the default axis is 1", async () => {
      const x = tensor(
        [
          [1, 0, 0],
          [0, 1, 0],
        ],
        { dtype },
      );
      const expected = [0, 1].flatMap((i) => [0, 1, 2].map((k) => definition(3, k, i)));
      const values = await cosineTransform(x).data();
      for (const [i, value] of expected.entries()) expect(Math.abs(values[i]! - value)).toBeLessThanOrEqual(8 * unit);
    });
  });

test("an axis that does not exist and an int32 tensor are refused", () => {
  useBackend(createReferenceBackend());
  expect(() => cosineTransform(tensor([1, 2]))).toThrow(ShapeError);
  expect(() => cosineTransform(tensor([1, 2]))).toThrow("cosineTransform: axis must be an integer in [-1, 0], got 1");
  expect(() => cosineTransform(tensor(Int32Array.of(1, 2)), { axis: 0 })).toThrow(
    "cosineTransform: operands must share one floating dtype",
  );
  useBackend(undefined);
});
