/** Attention maps against their formula. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { checkGradients } from "../../src/grad/check-gradients.ts";
import { gradients } from "../../src/grad/gradients.ts";
import { attentionMap } from "../../src/models/attention.ts";
import { full, zeros } from "../../src/ops/creation.ts";
import { sum } from "../../src/ops/sum-and-broadcast.ts";
import { shapes } from "../arbitraries/shapes.ts";
import { seeds } from "../arbitraries/values.ts";
import { at, build, expectTensor, expectValues, toTensor } from "../support/nd-array.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";
import { sample, sampleTensor } from "../support/sample.ts";

onReferenceBackend();

test("q = a/‖a‖₂, where a is the mean of squares over the channels", () =>
  fc.assert(
    fc.asyncProperty(shapes({ minRank: 4, maxRank: 4, maxSize: 4, empty: false }), seeds, async (shape, seed) => {
      const [n, c, h, w] = shape as [number, number, number, number];
      const x = sample(shape, seed);
      const energy = build([n, h * w], ([i, place]) => {
        const squares = Array.from({ length: c }, (_, k) => at(x, [i!, k, Math.floor(place! / w), place! % w]) ** 2);
        return squares.reduce((total, v) => total + v, 0) / c;
      });
      const expected = build([n, h * w], ([i, place]) => {
        const norm = Math.hypot(...Array.from({ length: h * w }, (_, p) => at(energy, [i!, p])));
        return at(energy, [i!, place!]) / norm;
      });
      await expectTensor(attentionMap(toTensor(x)), expected, 1e-10);
    }),
  ));

test("the gradient agrees with finite differences", () => checkGradients((x) => attentionMap(x!), [sampleTensor([2, 2, 2, 2], 3, 0.5, 2)]));

test.each(["float32", "float64"] as const)("the norm is at least 1e-12, as in PyTorch's normalize (%s)", async (dtype) => {
  for (const norm of [1e-15, 1e-13, 0.9e-12, 1.1e-12, 1e-11, 1e-6]) {
    // One channel of four equal pixels, whose squares a have the norm 2a.
    const x = full([1, 1, 2, 2], Math.sqrt(norm / 2), { dtype });
    const expected = 0.5 * Math.min(1, norm / 1e-12);
    for (const q of await attentionMap(x).data()) expect(Math.abs(q - expected)).toBeLessThanOrEqual(2e-6 * expected);
  }
});

test.each(["float32", "float64"] as const)(
  "of a feature map of zeros, the attention map and the gradient are zeros (%s)",
  async (dtype) => {
    const x = zeros([1, 2, 2, 2], { dtype });
    const map = attentionMap(x);
    expectValues(await map.data(), [0, 0, 0, 0]);
    const [g] = gradients(sum(map), [x]);
    expectValues(await g!.data(), new Array(8).fill(0));
    expect(map.dtype).toBe(dtype);
  },
);
