import fc from "fast-check";
import { it } from "vitest";
import type { BinaryOp, UnaryOp } from "../../src/backend/kernels.ts";
import { broadcastStrides, sizeOf } from "../../src/core/shape.ts";
import { broadcastPairs, sizes } from "../arbitraries/shapes.ts";
import { seeds, type ValueKind } from "../arbitraries/values.ts";
import { conforms, floating, holds, int32, onReference, type Run, type Subject } from "./conformance-harness.ts";
import { type Precision, ulpBound } from "./conformance-tolerance.ts";

export const unaryOps = {
  negate: true,
  absolute: true,
  sign: true,
  reciprocal: true,
  exp: true,
  expm1: true,
  log: true,
  log1p: true,
  sqrt: true,
  reciprocalSqrt: true,
  tanh: true,
  sigmoid: true,
  erf: true,
  normalCdf: true,
  gelu: true,
  sin: true,
  cos: true,
  relu: true,
  step: true,
  floor: true,
  not: true,
} satisfies Record<UnaryOp, true>;

export const binaryOps = {
  add: true,
  subtract: true,
  multiply: true,
  divide: true,
  power: true,
  maximum: true,
  minimum: true,
  equal: true,
  notEqual: true,
  less: true,
  lessEqual: true,
  greater: true,
  greaterEqual: true,
  reluGradient: true,
  geluGradient: true,
} satisfies Record<BinaryOp, true>;

const namesOf = <Name extends string>(table: Record<Name, true>): Name[] => Object.keys(table) as Name[];

const kinds = fc.constantFrom<ValueKind>("normal", "integers", "positive", "extreme");
/** Around the widths of vectors; and long enough for a backend to share the work among threads. */
const lengths = fc.oneof({ weight: 20, arbitrary: sizes(70) }, { weight: 1, arbitrary: fc.integer({ min: 40_000, max: 70_000 }) });

export function elementwiseConformance(subject: Subject): void {
  for (const op of namesOf(unaryOps)) {
    const { [op]: ulps = 0 } = subject.tolerance.ulps;
    it(`unary ${op}`, () =>
      holds(
        subject,
        fc.asyncProperty(seeds, kinds, lengths, async (seed, kind, length) => {
          const inputs = [floating(subject.values(seed, length, kind))];
          const run: Run = (k, [x]) => [k.unary(op, x!)];
          const [y] = onReference(inputs, run);
          await conforms(subject, {
            inputs,
            run,
            ...(ulps !== 0 && { bound: (precision: Precision) => [ulpBound(ulps, [inputs[0]!.data], y!, precision)] }),
          });
        }),
        60,
      ));
  }

  it("functions that pass through 0 there keep the sign of a zero", async () => {
    if (subject.tolerance.zeroSigns === "ignored") return;
    for (const op of ["sign", "floor", "sqrt", "tanh", "sin", "erf", "expm1", "log1p"] as const)
      await conforms(subject, { inputs: [floating([0, -0, 0, -0, -0])], run: (k, [x]) => [k.unary(op, x!)] });
  });

  for (const op of namesOf(binaryOps)) {
    const { [op]: ulps = 0 } = subject.tolerance.ulps;
    it(`binary ${op}, broadcasting`, () =>
      holds(
        subject,
        fc.asyncProperty(seeds, seeds, kinds, broadcastPairs({ maxSize: 9 }), async (seedA, seedB, kind, { a, b, out }) => {
          const inputs = [floating(subject.values(seedA, sizeOf(a), kind)), floating(subject.values(seedB, sizeOf(b), kind))];
          const broadcast = { shape: out, stridesA: broadcastStrides(a, out), stridesB: broadcastStrides(b, out) };
          const run: Run = (k, [x, y]) => [k.binary(op, x!, y!, broadcast)];
          const [c] = onReference(inputs, run);
          const operands = onReference(inputs, (k, [x, y]) => [
            k.readView(x!, { shape: out, strides: broadcast.stridesA, offset: 0 }),
            k.readView(y!, { shape: out, strides: broadcast.stridesB, offset: 0 }),
          ]);
          await conforms(subject, {
            inputs,
            run,
            ...(ulps !== 0 && { bound: (precision: Precision) => [ulpBound(ulps, operands, c!, precision)] }),
          });
        }),
        60,
      ));
  }

  it("power of the special numbers is what IEEE 754 says", async () => {
    const special = subject.tolerance.nonFinite
      ? [Number.NaN, Infinity, -Infinity, 0, -0, 1, -1, 2, -2, 0.5, -0.5, 3, -3]
      : [0, 1, 2, -2, 3];
    const n = special.length;
    const inputs = [floating(special.flatMap((a) => special.map(() => a))), floating(special.flatMap(() => special))];
    const run: Run = (k, [a, b]) => [k.binary("power", a!, b!, { shape: [n * n], stridesA: [1], stridesB: [1] })];
    const [c] = onReference(inputs, run);
    const ulps = subject.tolerance.ulps.power ?? 0;
    const operands = inputs.map(({ data }) => data);
    await conforms(subject, { inputs, run, ...(ulps !== 0 && { bound: (precision) => [ulpBound(ulps, operands, c!, precision)] }) });
  });

  it("binary on int32: exact arithmetic, and comparisons that give 1 or 0", () =>
    holds(
      subject,
      fc.asyncProperty(
        seeds,
        fc.constantFrom<BinaryOp>(
          "add",
          "subtract",
          "multiply",
          "maximum",
          "minimum",
          "equal",
          "notEqual",
          "less",
          "lessEqual",
          "greater",
          "greaterEqual",
        ),
        broadcastPairs(),
        async (seed, op, { a, b, out }) => {
          const inputs = [int32(subject.values(seed, sizeOf(a), "integers")), int32(subject.values(seed + 1, sizeOf(b), "integers"))];
          const broadcast = { shape: out, stridesA: broadcastStrides(a, out), stridesB: broadcastStrides(b, out) };
          await conforms(subject, { inputs, run: (k, [x, y]) => [k.binary(op, x!, y!, broadcast)] });
        },
      ),
    ));

  it("binary on long operands: alike, beside one number, a row or a column", () =>
    holds(
      subject,
      fc.asyncProperty(
        seeds,
        fc.constantFrom<BinaryOp>("add", "multiply", "maximum", "reluGradient", "less"),
        fc.integer({ min: 150, max: 300 }),
        fc.integer({ min: 150, max: 300 }),
        fc.constantFrom("same", "number", "row", "column"),
        fc.boolean(),
        async (seed, op, rows, columns, repeated, swap) => {
          const out = [rows, columns];
          const small = { same: out, number: [1, 1], row: [1, columns], column: [rows, 1] }[repeated];
          const [a, b] = swap ? [small, out] : [out, small];
          const inputs = [floating(subject.values(seed, sizeOf(a), "extreme")), floating(subject.values(seed + 1, sizeOf(b), "extreme"))];
          const merged =
            repeated === "same"
              ? { shape: [rows * columns], stridesA: [1], stridesB: [1] }
              : repeated === "number"
                ? { shape: [rows * columns], stridesA: [swap ? 0 : 1], stridesB: [swap ? 1 : 0] }
                : { shape: out, stridesA: broadcastStrides(a, out), stridesB: broadcastStrides(b, out) };
          const run: Run = (k, [x, y]) => [k.binary(op, x!, y!, merged)];
          const { [op]: ulps = 0 } = subject.tolerance.ulps;
          const [c] = onReference(inputs, run);
          await conforms(subject, {
            inputs,
            run,
            ...(ulps !== 0 && { bound: (precision: Precision) => [ulpBound(ulps, [], c!, precision)] }),
          });
        },
      ),
      12,
    ));

  it("accumulate adds in place", () =>
    holds(
      subject,
      fc.asyncProperty(
        seeds,
        fc.oneof({ weight: 20, arbitrary: lengths }, { weight: 1, arbitrary: fc.constant(70_001) }),
        async (seed, length) => {
          await conforms(subject, {
            inputs: [floating(subject.values(seed, length, "extreme")), floating(subject.values(seed + 1, length, "extreme"))],
            updates: [0],
            run: (k, [target, x]) => {
              k.accumulate(target!, x!);
              return [];
            },
          });
        },
      ),
    ));

  it("select takes a where the condition is not 0, NaN included", () =>
    holds(
      subject,
      fc.asyncProperty(seeds, lengths, async (seed, length) => {
        const condition = subject.values(seed, length, seed % 2 ? "integers" : "extreme");
        const inputs = [condition, subject.values(seed + 1, length, "extreme"), subject.values(seed + 2, length, "extreme")].map(floating);
        await conforms(subject, { inputs, run: (k, [c, a, b]) => [k.select(c!, a!, b!)] });
      }),
    ));

  it("clamp keeps what is between its bounds, and NaN", () =>
    holds(
      subject,
      fc.asyncProperty(
        seeds,
        lengths,
        fc.constantFrom(-Infinity, -1, 0, 0.25),
        fc.constantFrom(0.25, 1, 6, Infinity),
        async (seed, length, low, high) => {
          await conforms(subject, {
            inputs: [floating(subject.values(seed, length, "extreme"))],
            run: (k, [x]) => [k.clamp(x!, low, high)],
          });
        },
      ),
    ));
}
