/**
 * Functions of one, two and three operands, element by element, with NumPy broadcasting. A number stands for a scalar tensor.
 *
 * An op is a line here: the name of its kernel, and its VJP. Broadcasting needs no VJP of its own: `binary` sums each cotangent back to the
 * shape of its operand (docs/derivations/elementwise.md).
 */

import { kernels } from "../backend/active.ts";
import { joinAxes } from "../backend/join-axes.ts";
import type { BinaryOp, Broadcast, UnaryOp } from "../backend/kernels.ts";
import { ConfigError } from "../core/errors.ts";
import { broadcastShapes, broadcastStrides, type Shape, sameShape } from "../core/shape.ts";
import { differentiable, jointly, noGrad } from "../tape/tape.ts";
import type { DType } from "../tensor/storage.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { asTensor, checkDType, checkFloating, type Operand, output } from "./output.ts";
import { broadcastTo, sumTo } from "./sum-and-broadcast.ts";

/** How two operands of one shape are walked through: as one axis. This is what `joinAxes` gives for them, without the search. */
const flat = (size: number): Broadcast => (size === 1 ? oneElement : { shape: [size], stridesA: [1], stridesB: [1] });
const oneElement: Broadcast = { shape: [], stridesA: [], stridesB: [] };

/** The shape of op(a, b), and how a kernel walks through the operands. */
function broadcastOf(name: BinaryOp, a: Tensor, b: Tensor): { readonly shape: Shape; readonly broadcast: Broadcast } {
  if (sameShape(a.shape, b.shape)) return { shape: a.shape, broadcast: flat(a.size) };
  const shape = broadcastShapes(name, a.shape, b.shape);
  const axes = joinAxes(shape, broadcastStrides(a.shape, shape), broadcastStrides(b.shape, shape));
  const [stridesA, stridesB] = axes.strides as [number[], number[]];
  return { shape, broadcast: { shape: axes.shape, stridesA, stridesB } };
}

/** op(a, b), without its VJPs. */
function compute(name: BinaryOp, a: Tensor, b: Tensor): Tensor {
  checkFloating(name, a, b);
  const { shape, broadcast } = broadcastOf(name, a, b);
  return output(shape, kernels().binary(name, a.storage, b.storage, broadcast));
}

/** The cotangent of one operand of c = f(a, b), in the shape of c. */
type BinaryVjp = (g: Tensor, a: Tensor, b: Tensor, c: Tensor) => Tensor;

/** What computes the cotangents of both operands by one kernel; undefined on a backend without it. */
type JointVjp = (a: Tensor, b: Tensor) => ((g: Tensor) => readonly [Tensor, Tensor] | undefined) | undefined;

/** An op of two operands from its kernel and the VJP of each. An operand without a VJP counts as a constant. @throws ShapeError */
function binary(name: BinaryOp, vjpA?: BinaryVjp, vjpB?: BinaryVjp, joint?: JointVjp): (a: Operand, b: Operand) => Tensor {
  const op = differentiable(name, (a: Tensor, b: Tensor) => {
    const value = compute(name, a, b);
    const each = [
      vjpA && ((g: Tensor) => sumTo(vjpA(g, a, b, value), a.shape)),
      vjpB && ((g: Tensor) => sumTo(vjpB(g, a, b, value), b.shape)),
    ];
    return { inputs: [a, b], value, vjp: jointly(joint?.(a, b), each) };
  });
  return (a, b) => {
    const dtype = typeof a === "number" ? (typeof b === "number" ? "float32" : b.dtype) : a.dtype;
    return op(asTensor(a, dtype), asTensor(b, dtype));
  };
}

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

/** Both cotangents of a product at once. */
const productCotangents: JointVjp = (a, b) => {
  const { multiplyGradient } = kernels();
  if (multiplyGradient === undefined) return undefined;
  return (g) => {
    const both = multiplyGradient(a.storage, b.storage, g.storage, broadcastOf("multiply", a, b).broadcast);
    return both && [output(a.shape, both.a), output(b.shape, both.b)];
  };
};

/** c = a·b.   VJP: ā = c̄·b, b̄ = c̄·a. */
export const multiply: (a: Operand, b: Operand) => Tensor = binary(
  "multiply",
  (g, _a, b) => multiply(g, b),
  (g, a) => multiply(g, a),
  productCotangents,
);

/** c = a/b.   VJP: ā = c̄/b, b̄ = −c̄·c/b. */
export const divide = binary(
  "divide",
  (g, _a, b) => divide(g, b),
  (g, _a, b, c) => negate(divide(multiply(g, c), b)),
);

/**
 * c = aᵇ by IEEE 754: 1ᵇ = 1 and a⁰ = 1, also for NaN, and (−1)^±∞ = 1.   VJP:
 * ā = c̄·b·aᵇ⁻¹ (0 where b = 0), b̄ = c̄·c·log a (0 where a = 0).
 */
export const power = binary(
  "power",
  (g, a, b) => multiply(g, where(equal(b, 0), 0, multiply(b, power(a, subtract(b, 1))))),
  (g, a, _b, c) => multiply(g, where(equal(a, 0), 0, multiply(c, log(where(equal(a, 0), 1, a))))),
);

/** ∂max(a, b)/∂a: 1 where a > b, ½ where a = b, and 0 elsewhere. It is also ∂min(a, b)/∂b. */
const maximumSlope = (a: Tensor, b: Tensor): Tensor => add(greater(a, b), multiply(equal(a, b), 0.5));

/** c = max(a, b), and NaN where a or b is NaN.   VJP: c̄ goes to the larger operand, or half to each where they are equal. */
export const maximum = binary(
  "maximum",
  (g, a, b) => multiply(g, maximumSlope(a, b)),
  (g, a, b) => multiply(g, maximumSlope(b, a)),
);

/** c = min(a, b), and NaN where a or b is NaN.   VJP: c̄ goes to the smaller operand, or half to each where they are equal. */
export const minimum = binary(
  "minimum",
  (g, a, b) => multiply(g, maximumSlope(b, a)),
  (g, a, b) => multiply(g, maximumSlope(a, b)),
);

/** c = 1 where a = b, else 0, in the operands' dtype. Constant to differentiation. */
export const equal = binary("equal");
/** c = 1 where a ≠ b, else 0, in the operands' dtype. Constant to differentiation. */
export const notEqual = binary("notEqual");
/** c = 1 where a < b, else 0, in the operands' dtype. Constant to differentiation. */
export const less = binary("less");
/** c = 1 where a ≤ b, else 0, in the operands' dtype. Constant to differentiation. */
export const lessEqual = binary("lessEqual");
/** c = 1 where a > b, else 0, in the operands' dtype. Constant to differentiation. */
export const greater = binary("greater");
/** c = 1 where a ≥ b, else 0, in the operands' dtype. Constant to differentiation. */
export const greaterEqual = binary("greaterEqual");

/** h = g where x > 0, else 0: the VJP of `relu`.   VJP: ḡ = reluGradient(x, h̄). The op is constant in x. */
export const reluGradient: (x: Tensor, g: Tensor) => Tensor = binary("reluGradient", undefined, (h, x) => reluGradient(x, h));

/** h = g·(Φ(x) + x·φ(x)): the VJP of `gelu`.   VJP: x̄ = h̄·g·φ(x)·(2 − x²), ḡ = geluGradient(x, h̄). */
export const geluGradient: (x: Tensor, g: Tensor) => Tensor = binary(
  "geluGradient",
  (h, x, g) => multiply(multiply(h, g), geluCurvature(x)),
  (h, x) => geluGradient(x, h),
);

/** φ(x)·(2 − x²), the second derivative of x·Φ(x). Beyond ±40 it is 0 in every dtype. The bounds keep 0·∞ out. */
function geluCurvature(x: Tensor): Tensor {
  const bounded = clamp(x, -40, 40);
  const square = multiply(bounded, bounded);
  return multiply(multiply(exp(multiply(square, -0.5)), 1 / Math.sqrt(2 * Math.PI)), subtract(2, square));
}

const select = differentiable("where", (condition: Tensor, a: Tensor, b: Tensor) => ({
  inputs: [condition, a, b],
  value: output(a.shape, kernels().select(condition.storage, a.storage, b.storage)),
  vjp: [undefined, (g) => where(condition, g, 0), (g) => where(condition, 0, g)],
}));

/**
 * c = a where condition ≠ 0, else b. All three broadcast together. VJP: ā = c̄ where condition ≠ 0, else 0; b̄ = c̄ where condition = 0,
 * else 0.
 * @throws ShapeError for shapes that do not broadcast, or dtypes that differ.
 */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  const [left, right] = [asTensor(a, condition.dtype), asTensor(b, condition.dtype)];
  checkFloating("where", condition, left, right);
  const shape = broadcastShapes("where", condition.shape, broadcastShapes("where", left.shape, right.shape));
  return select(broadcastTo(condition, shape), broadcastTo(left, shape), broadcastTo(right, shape));
}

/**
 * An op y = f(x) from its kernel and its VJP. An op without a VJP is constant to differentiation.
 * @throws ShapeError for an int32 tensor.
 */
function unary(name: UnaryOp, vjp?: (g: Tensor, x: Tensor, y: Tensor) => Tensor): (x: Tensor) => Tensor {
  return differentiable(name, (x: Tensor) => {
    checkFloating(name, x);
    const value = output(x.shape, kernels().unary(name, x.storage));
    return { inputs: [x], value, vjp: [vjp && ((g: Tensor) => vjp(g, x, value))] };
  });
}

/** y = −x.   VJP: x̄ = −ȳ. */
export const negate: (x: Tensor) => Tensor = unary("negate", (g) => negate(g));

/** y = log x, the natural logarithm.   VJP: x̄ = ȳ/x. */
export const log = unary("log", (g, x) => divide(g, x));

/** y = log(1 + x), accurate also for x near 0.   VJP: x̄ = ȳ/(1 + x). */
export const log1p = unary("log1p", (g, x) => divide(g, add(x, 1)));

/** y = eˣ.   VJP: x̄ = ȳ·y. */
export const exp = unary("exp", (g, _x, y) => multiply(g, y));

/** y = eˣ − 1, accurate also for x near 0.   VJP: x̄ = ȳ·eˣ. */
export const expm1 = unary("expm1", (g, x) => multiply(g, exp(x)));

/** y = √x.   VJP: x̄ = ȳ/(2y). */
export const sqrt = unary("sqrt", (g, _x, y) => divide(g, multiply(y, 2)));

/** y = 1/√x.   VJP: x̄ = −½·ȳ·y/x. */
export const reciprocalSqrt: (x: Tensor) => Tensor = unary("reciprocalSqrt", (g, x, y) => divide(multiply(multiply(g, y), -0.5), x));

/** y = 1/x.   VJP: x̄ = −ȳ·y². */
export const reciprocal = unary("reciprocal", (g, _x, y) => negate(multiply(g, multiply(y, y))));

/** y = |x|.   VJP: x̄ = ȳ·sign x, which is 0 where x = 0. */
export const absolute = unary("absolute", (g, x) => multiply(g, sign(x)));

/** y = −1 where x < 0, 0 where x = 0, and 1 where x > 0. Constant to differentiation. */
export const sign = unary("sign");

/** y = ⌊x⌋, the largest integer ≤ x. Constant to differentiation. */
export const floor = unary("floor");

/** y = 1 where x = 0, else 0. Constant to differentiation. */
export const not = unary("not");

/** y = 1 where x is NaN, else 0. Constant to differentiation. */
// biome-ignore lint/suspicious/noShadowRestrictedNames: this is the name of the op in PyTorch and TensorFlow.js.
export const isNaN = (x: Tensor): Tensor => notEqual(x, x);

/** y = 1 where x is neither NaN nor ±∞, else 0. Constant to differentiation. */
// biome-ignore lint/suspicious/noShadowRestrictedNames: this is the name of the op in PyTorch and TensorFlow.js.
export const isFinite = (x: Tensor): Tensor => noGrad(() => equal(subtract(x, x), 0));

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

/** y = max(x, 0).   VJP: x̄ = ȳ where x > 0, else 0. */
export const relu = unary("relu", (g, x) => reluGradient(x, g));

/**
 * y = Φ(x) = ½·(1 + erf(x/√2)), the distribution function of the standard normal distribution. It is accurate to a few units in the last
 * place also for x far below 0, where 1 + erf would cancel.   VJP: x̄ = ȳ·e^(−x²/2)/√(2π).
 */
export const normalCdf = unary("normalCdf", (g, x) =>
  multiply(g, multiply(exp(multiply(multiply(x, x), -0.5)), 1 / Math.sqrt(2 * Math.PI))),
);

/**
 * y = x·Φ(x): the exact Gaussian error linear unit (arXiv 1606.08415), PyTorch's default. It keeps its digits far below 0, and it is 0 at
 * −∞.   VJP: x̄ = ȳ·(Φ(x) + x·φ(x)) with the density φ(x) = e^(−x²/2)/√(2π).
 */
export const gelu = unary("gelu", (g, x) => geluGradient(x, g));

/** y = min(max(x, low), high).   VJP: x̄ = ȳ where low ≤ x ≤ high, else 0. @throws ConfigError unless low ≤ high. */
export const clamp: (x: Tensor, low: number, high: number) => Tensor = differentiable("clamp", (x: Tensor, low: number, high: number) => {
  checkFloating("clamp", x);
  if (!(low <= high)) throw new ConfigError(`clamp: low must not exceed high, got low=${low}, high=${high}`);
  const inside = (): Tensor => multiply(greaterEqual(x, low), lessEqual(x, high));
  return { inputs: [x], value: output(x.shape, kernels().clamp(x.storage, low, high)), vjp: [(g) => multiply(g, inside())] };
});

/**
 * y = min(max(x, 0), 6), the activation of MobileNets. VJP: x̄ = ȳ where 0 < x < 6, else 0, as in PyTorch. `clamp` differs at the edges.
 */
export const relu6: (x: Tensor) => Tensor = differentiable("relu6", (x: Tensor) => {
  checkFloating("relu6", x);
  const inside = (): Tensor => multiply(greater(x, 0), less(x, 6));
  return { inputs: [x], value: output(x.shape, kernels().clamp(x.storage, 0, 6)), vjp: [(g) => multiply(g, inside())] };
});

/**
 * x in another dtype. The conversion to int32 drops the fraction. VJP: x̄ = ȳ in the dtype of x. A conversion from or to int32 is constant
 * to differentiation.
 * @throws ShapeError for a dtype that does not exist.
 */
export const cast: (x: Tensor, dtype: DType) => Tensor = differentiable("cast", (x: Tensor, dtype: DType) => {
  checkDType("cast", dtype);
  const vjp = x.dtype === "int32" || dtype === "int32" ? undefined : (g: Tensor) => cast(g, x.dtype);
  return { inputs: [x], value: output(x.shape, kernels().cast(x.storage, dtype)), vjp: [vjp] };
});
