/** The gradient check must find wrong gradients: a wrong factor, a wrong sign, a wrong transpose, a missing term. */

import { expect, test } from "vitest";
import { memory } from "../../src/backend/active.ts";
import { ConfigError, GradientError } from "../../src/core/errors.ts";
import { checkGradients, checkSecondDerivatives } from "../../src/grad/check-gradients.ts";
import { tensor } from "../../src/ops/creation.ts";
import { cos, exp, multiply, sin } from "../../src/ops/elementwise.ts";
import { transpose } from "../../src/ops/layout.ts";
import { detach, differentiable, noGrad } from "../../src/tape/tape.ts";
import { share, type Tensor } from "../../src/tensor/tensor.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";
import { sampleTensor } from "../support/sample.ts";

onReferenceBackend();

/** The identity with a VJP of the test's choice. */
const identityWith = (vjp: (g: Tensor) => Tensor): ((x: Tensor) => Tensor) =>
  differentiable("identity", (x: Tensor) => ({ inputs: [x], value: share(x), vjp: [vjp] }));

test("a correct gradient passes, and the largest error is reported", async () => {
  const report = await checkGradients((a, b) => multiply(sin(a!), b!), [sampleTensor([2, 3], 1), sampleTensor([3], 2)]);
  expect(report.worst).toBeGreaterThanOrEqual(0);
  expect(report.worst).toBeLessThan(1e-7);
  expect((await checkSecondDerivatives((x) => exp(x!), [sampleTensor([4], 3)])).worst).toBeLessThan(1e-7);
});

test.each<[string, (g: Tensor) => Tensor]>([
  ["a factor", (g) => multiply(g, 1.001)],
  ["a sign", (g) => multiply(g, -1)],
  ["a transpose", (g) => transpose(g)],
  ["a factor of 0", (g) => multiply(g, 0)],
  ["NaN", (g) => multiply(g, Number.NaN)],
])("a gradient wrong by %s fails", (_, vjp) =>
  expect(checkGradients(identityWith(vjp), [sampleTensor([2, 2], 4)])).rejects.toThrow(GradientError),
);

test("errors that would cancel in a plain sum are found", () => {
  const swapped = identityWith((g) => transpose(g));
  return expect(checkGradients((x) => swapped(x!), [sampleTensor([2, 2], 5)])).rejects.toThrow("central differences");
});

test("a missing path fails", () =>
  expect(checkGradients((x) => multiply(x!, detach(x!)), [sampleTensor([2], 6)])).rejects.toThrow(GradientError));

test("a VJP that is not recorded fails the check of second derivatives only", async () => {
  const frozen = differentiable("sine", (x: Tensor) => ({
    inputs: [x],
    value: sin(x),
    vjp: [
      (g) =>
        multiply(
          g,
          noGrad(() => cos(x)),
        ),
    ],
  }));
  const x = sampleTensor([3], 7);
  await checkGradients((at) => frozen(at!), [x]);
  await expect(checkSecondDerivatives((at) => frozen(at!), [x])).rejects.toThrow(GradientError);
});

test("float32 inputs are refused", () => expect(checkGradients((x) => x!, [tensor([1])])).rejects.toThrow(ConfigError));

test("the checks free every tensor that they make", async () => {
  const x = sampleTensor([3], 8);
  const before = memory().storages;
  await checkGradients((at) => sin(at!), [x]);
  await checkSecondDerivatives((at) => sin(at!), [x]);
  expect(memory().storages).toBe(before);
});
