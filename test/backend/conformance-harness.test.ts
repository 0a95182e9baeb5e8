/** What the conformance suite takes for agreement: each freedom a tolerance grants, and that it grants no more. */

import { describe, expect, test } from "vitest";
import { viewOf } from "../../src/backend/host-storage.ts";
import type { Kernels } from "../../src/backend/kernels.ts";
import { createReferenceBackend } from "../../src/backend/reference/reference-kernels.ts";
import { valuesOf } from "../arbitraries/values.ts";
import { agrees, conforms, floating, type Run, type Subject } from "./conformance-harness.ts";
import { ieee, precisions, type Tolerance } from "./conformance-tolerance.ts";

const { float32 } = precisions;
const strict: Tolerance = { ...ieee, dtypes: ["float32"], ulps: {} };

test("without a bound only the reference's number, rounded, agrees: to the sign of zero", () => {
  expect(agrees(Math.fround(0.1), 0.1, undefined, float32, strict)).toBe(true);
  expect(agrees(Math.fround(0.1) + 2 ** -27, 0.1, undefined, float32, strict)).toBe(false);
  expect(agrees(-0, 0, undefined, float32, strict)).toBe(false);
  expect(agrees(-0, 0, undefined, float32, { ...strict, zeroSigns: "ignored" })).toBe(true);
});

test.each([
  { actual: 0, expected: 2 ** -127, flushed: true },
  { actual: 2 ** -149, expected: -(2 ** -130), flushed: true },
  { actual: 2 ** -149, expected: 0, flushed: true },
  { actual: 0, expected: -(2 ** -200), flushed: true },
  { actual: 0, expected: -0, flushed: false },
  { actual: 0, expected: 2 ** -126, flushed: false },
  { actual: 2 ** -126, expected: 2 ** -127, flushed: false },
])("$actual for $expected: alike where subnormal numbers are flushed? $flushed", ({ actual, expected, flushed }) => {
  expect(agrees(actual, expected, undefined, float32, { ...strict, subnormals: "flushed" })).toBe(flushed);
  expect(agrees(actual, expected, undefined, float32, strict)).toBe(false);
});

test("where ∞ and NaN are not promised, anything may stand in their place, and only there", () => {
  const finite: Tolerance = { ...strict, nonFinite: false };
  for (const expected of [Number.NaN, Infinity, 1e39]) {
    expect(agrees(3, expected, undefined, float32, finite)).toBe(true);
    expect(agrees(3, expected, undefined, float32, strict)).toBe(false);
  }
  expect(agrees(Number.NaN, 3, 1, float32, finite)).toBe(false);
});

describe("a device that takes operands below the normal numbers for 0", () => {
  const backend = createReferenceBackend();
  const device: Kernels = {
    ...backend,
    unary(op, x) {
      const flushed = backend.upload(
        x.dtype,
        Float32Array.from(viewOf(x), (v) => (Math.abs(v) < 2 ** -126 ? 0 : v)),
      );
      const y = backend.unary(op, flushed);
      flushed.release();
      return y;
    },
  };
  const subject = (subnormals: Tolerance["subnormals"]): Subject => ({
    kernels: () => device,
    tolerance: { ...strict, subnormals },
    runs: (usual) => usual,
    values: valuesOf,
  });
  const reciprocal: Run = (k, [x]) => [k.unary("reciprocal", x!)];

  test("conforms where its tolerance says so, and nowhere else", async () => {
    const trial = { inputs: [floating([3, 2 ** -127])], run: reciprocal };
    await conforms(subject("flushed"), trial);
    await expect(conforms(subject("kept"), trial)).rejects.toThrow(/got Infinity, the reference has 1.7/);
  });

  test("must still be right about all other numbers", async () => {
    const wrong: Subject = { ...subject("flushed"), kernels: () => ({ ...device, unary: (_, x) => device.unary("negate", x) }) };
    await expect(conforms(wrong, { inputs: [floating([3, 2 ** -127])], run: reciprocal })).rejects.toThrow(/got -3/);
  });
});
