/**
 * Recognises batch norms. In evaluation mode a norm scales and shifts each channel by numbers that are computed from four vectors. ONNX has
 * one operator for the whole computation.
 */

import { sizeOf } from "../../core/shape.ts";
import type { GraphBuilder } from "./graph-builder.ts";
import type { Value } from "./onnx-model.ts";

/**
 * Adds a BatchNormalization for `scaled + shift`, if the sum is x·s + (β − μ·s) with s = γ·1/√(σ² + ε) and with vectors along one axis of
 * x, as `batchNormInference` computes it. Nothing reads the replaced nodes any more.
 */
export function recogniseBatchNorm(graph: GraphBuilder, scaled: Value, shift: Value): Value | undefined {
  const operands = (value: Value | undefined, op: string): readonly Value[] =>
    (value && graph.producer(value, op)?.inputs.map((input) => graph.unshaped(input))) ?? [];
  const [x, scaleAlong] = graph.producer(scaled, "Mul")?.inputs ?? [];
  const [beta, offset] = operands(shift, "Sub");
  const [mean, scale] = operands(offset, "Mul");
  const [gamma, inverse] = operands(scale, "Mul");
  const [variance, epsilon] = operands(operands(operands(inverse, "Reciprocal")[0], "Sqrt")[0], "Add");
  const added = epsilon && graph.numberOf(epsilon);
  if (!x || !scaleAlong || !scale || !beta || !mean || !gamma || !variance || added === undefined) return undefined;
  if (graph.unshaped(scaleAlong).name !== scale.name || String(scaleAlong.shape) !== String(shift.shape)) return undefined;
  const axis = channelAxis(scaled, shift);
  const vectors = [gamma, beta, mean, variance];
  if (axis === undefined || sizeOf(x.shape) !== sizeOf(scaled.shape) || vectors.some(({ shape }) => shape.length !== 1)) return undefined;
  // The operator takes x:[N,C,…], so all axes before the channels become one.
  const { shape } = scaled;
  const image = graph.reshape(x, axis === 1 ? shape : [sizeOf(shape.slice(0, axis)), ...shape.slice(axis)]);
  return graph.node("BatchNormalization", [image, ...vectors], { epsilon: { float: added } }, image);
}

/** The axis of x along which a broadcast operand has more than one element; undefined unless there is exactly one. */
function channelAxis(x: Value, operand: Value): number | undefined {
  const long = operand.shape.flatMap((size, axis) => (size === 1 ? [] : [axis + x.shape.length - operand.shape.length]));
  return long.length === 1 ? long[0] : undefined;
}
