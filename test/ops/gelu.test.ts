/** The fused GELU against the same function composed of ops: its value, its gradient, and its second and third derivative. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { kernels } from "../../src/backend/active.ts";
import { sizeOf } from "../../src/core/shape.ts";
import { gradients } from "../../src/grad/gradients.ts";
import { tensor } from "../../src/ops/creation.ts";
import { gelu, maximum, multiply, normalCdf } from "../../src/ops/elementwise.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { shapes } from "../arbitraries/shapes.ts";
import { seeds, valuesOf } from "../arbitraries/values.ts";
import { calledKernels } from "../support/called-kernels.ts";
import { expectTensor, toArray, toTensor } from "../support/nd-array.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";
import { sample } from "../support/sample.ts";

onReferenceBackend();

/** x·Φ(x) as a product. Below −40, Φ is 0. */
const composed = (x: Tensor): Tensor => multiply(maximum(x, -40), normalCdf(x));

test("the value and three derivatives equal those of the composed function", () =>
  fc.assert(
    fc.asyncProperty(shapes(), seeds, async (shape, seed) => {
      // Three in a hundred are beyond ±6, where Φ is nearly 0 or 1.
      const x = toTensor({ shape, values: [...valuesOf(seed + 1, sizeOf(shape))].map((value) => 2.75 * value) });
      const cotangents = [1, 2, 3].map((i) => toTensor(sample(shape, seed + i)));
      let [got, expected] = [gelu(x), composed(x)];
      await expectTensor(got, await toArray(expected), 1e-12);
      for (const cotangent of cotangents) {
        [got, expected] = [got, expected].map((y) => gradients(y, [x], { seed: cotangent, createGraph: true })[0]!) as [Tensor, Tensor];
        await expectTensor(got, await toArray(expected), 1e-10);
      }
    }),
  ));

test("the value and the gradient are one kernel each, and nothing but the result is allocated", () => {
  const x = tensor([-1, 0.5, 2]);
  const g = tensor([1, 2, 3]);
  const held = kernels().memory().storages;
  const y = gelu(x);
  expect(calledKernels(() => gelu(x).dispose())).toEqual(["unary"]);
  expect(kernels().memory().storages).toBe(held + 1);
  expect(calledKernels(() => gradients(y, [x], { seed: g }))).toEqual(["binary"]);
  expect(kernels().memory().storages).toBe(held + 2);
});

test("the slope is 0 at −∞ and 1 at ∞, and the curvature is 0 at both", async () => {
  const x = tensor([-Infinity, -1e30, 1e30, Infinity]);
  const [slope] = gradients(gelu(x), [x], { seed: tensor([2, 2, 2, 2]), createGraph: true });
  expect([...(await slope!.data())]).toEqual([0, 0, 2, 2]);
  const [curvature] = gradients(slope!, [x], { seed: tensor([1, 1, 1, 1]) });
  expect([...(await curvature!.data())].map(Math.abs)).toEqual([0, 0, 0, 0]);
});
