/** Functions of one operand, element by element. Each VJP is ȳ times the derivative, written with ops, so it can be differentiated again. */

import { kernels } from "../backend/active.ts";
import type { UnaryOp } from "../backend/kernels.ts";
import { ConfigError, ShapeError } from "../core/errors.ts";
import { differentiable } from "../tape/tape.ts";
import type { DType } from "../tensor/storage.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { divide, greater, greaterEqual, less, lessEqual, multiply, negate, reluGradient, subtract } from "./arithmetic.ts";
import { checkFloating, output } from "./output.ts";

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
