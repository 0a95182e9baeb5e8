/** A norm in evaluation mode is a scale and a shift of each channel, computed from four vectors; ONNX has one operator for all of it. */

import type { GraphBuilder } from "./graph-builder.ts";
import type { Value } from "./onnx-model.ts";

/**
 * `scaled + shift` as BatchNormalization, if it is x·s + (β − μ·s) with s = γ·1/√(σ² + ε), the vectors lying along one axis of x: what
 * `batchNormInference` computes. The nodes it replaces are left without a reader.
 */
export function recogniseBatchNorm(graph: GraphBuilder, scaled: Value, shift: Value): Value | undefined {
  const operands = (value: Value | undefined, op: string): readonly (Value | undefined)[] =>
    (value && graph.producer(value, op)?.inputs.map((input) => graph.unshaped(input))) ?? [];
  const [, scale] = operands(scaled, "Mul");
  const [beta, offset] = operands(shift, "Sub");
  const [mean, scaleAgain] = operands(offset, "Mul");
  const [gamma, inverse] = operands(scale, "Mul");
  const [variance, epsilon] = operands(operands(operands(inverse, "Reciprocal")[0], "Sqrt")[0], "Add");
  const added = epsilon && graph.numberOf(epsilon);
  if (!beta || !mean || !gamma || !variance || scale?.name !== scaleAgain?.name || added === undefined) return undefined;
  const x = graph.producer(scaled, "Mul")!.inputs[0]!;
  const vectors = [gamma, beta, mean, variance];
  const channels = gamma.shape[0]!;
  // The channels are the one axis that the shift is long in; with the image merged or split, x is seen as [N,C,…].
  const axis = shift.shape.findIndex((size) => size !== 1);
  if (
    channels === 1 ||
    axis < 0 ||
    vectors.some(({ shape }) => shape.length !== 1 || shape[0] !== channels) ||
    shift.shape[axis] !== channels
  )
    return undefined;
  const image =
    axis === 1
      ? x
      : graph.reshape(x, axis === 0 ? [1, ...x.shape] : [x.shape.slice(0, axis).reduce((a, b) => a * b), ...x.shape.slice(axis)]);
  return graph.node("BatchNormalization", [image, ...vectors], { epsilon: { float: added } }, image);
}
