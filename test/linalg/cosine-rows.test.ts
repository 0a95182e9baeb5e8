/** The fast transforms of rows against the matrix of the definition. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cosineTransformRows, transposedCosineTransformRows } from "../../src/linalg/cosine-rows.ts";
import { frobenius, matrix, product, transposed } from "../../src/linalg/matrix.ts";
import { distance, normals } from "./support.ts";

describe("the cosine transform of rows", () => {
  test("is the definition, and its transpose", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 48 }), fc.integer({ min: 1, max: 4 }), fc.nat({ max: 1000 }), (n, m, seed) => {
        const definition = matrix(
          n,
          n,
          Float64Array.from({ length: n * n }, (_, at) => 2 * Math.cos((Math.PI * Math.floor(at / n) * (2 * (at % n) + 1)) / (2 * n))),
        );
        const x = normals(n, m, seed);
        expect(distance(cosineTransformRows(x), product(definition, x))).toBeLessThan(1e-12 * n * frobenius(x.data));
        expect(distance(transposedCosineTransformRows(x), product(transposed(definition), x))).toBeLessThan(1e-12 * n * frobenius(x.data));
      }),
    );
  });
});
