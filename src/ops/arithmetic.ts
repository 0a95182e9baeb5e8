/** Arithmetic and comparison of two operands, with NumPy broadcasting (a number stands for a scalar tensor); `negate` and `log`, which its VJPs need. */

import { kernels } from "../backend/active.ts";
import type { BinaryOp } from "../backend/kernels.ts";
import { broadcastShapes, broadcastStrides, type Shape } from "../core/shape.ts";
import { differentiable } from "../tape/tape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { broadcastTo, sumTo } from "./broadcast.ts";
import { asTensor, checkFloating, type Operand, output } from "./output.ts";

/** Fewer, longer axes: drops those of size 1 and merges neighbours that both operands walk through in one stride. */
function mergeAxes(
  shape: Shape,
  stridesA: readonly number[],
  stridesB: readonly number[],
): { shape: number[]; stridesA: number[]; stridesB: number[] } {
  const merged = { shape: [] as number[], stridesA: [] as number[], stridesB: [] as number[] };
  for (let axis = 0; axis < shape.length; axis++) {
    const [size, a, b] = [shape[axis]!, stridesA[axis]!, stridesB[axis]!];
    if (size === 1) continue;
    const last = merged.shape.length - 1;
    if (last >= 0 && merged.stridesA[last] === a * size && merged.stridesB[last] === b * size) {
      merged.shape[last]! *= size;
      merged.stridesA[last] = a;
      merged.stridesB[last] = b;
    } else {
      merged.shape.push(size);
      merged.stridesA.push(a);
      merged.stridesB.push(b);
    }
  }
  return merged;
}

/** Computes op(a, b); its gradient is the caller's business. */
function compute(name: BinaryOp, a: Tensor, b: Tensor): Tensor {
  checkFloating(name, a, b);
  const shape = broadcastShapes(name, a.shape, b.shape);
  const plan = mergeAxes(shape, broadcastStrides(a.shape, shape), broadcastStrides(b.shape, shape));
  return output(shape, kernels().binary(name, a.storage, b.storage, plan));
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
