/** Elementwise ops of one operand against their formulas, on ordinary and on extreme numbers. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ConfigError, ShapeError } from "../../src/core/errors.ts";
import { sizeOf } from "../../src/core/shape.ts";
import { tensor } from "../../src/ops/creation.ts";
import * as elementwise from "../../src/ops/elementwise.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { shapes } from "../arbitraries/shapes.ts";
import { seeds, type ValueKind, valuesOf } from "../arbitraries/values.ts";
import { expectTensor, expectValues, type NdArray, toTensor } from "../support/nd-array.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";

onReferenceBackend();

/** erf by Simpson's rule. This oracle shares neither the series nor the continued fraction of the backend. */
function erfByQuadrature(x: number): number {
  if (Number.isNaN(x)) return x;
  const end = Math.max(-8, Math.min(8, x));
  const count = 4000;
  let sum = 0;
  for (let i = 0; i <= count; i++) {
    const t = (end * i) / count;
    sum += Math.exp(-t * t) * (i === 0 || i === count ? 1 : i % 2 === 1 ? 4 : 2);
  }
  return ((2 / Math.sqrt(Math.PI)) * sum * end) / (3 * count);
}

/** The median of three numbers, or NaN if x is NaN. */
const between = (x: number, low: number, high: number): number => (Number.isNaN(x) ? x : [x, low, high].sort((a, b) => a - b)[1]!);

const formulas: Record<string, { op: (x: Tensor) => Tensor; f: (x: number) => number }> = {
  negate: { op: elementwise.negate, f: (x) => 0 - x },
  log: { op: elementwise.log, f: (x) => Math.log10(x) * Math.LN10 },
  exp: { op: elementwise.exp, f: (x) => Math.E ** x },
  expm1: { op: elementwise.expm1, f: (x) => (x === -Infinity ? -1 : 2 * Math.sinh(x / 2) * Math.exp(x / 2)) },
  log1p: { op: elementwise.log1p, f: (x) => (x === Infinity ? x : 2 * Math.atanh(x / (2 + x))) },
  isNaN: { op: elementwise.isNaN, f: (x) => (`${x}` === "NaN" ? 1 : 0) },
  isFinite: { op: elementwise.isFinite, f: (x) => (/^-?\d/.test(`${x}`) ? 1 : 0) },
  sqrt: { op: elementwise.sqrt, f: (x) => (x < 0 ? Number.NaN : x ** 0.5) },
  reciprocalSqrt: { op: elementwise.reciprocalSqrt, f: (x) => (x < 0 ? Number.NaN : x === 0 ? 1 / x : x ** -0.5) },
  reciprocal: { op: elementwise.reciprocal, f: (x) => x ** -1 },
  absolute: { op: elementwise.absolute, f: (x) => (x < 0 ? -x : x) },
  sign: { op: elementwise.sign, f: (x) => (x > 0 ? 1 : x < 0 ? -1 : x) },
  floor: { op: elementwise.floor, f: (x) => (Number.isFinite(x) ? x - (((x % 1) + 1) % 1) : x) },
  not: { op: elementwise.not, f: (x) => (x === 0 ? 1 : 0) },
  sin: { op: elementwise.sin, f: (x) => Math.cos(Math.PI / 2 - x) },
  cos: { op: elementwise.cos, f: (x) => Math.sin(Math.PI / 2 - x) },
  tanh: { op: elementwise.tanh, f: (x) => 1 - 2 / (Math.exp(2 * x) + 1) },
  sigmoid: { op: elementwise.sigmoid, f: (x) => (1 + Math.tanh(x / 2)) / 2 },
  erf: { op: elementwise.erf, f: erfByQuadrature },
  normalCdf: { op: elementwise.normalCdf, f: (x) => (1 + erfByQuadrature(x / Math.SQRT2)) / 2 },
  relu: { op: elementwise.relu, f: (x) => between(x, 0, Infinity) },
  relu6: { op: elementwise.relu6, f: (x) => between(x, 0, 6) },
  gelu: { op: elementwise.gelu, f: (x) => (x === -Infinity ? 0 : (x * (1 + erfByQuadrature(x / Math.SQRT2))) / 2) },
  clamp: { op: (x) => elementwise.clamp(x, -0.5, 1.25), f: (x) => between(x, -0.5, 1.25) },
};

/** The values, moved to a range in which the formulas above are accurate. */
const moderate = (values: Float64Array): Float64Array => values.map((v) => (Math.abs(v) < 40 || !Number.isFinite(v) ? v : v % 40));

describe.each(Object.entries(formulas))("%s", (name, { op, f }) => {
  const positive = ["sqrt", "log", "reciprocalSqrt"].includes(name);
  const signed: ValueKind[] = ["normal", "integers", "nonFinite"];
  const kinds: ValueKind[] = positive ? ["positive", "extreme"] : signed;
  test.each(kinds)("equals its formula on %s numbers", (kind) =>
    fc.assert(
      fc.asyncProperty(shapes(), seeds, async (shape, seed) => {
        const values = moderate(valuesOf(seed, sizeOf(shape), kind));
        const x: NdArray = { shape, values: [...values] };
        await expectTensor(op(toTensor(x)), { shape, values: x.values.map(f) }, 1e-10);
      }),
      { numRuns: 30 },
    ),
  );

  test("refuses int32", () => expect(() => op(tensor(Int32Array.of(1)))).toThrow(ShapeError));
});

test("no intermediate result overflows when the result is finite", async () => {
  const far = tensor(Float64Array.of(-1e4, 1e4, -Infinity, Infinity));
  expectValues(await elementwise.sigmoid(far).data(), [0, 1, 0, 1]);
  expectValues(await elementwise.tanh(far).data(), [-1, 1, -1, 1]);
  expectValues(await elementwise.erf(far).data(), [-1, 1, -1, 1]);
  expectValues(await elementwise.relu(far).data(), [0, 1e4, 0, Infinity]);
  expectValues(await elementwise.relu6(far).data(), [0, 6, 0, 6]);
});

test("clamp refuses low > high and NaN", () => {
  const x = tensor([1]);
  expect(() => elementwise.clamp(x, 1, 0)).toThrow(ConfigError);
  expect(() => elementwise.clamp(x, Number.NaN, 0)).toThrow(ConfigError);
});

test("cast rounds to float32, drops fractions for int32, and refuses other dtypes", async () => {
  const x = tensor(Float64Array.of(1 / 3, -2.7, 2.7));
  expect([...(await elementwise.cast(x, "float32").data())]).toEqual([1 / 3, -2.7, 2.7].map(Math.fround));
  expect([...(await elementwise.cast(x, "int32").data())]).toEqual([0, -2, 2]);
  expect(() => elementwise.cast(x, "int8" as "int32")).toThrow(ShapeError);
});

test.each(["float32", "float64"] as const)("gelu keeps its digits far below 0, and is 0 at −∞ (%s)", async (dtype) => {
  // x·Φ(x), computed with mpmath to 30 digits.
  const known = [
    [-5, -1.4332578593959695e-6],
    [-0.5, -0.15426876936299344],
    [-1, -0.15865525393145705],
    [-2.5, -0.015524163314440337],
    [-8, -4.976768459417427e-15],
    [-12, -2.1317785344932147e-32],
    [0.5, 0.34573123063700656],
    [3, 2.99595030590511],
    [6, 5.999999994080474],
  ] as const;
  const unit = dtype === "float32" ? 2 ** -23 : 2 ** -52;
  const y = await elementwise
    .gelu(
      tensor(
        known.map(([x]) => x),
        { dtype },
      ),
    )
    .data();
  for (const [i, [x, expected]] of known.entries())
    expect(Math.abs(y[i]! / expected - 1), `gelu(${x})`).toBeLessThanOrEqual(unit * (dtype === "float32" ? 1.5 : 16));
  const ends = [...(await elementwise.gelu(tensor([-Infinity, Infinity, Number.NaN, -1e4], { dtype })).data())];
  expect(ends).toEqual([-0, Infinity, Number.NaN, -0]);
});
