/** Elementwise kernels as ONNX nodes. */

import type { BinaryOp, Kernels, UnaryOp } from "../../backend/kernels.ts";
import { type Shape, sizeOf } from "../../core/shape.ts";
import type { DType, Storage } from "../../tensor/storage.ts";
import type { Value } from "./onnx-model.ts";
import { recogniseBatchNorm } from "./recognise-batch-norm.ts";
import { type Trace, trainingOnly } from "./trace.ts";
import { refine } from "./view-boxes.ts";

const unaryOperators = {
  negate: "Neg",
  absolute: "Abs",
  sign: "Sign",
  reciprocal: "Reciprocal",
  exp: "Exp",
  log: "Log",
  sqrt: "Sqrt",
  tanh: "Tanh",
  sigmoid: "Sigmoid",
  erf: "Erf",
  sin: "Sin",
  cos: "Cos",
  relu: "Relu",
  floor: "Floor",
} as const satisfies Partial<Record<UnaryOp, string>>;

const binaryOperators = {
  add: "Add",
  subtract: "Sub",
  multiply: "Mul",
  divide: "Div",
  power: "Pow",
  maximum: "Max",
  minimum: "Min",
} as const satisfies Partial<Record<BinaryOp, string>>;

const comparisons = {
  equal: "Equal",
  notEqual: "Equal",
  less: "Less",
  lessEqual: "LessOrEqual",
  greater: "Greater",
  greaterEqual: "GreaterOrEqual",
} as const satisfies Partial<Record<BinaryOp, string>>;

/** A comparison, whose result is 1 or 0 in the dtype of its operands. */
function compare(trace: Trace, op: string, inputs: readonly [Value, Value], shape: Shape, negated = false): Value {
  const holds = trace.graph.node(op, inputs, {}, { type: "bool", shape });
  return trace.cast(negated ? trace.graph.node("Not", [holds], {}, holds) : holds, inputs[0].type);
}

/** An operand of a kernel and how the kernel repeats it: along axes of stride 0. */
interface Side {
  readonly x: Storage;
  readonly strides: readonly number[];
}

/**
 * Shapes the operands so that ONNX broadcasts them as the kernel does. An operand that fills the result keeps its current shape, provided
 * that every axis of the kernel can be found in that shape, and that no axis along which the other operand varies is split in it.
 */
function broadcastOperands(trace: Trace, sides: readonly [Side, Side], shape: Shape): { inputs: readonly [Value, Value]; shape: Shape } {
  const size = sizeOf(shape);
  const full = sides.find(({ x }) => x.length === size && trace.isSymbolic(x));
  const current = full && trace.value(full.x).shape;
  const owners = current && refine(current, shape);
  const splits = ({ x, strides }: Side): boolean =>
    x.length < size &&
    shape.some((_, axis) => strides[axis] !== 0 && owners!.filter((owner, i) => owner === axis && current![i] !== 1).length > 1);
  const keeps = owners !== undefined && !sides.some(splits);
  const [result, ownerOf] = keeps ? [current!, owners] : [shape, shape.map((_, axis) => axis)];
  const operand = ({ x, strides }: Side): Value => {
    const number = trace.numberOf(x);
    if (number !== undefined) return trace.graph.number(x.dtype, number);
    const own = result.map((length, axis) => (strides[ownerOf[axis]!] === 0 ? 1 : length));
    // ONNX adds leading axes of size 1 by itself.
    const first = x.length === size ? 0 : own.findIndex((length) => length !== 1);
    return trace.as(x, first < 0 ? [] : own.slice(first));
  };
  return { inputs: [operand(sides[0]), operand(sides[1])], shape: result };
}

export function elementwiseNodes(trace: Trace): Pick<Kernels, "unary" | "binary" | "select" | "clamp" | "cast"> {
  const { graph } = trace;
  const same = (op: string, x: Value): Value => trace.node(op, [x], {}, x, x.shape);
  const zero = (x: Storage): Value => graph.number(x.dtype, 0);

  /** An operator of two operands of one shape, or of one such operand and a number. */
  const both = (op: string, a: Value, b: Value): Value => trace.node(op, [a, b], {}, a, a.shape.length === 0 ? b.shape : a.shape);
  const number = (x: Value, value: number): Value => graph.number(x.type as DType, value);
  const where = (test: [op: string, a: Value, b: Value], a: Value, b: Value): Value => {
    const holds = graph.node(test[0], test.slice(1) as [Value, Value], {}, { type: "bool", shape: a.shape });
    return trace.node("Where", [holds, a, b], {}, a, a.shape);
  };

  /**
   * log(1 + x) = log u·x/(u − 1) with u = 1 + x rounded: the errors of log u and of u − 1 cancel (Kahan; Goldberg 1991, theorem 4). Above
   * 1, x/(u − 1) is as good as 1.
   */
  const log1p = (x: Value): Value => {
    const u = both("Add", x, number(x, 1));
    const small = both("Min", x, number(x, 1));
    const ratio = both("Div", small, both("Sub", both("Add", small, number(x, 1)), number(x, 1)));
    return where(["Equal", u, number(x, 1)], x, both("Mul", same("Log", u), ratio));
  };

  /** eˣ − 1 = 2·t/(1 − t) with t = tanh(x/2) near 0, where eˣ − 1 would cancel. */
  const expm1 = (x: Value): Value => {
    const t = same("Tanh", both("Mul", x, number(x, 0.5)));
    const near = both("Div", both("Mul", t, number(x, 2)), both("Sub", number(x, 1), t));
    return where(["Less", same("Abs", x), number(x, 0.5)], near, both("Sub", same("Exp", x), number(x, 1)));
  };

  /** Φ(x) = ½·(1 + erf(x/√2)). ONNX has no operator that is accurate where Φ is tiny. */
  const normalCdf = (x: Value): Value => {
    const erf = same("Erf", both("Mul", x, number(x, Math.SQRT1_2)));
    return both("Mul", both("Add", erf, number(x, 1)), number(x, 0.5));
  };

  /** x·Φ(x). The bound changes nothing but the result at −∞, where −∞·0 would be NaN: from −40 on, Φ is 0. */
  const gelu = (x: Value): Value => both("Mul", both("Max", x, number(x, -40)), normalCdf(x));

  const unary = (op: UnaryOp, x: Storage): Value => {
    const value = trace.value(x);
    if (op === "reciprocalSqrt") return same("Reciprocal", same("Sqrt", value));
    if (op === "expm1") return expm1(value);
    if (op === "log1p") return log1p(value);
    if (op === "step") return compare(trace, "Greater", [value, zero(x)], value.shape);
    if (op === "not") return compare(trace, "Equal", [value, zero(x)], value.shape);
    if (op === "normalCdf") return normalCdf(value);
    if (op === "gelu") return gelu(value);
    return same(unaryOperators[op], value);
  };

  return {
    unary: (op, x) => trace.storage(x.dtype, unary(op, x)),

    binary(op, a, b, { shape: common, stridesA, stridesB }) {
      if (op === "reluGradient" || op === "geluGradient") throw trainingOnly(op);
      const sides = [
        { x: a, strides: stridesA },
        { x: b, strides: stridesB },
      ] as const;
      const { inputs, shape } = broadcastOperands(trace, sides, common);
      if (op in comparisons)
        return trace.storage(a.dtype, compare(trace, comparisons[op as keyof typeof comparisons], inputs, shape, op === "notEqual"));
      const norm = op === "add" ? recogniseBatchNorm(trace.graph, ...inputs) : undefined;
      const operator = binaryOperators[op as keyof typeof binaryOperators];
      return trace.storage(a.dtype, norm ?? trace.node(operator, inputs, {}, inputs[0], shape));
    },

    select(condition, a, b) {
      const { shape } = trace.value(condition);
      const test = trace.cast(trace.as(condition, shape), "bool");
      const [left, right] = [trace.as(a, shape), trace.as(b, shape)];
      return trace.storage(a.dtype, trace.node("Where", [test, left, right], {}, left, shape));
    },

    clamp(x, low, high) {
      const value = trace.value(x);
      const bounds = [graph.number(x.dtype, low), graph.number(x.dtype, high)];
      return trace.storage(x.dtype, trace.node("Clip", [value, ...bounds], {}, value, value.shape));
    },

    cast: (x, dtype) => trace.storage(dtype, trace.cast(trace.value(x), dtype)),
  };
}
