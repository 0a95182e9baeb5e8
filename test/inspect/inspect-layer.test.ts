/** The figures that `inspectLayer` decides by: the rank counts the singular values that rounding cannot explain. */

import { expect, test } from "vitest";
import { inspectLayer } from "../../src/inspect/inspect-layer.ts";
import { DenseLinear } from "../../src/structured/dense-linear.ts";
import { defineFamily } from "../../src/structured/family.ts";
import { ownSpec } from "../../src/structured/spec.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";

onReferenceBackend();

test.each([
  ["float32", 2 ** -23],
  ["float64", 2 ** -52],
] as const)("in %s a singular value counts above s₁·max(in, out)·ε", async (dtype, epsilon) => {
  for (const [share, rank] of [
    [3.9, 1],
    [4.1, 2],
    [400, 2],
  ] as const) {
    // W is diag(1, share·ε) with two rows of zeros below it: max(in, out) = 4.
    const diagonal = defineFamily({
      kind: "Diagonal",
      parameters: [],
      examples: { inspect: { kind: "Diagonal" } },
      linear: (_, inFeatures, outFeatures, build, options) => {
        const map = new DenseLinear(inFeatures, outFeatures, build, options);
        map.pointwise.weight.write([1, 0, 0, share * epsilon, 0, 0, 0, 0]);
        return map;
      },
    });
    const spec = ownSpec(diagonal, { kind: "Diagonal" });
    expect((await inspectLayer({ spec, inFeatures: 2, outFeatures: 4, seed: 0, dtype })).rank).toBe(rank);
  }
});
