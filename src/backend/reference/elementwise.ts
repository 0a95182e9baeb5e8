/**
 * y = f(x) and c = f(a, b), element by element. This file teaches that elementwise arithmetic is a table of scalar functions and one loop,
 * and that broadcasting is a stride of 0. The functions compute in float64, and each result is rounded once, when it is stored.
 */

import { sizeOf } from "../../core/shape.ts";
import { type HostMemory, viewOf } from "../host-storage.ts";
import type { BinaryOp, Kernels, UnaryOp } from "../kernels.ts";
import { forEachElement } from "./layout.ts";
import { erf, gelu, geluSlope, normalCdf, sigmoid } from "./special-functions.ts";

const unaryFunctions: Record<UnaryOp, (x: number) => number> = {
  negate: (x) => -x,
  absolute: Math.abs,
  sign: Math.sign,
  reciprocal: (x) => 1 / x,
  exp: Math.exp,
  expm1: Math.expm1,
  log: Math.log,
  log1p: Math.log1p,
  sqrt: Math.sqrt,
  reciprocalSqrt: (x) => 1 / Math.sqrt(x),
  tanh: Math.tanh,
  sigmoid,
  erf,
  normalCdf,
  gelu,
  sin: Math.sin,
  cos: Math.cos,
  relu: (x) => Math.max(x, 0), // The expression x > 0 ? x : 0 would turn NaN into 0, which would hide that a network diverges.
  step: (x) => Number(x > 0),
  floor: Math.floor,
  not: (x) => Number(x === 0),
};

/**
 * aᵇ by IEEE 754. Every power of 1 is 1, and an infinite power of −1 is 1. JavaScript gives NaN for infinite powers of 1 and −1, and for
 * 1 ** NaN.
 */
const power = (a: number, b: number): number => (a === 1 || (a === -1 && Math.abs(b) === Infinity) ? 1 : a ** b);

const binaryFunctions: Record<BinaryOp, (a: number, b: number) => number> = {
  add: (a, b) => a + b,
  subtract: (a, b) => a - b,
  multiply: (a, b) => a * b,
  divide: (a, b) => a / b,
  power,
  maximum: Math.max,
  minimum: Math.min,
  equal: (a, b) => Number(a === b),
  notEqual: (a, b) => Number(a !== b),
  less: (a, b) => Number(a < b),
  lessEqual: (a, b) => Number(a <= b),
  greater: (a, b) => Number(a > b),
  greaterEqual: (a, b) => Number(a >= b),
  reluGradient: (x, g) => (x > 0 ? g : 0),
  geluGradient: (x, g) => g * geluSlope(x),
};

export const elementwiseKernels = (memory: HostMemory): Pick<Kernels, "unary" | "binary" | "accumulate" | "select" | "clamp"> => ({
  unary(op, x) {
    const f = unaryFunctions[op];
    const out = memory.allocate(x.dtype, x.length);
    const [y, source] = [out.view, viewOf(x)];
    for (let i = 0; i < y.length; i++) y[i] = f(source[i]!);
    return out;
  },

  binary(op, a, b, { shape, stridesA, stridesB }) {
    const f = binaryFunctions[op];
    const out = memory.allocate(a.dtype, sizeOf(shape));
    const [c, sourceA, sourceB] = [out.view, viewOf(a), viewOf(b)];
    forEachElement({ shape, strides: stridesA, offset: 0 }, { shape, strides: stridesB, offset: 0 }, (i, atA, atB) => {
      c[i] = f(sourceA[atA]!, sourceB[atB]!);
    });
    return out;
  },

  accumulate(target, x) {
    const [sums, terms] = [viewOf(target), viewOf(x)];
    for (let i = 0; i < sums.length; i++) sums[i] = sums[i]! + terms[i]!;
  },

  select(condition, a, b) {
    const out = memory.allocate(a.dtype, a.length);
    const [y, mask, sourceA, sourceB] = [out.view, viewOf(condition), viewOf(a), viewOf(b)];
    for (let i = 0; i < y.length; i++) y[i] = mask[i] !== 0 ? sourceA[i]! : sourceB[i]!;
    return out;
  },

  clamp(x, low, high) {
    const out = memory.allocate(x.dtype, x.length);
    const [y, source] = [out.view, viewOf(x)];
    for (let i = 0; i < y.length; i++) y[i] = Math.min(Math.max(source[i]!, low), high);
    return out;
  },
});
