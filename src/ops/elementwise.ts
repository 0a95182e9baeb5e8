/** Functions of one, two and three operands, element by element, with NumPy broadcasting. A number stands for a scalar tensor. */

import { kernels } from "../backend/active.ts";
import { joinAxes } from "../backend/join-axes.ts";
import type { BinaryOp, UnaryOp } from "../backend/kernels.ts";
import { ConfigError, ShapeError } from "../core/errors.ts";
import { broadcastShapes, broadcastStrides } from "../core/shape.ts";
import { differentiable } from "../tape/tape.ts";
import type { DType } from "../tensor/storage.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { asTensor, checkFloating, type Operand, output } from "./output.ts";
import { broadcastTo, sumTo } from "./sum-and-broadcast.ts";

/** Computes op(a, b); its gradient is the caller's business. */
function compute(name: BinaryOp, a: Tensor, b: Tensor): Tensor {
  checkFloating(name, a, b);
  const shape = broadcastShapes(name, a.shape, b.shape);
  const axes = joinAxes(shape, broadcastStrides(a.shape, shape), broadcastStrides(b.shape, shape));
  const [stridesA, stridesB] = axes.strides as [number[], number[]];
  return output(shape, kernels().binary(name, a.storage, b.storage, { shape: axes.shape, stridesA, stridesB }));
}

type BinaryVjp = (g: Tensor, a: Tensor, b: Tensor, y: Tensor) => Tensor;

/** An op of two operands from its kernel and the VJP of each before broadcasting is undone. */
function binary(name: BinaryOp, vjpA?: BinaryVjp, vjpB?: BinaryVjp): (a: Operand, b: Operand) => Tensor {
  const op = differentiable(name, (a: Tensor, b: Tensor) => {
    const value = compute(name, a, b);
    return {
      inputs: [a, b],
      value,
      vjp: [vjpA && ((g: Tensor) => sumTo(vjpA(g, a, b, value), a.shape)), vjpB && ((g: Tensor) => sumTo(vjpB(g, a, b, value), b.shape))],
    };
  });
  return (a, b) => {
    const dtype = typeof a === "number" ? (typeof b === "number" ? "float32" : b.dtype) : a.dtype;
    return op(asTensor(a, dtype), asTensor(b, dtype));
  };
}

/** y = −x.   VJP: x̄ = −ȳ. */
export const negate: (x: Tensor) => Tensor = differentiable("negate", (x: Tensor) => {
  checkFloating("negate", x);
  return { inputs: [x], value: output(x.shape, kernels().unary("negate", x.storage)), vjp: [(g) => negate(g)] };
});

/** y = log x (natural).   VJP: x̄ = ȳ/x. */
export const log: (x: Tensor) => Tensor = differentiable("log", (x: Tensor) => {
  checkFloating("log", x);
  return { inputs: [x], value: output(x.shape, kernels().unary("log", x.storage)), vjp: [(g) => divide(g, x)] };
});

/** c = a + b.   VJP: ā = c̄, b̄ = c̄. */
export const add = binary(
  "add",
  (g) => g,
  (g) => g,
);

/** c = a − b.   VJP: ā = c̄, b̄ = −c̄. */
export const subtract = binary(
  "subtract",
  (g) => g,
  (g) => negate(g),
);

/** c = a·b.   VJP: ā = c̄·b, b̄ = c̄·a. */
export const multiply = binary(
  "multiply",
  (g, _a, b) => multiply(g, b),
  (g, a) => multiply(g, a),
);

/** c = a/b.   VJP: ā = c̄/b, b̄ = −c̄·c/b. */
export const divide = binary(
  "divide",
  (g, _a, b) => divide(g, b),
  (g, _a, b, c) => negate(divide(multiply(g, c), b)),
);

/** c = aᵇ.   VJP: ā = c̄·b·aᵇ⁻¹ (0 where b = 0), b̄ = c̄·c·log a (0 where a = 0). */
export const power = binary(
  "power",
  (g, a, b) => multiply(g, where(equal(b, 0), 0, multiply(b, power(a, subtract(b, 1))))),
  (g, a, _b, c) => multiply(g, where(equal(a, 0), 0, multiply(c, log(where(equal(a, 0), 1, a))))),
);

/** 1 where a wins, ½ at a tie: how max and min share a cotangent. */
const winner = (a: Tensor, b: Tensor): Tensor => add(greater(a, b), multiply(equal(a, b), 0.5));

/** c = max(a, b), NaN if either is.   VJP: to the larger, half to each at a tie. */
export const maximum = binary(
  "maximum",
  (g, a, b) => multiply(g, winner(a, b)),
  (g, a, b) => multiply(g, winner(b, a)),
);

/** c = min(a, b), NaN if either is.   VJP: to the smaller, half to each at a tie. */
export const minimum = binary(
  "minimum",
  (g, a, b) => multiply(g, winner(b, a)),
  (g, a, b) => multiply(g, winner(a, b)),
);

/** 1 where the relation holds, else 0, in the operands' dtype. Constant to differentiation. */
export const equal = binary("equal");
export const notEqual = binary("notEqual");
export const less = binary("less");
export const lessEqual = binary("lessEqual");
export const greater = binary("greater");
export const greaterEqual = binary("greaterEqual");

/** g where x > 0, else 0: the VJP of relu. Linear in g, constant in x. */
export const reluGradient: (x: Tensor, g: Tensor) => Tensor = binary("reluGradient", undefined, (h, x) => reluGradient(x, h));

const select = differentiable("where", (condition: Tensor, a: Tensor, b: Tensor) => ({
  inputs: [condition, a, b],
  value: output(a.shape, kernels().select(condition.storage, a.storage, b.storage)),
  vjp: [undefined, (g) => where(condition, g, 0), (g) => where(condition, 0, g)],
}));

/** c = a where condition ≠ 0, else b, all three broadcast together.   VJP: ā = c̄ where the condition holds, b̄ = c̄ elsewhere. @throws ShapeError */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  const [left, right] = [asTensor(a, condition.dtype), asTensor(b, condition.dtype)];
  checkFloating("where", condition, left, right);
  const shape = broadcastShapes("where", condition.shape, broadcastShapes("where", left.shape, right.shape));
  return select(broadcastTo(condition, shape), broadcastTo(left, shape), broadcastTo(right, shape));
}

/** A unary op from its kernel and its derivative in terms of x and y = f(x); without one it is constant to differentiation. */
function unary(name: UnaryOp, vjp?: (g: Tensor, x: Tensor, y: Tensor) => Tensor): (x: Tensor) => Tensor {
  return differentiable(name, (x: Tensor) => {
    checkFloating(name, x);
    const value = output(x.shape, kernels().unary(name, x.storage));
    return { inputs: [x], value, vjp: [vjp && ((g: Tensor) => vjp(g, x, value))] };
  });
}

/** y = eˣ.   VJP: x̄ = ȳ·y. */
export const exp = unary("exp", (g, _x, y) => multiply(g, y));

/** y = √x.   VJP: x̄ = ȳ/(2y). */
export const sqrt = unary("sqrt", (g, _x, y) => divide(g, multiply(y, 2)));

/** y = 1/√x.   VJP: x̄ = −½·ȳ·y/x. */
export const reciprocalSqrt: (x: Tensor) => Tensor = unary("reciprocalSqrt", (g, x, y) => divide(multiply(multiply(g, y), -0.5), x));

/** y = 1/x.   VJP: x̄ = −ȳ·y². */
export const reciprocal = unary("reciprocal", (g, _x, y) => negate(multiply(g, multiply(y, y))));

/** y = |x|.   VJP: x̄ = ȳ·sign x, 0 at the kink. */
export const absolute = unary("absolute", (g, x) => multiply(g, sign(x)));

/** −1, 0 or 1. Constant to differentiation. */
export const sign = unary("sign");

/** The largest integer ≤ x. Constant to differentiation. */
export const floor = unary("floor");

/** 1 where x = 0, else 0. Constant to differentiation. */
export const not = unary("not");

/** y = sin x.   VJP: x̄ = ȳ·cos x. */
export const sin: (x: Tensor) => Tensor = unary("sin", (g, x) => multiply(g, cos(x)));

/** y = cos x.   VJP: x̄ = −ȳ·sin x. */
export const cos: (x: Tensor) => Tensor = unary("cos", (g, x) => negate(multiply(g, sin(x))));

/** y = tanh x.   VJP: x̄ = ȳ·(1 − y²). */
export const tanh = unary("tanh", (g, _x, y) => multiply(g, subtract(1, multiply(y, y))));

/** y = 1/(1 + e⁻ˣ).   VJP: x̄ = ȳ·y·(1 − y). */
export const sigmoid = unary("sigmoid", (g, _x, y) => multiply(g, multiply(y, subtract(1, y))));

/** y = (2/√π)·∫₀ˣ e^(−t²) dt.   VJP: x̄ = ȳ·(2/√π)·e^(−x²). */
export const erf = unary("erf", (g, x) => multiply(g, multiply(exp(negate(multiply(x, x))), 2 / Math.sqrt(Math.PI))));

/** y = max(x, 0).   VJP: x̄ = ȳ where x > 0. */
export const relu = unary("relu", (g, x) => reluGradient(x, g));

/** y = x·Φ(x) = ½x·(1 + erf(x/√2)), the exact Gaussian error linear unit (1606.08415, eq. 1). */
export const gelu = (x: Tensor): Tensor => multiply(multiply(x, 0.5), subtract(erf(multiply(x, Math.SQRT1_2)), -1));

/** y = min(max(x, low), high).   VJP: x̄ = ȳ where low ≤ x ≤ high. @throws ConfigError unless low ≤ high. */
export const clamp: (x: Tensor, low: number, high: number) => Tensor = differentiable("clamp", (x: Tensor, low: number, high: number) => {
  checkFloating("clamp", x);
  if (!(low <= high)) throw new ConfigError(`clamp: low must not exceed high, got low=${low}, high=${high}`);
  const inside = (): Tensor => multiply(greaterEqual(x, low), lessEqual(x, high));
  return { inputs: [x], value: output(x.shape, kernels().clamp(x.storage, low, high)), vjp: [(g) => multiply(g, inside())] };
});

/** y = min(max(x, 0), 6), MobileNet's activation.   VJP: x̄ = ȳ where 0 < x < 6, as PyTorch has it. */
export const relu6: (x: Tensor) => Tensor = differentiable("relu6", (x: Tensor) => {
  checkFloating("relu6", x);
  const inside = (): Tensor => multiply(greater(x, 0), less(x, 6));
  return { inputs: [x], value: output(x.shape, kernels().clamp(x.storage, 0, 6)), vjp: [(g) => multiply(g, inside())] };
});

/** x in another dtype; int32 drops the fraction.   VJP: x̄ = ȳ in x's dtype. */
export const cast: (x: Tensor, dtype: DType) => Tensor = differentiable("cast", (x: Tensor, dtype: DType) => {
  if (!["float32", "float64", "int32"].includes(dtype)) throw new ShapeError(`cast: dtype must be float32, float64 or int32, got ${dtype}`);
  const vjp = x.dtype === "int32" || dtype === "int32" ? undefined : (g: Tensor) => cast(g, x.dtype);
  return { inputs: [x], value: output(x.shape, kernels().cast(x.storage, dtype)), vjp: [vjp] };
});
