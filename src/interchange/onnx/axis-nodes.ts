/** Kernels along one axis as ONNX nodes. */

import type { AxisSplit, Kernels } from "../../backend/kernels.ts";
import { cosineMatrix } from "../../core/cosine-transform.ts";
import { sameShape } from "../../core/shape.ts";
import { type Storage, typedArray } from "../../tensor/storage.ts";
import type { Value } from "./onnx-model.ts";
import type { Trace } from "./trace.ts";
import { refine } from "./view-boxes.ts";

/**
 * The value of `x`, and those of its axes that together are the middle axis of [outer, axis, inner]. Where the value's shape has no such
 * axes, the value is reshaped to [outer, axis, inner].
 */
function alongAxis(trace: Trace, x: Storage, { outer, axis, inner }: AxisSplit): { value: Value; axes: readonly number[] } {
  const value = trace.value(x, [outer, axis, inner]);
  const owners = refine(value.shape, [outer, axis, inner]);
  const axes = owners?.flatMap((owner, i) => (owner === 1 ? [i] : [])) ?? [];
  return axes.length > 0 ? { value, axes } : { value: trace.as(x, [outer, axis, inner]), axes: [1] };
}

export function axisNodes(
  trace: Trace,
): Pick<Kernels, "reduce" | "argmax" | "gather" | "scatterAdd" | "argsort" | "takeAlongAxis" | "cosineTransform"> {
  const { graph } = trace;
  return {
    reduce(op, x, split) {
      const { value, axes } = alongAxis(trace, x, split);
      const shape = value.shape.filter((_, axis) => !axes.includes(axis));
      const operator = op === "sum" ? "ReduceSum" : "ReduceMax";
      return trace.storage(x.dtype, trace.node(operator, [value, graph.integers(axes)], { keepdims: { int: 0 } }, value, shape));
    },

    argmax(x, { outer, axis, inner }) {
      const found = graph.node(
        "ArgMax",
        [trace.as(x, [outer, axis, inner])],
        { axis: { int: 1 }, keepdims: { int: 0 } },
        { type: "int64", shape: [outer, inner] },
      );
      return trace.storage("int32", trace.cast(found, "int32"));
    },

    gather(x, indices, split) {
      const count = indices.length;
      const { value, axes } = alongAxis(trace, x, split);
      const [along = 1] = axes;
      const data = axes.length === 1 ? value : trace.as(x, [split.outer, split.axis, split.inner]);
      const axis = axes.length === 1 ? along : 1;
      const shape = data.shape.map((size, i) => (i === axis ? count : size));
      return trace.storage(x.dtype, trace.node("Gather", [data, trace.as(indices, [count])], { axis: { int: axis } }, data, shape));
    },

    scatterAdd(y, indices, { outer, axis, inner }) {
      const count = indices.length;
      const updates = trace.as(y, [outer, count, inner]);
      const zeros = trace.node("Expand", [graph.number(y.dtype, 0), graph.integers([outer, axis, inner])], {}, updates, [
        outer,
        axis,
        inner,
      ]);
      const column = trace.as(indices, [1, count, 1]);
      const places = sameShape(updates.shape, column.shape)
        ? column
        : trace.node("Expand", [column, graph.integers(updates.shape)], {}, column, updates.shape);
      const added = trace.node(
        "ScatterElements",
        [zeros, places, updates],
        { axis: { int: 1 }, reduction: { string: "add" } },
        updates,
        zeros.shape,
      );
      return trace.storage(y.dtype, added);
    },

    argsort(x, descending, { outer, axis, inner }) {
      const lines = trace.as(x, [outer, axis, inner]);
      const attributes = { axis: { int: 1 }, largest: { int: Number(descending) } };
      // TopK takes the lower index first where elements are equal. Its first result holds the sorted elements.
      const order = graph.node("TopK", [lines, graph.integers([axis])], attributes, { type: "int64", shape: lines.shape }, ["Values"]);
      return trace.storage("int32", trace.cast(order, "int32"));
    },

    takeAlongAxis(x, indices, { outer, axis, inner }) {
      const lines = trace.as(x, [outer, axis, inner]);
      const inputs = [lines, trace.as(indices, lines.shape)];
      return trace.storage(x.dtype, trace.node("GatherElements", inputs, { axis: { int: 1 } }, lines, lines.shape));
    },

    cosineTransform(x, transpose, { outer, axis, inner }) {
      const columns = trace.as(x, [outer, axis, inner]);
      const dct = cosineMatrix(axis);
      const entries = transpose ? dct.map((_, at) => dct[(at % axis) * axis + Math.floor(at / axis)]!) : dct;
      const table = graph.table(transpose ? `dct_${axis}_transposed` : `dct_${axis}`, [axis, axis], typedArray(x.dtype, entries));
      return trace.storage(x.dtype, trace.node("MatMul", [table, columns], {}, columns, columns.shape));
    },
  };
}
