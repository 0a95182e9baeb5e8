/**
 * Kernels that move elements, as ONNX nodes. A view becomes a slice, a transpose and a repeat, and an assembly becomes a pad or a
 * concatenation, where this is possible. Elsewhere nodes with indices take their place.
 */

import type { Kernels, View } from "../../backend/kernels.ts";
import { type Shape, sameShape, sizeOf } from "../../core/shape.ts";
import { type DType, type Storage, typedArray } from "../../tensor/storage.ts";
import type { Value } from "./onnx-model.ts";
import type { Trace } from "./trace.ts";
import { type Box, boxIn, boxOf, positionsOf, shapeOfStrides } from "./view-boxes.ts";

interface Part {
  readonly source: Storage;
  readonly view: View;
}

const isWhole = ({ dims, counts }: Box, axis: number): boolean => counts[axis] === dims[axis];

/** Reads a box of x. The axes of the result are in the order of the view. */
function readBox(trace: Trace, x: Storage, { dims, starts, counts, steps, order }: Box): Value {
  const { graph } = trace;
  let value = trace.as(x, dims);
  const cut = dims.flatMap((size, axis) => (counts[axis] === size ? [] : [axis]));
  if (cut.length > 0) {
    const ends = cut.map((axis) => starts[axis]! + (counts[axis]! - 1) * steps[axis]! + 1);
    const ranges = [cut.map((axis) => starts[axis]!), ends, cut, cut.map((axis) => steps[axis]!)].map((list) => graph.integers(list));
    value = trace.node("Slice", [value, ...ranges], {}, value, counts);
  }
  const moved = order.filter((axis) => counts[axis] !== 1);
  if (moved.every((axis, i) => i === 0 || moved[i - 1]! < axis)) return value;
  const shape = order.map((axis) => counts[axis]!);
  return trace.node("Transpose", [value], { perm: { ints: order } }, value, shape);
}

/** The shape of the view before its repeats: axes of stride 0 have size 1. */
const unrepeated = (view: View): Shape => view.shape.map((size, axis) => (view.strides[axis] === 0 ? 1 : size));

/** Assembles parts that form one padded tensor, or tensors in a row along one axis. Undefined for any other arrangement. */
function arrange(trace: Trace, length: number, fill: number, parts: readonly Part[]): Value | undefined {
  const dims = shapeOfStrides(
    length,
    parts.map(({ view }) => view),
  );
  if (dims === undefined) return undefined;
  const placed = parts.flatMap(({ source, view }) => {
    const box = sizeOf(view.shape) === source.length ? boxIn(dims, view) : undefined;
    const isPlain = box?.steps.every((step) => step === 1) && box.order.every((axis, i) => box.counts[axis] === 1 || isLast(box, i));
    return box !== undefined && isPlain ? [{ ...box, value: trace.as(source, box.counts) }] : [];
  });
  const [first] = placed;
  if (first === undefined || placed.length !== parts.length) return undefined;
  if (placed.length === 1) return padded(trace, first, fill);
  const along = dims.findIndex((_, axis) => !isWhole(first, axis));
  let end = 0;
  for (const box of placed) {
    if (box.starts[along] !== end || dims.some((_, axis) => axis !== along && !isWhole(box, axis))) return undefined;
    end += box.counts[along]!;
  }
  if (along < 0 || end !== dims[along]) return undefined;
  const values = placed.map(({ value }) => value);
  return trace.node("Concat", values, { axis: { int: along } }, values[0]!, dims);
}

/** Whether the i-th axis in the box's order comes after every earlier axis of more than one element. */
const isLast = ({ order, counts }: Box, i: number): boolean => order.slice(0, i).every((axis) => counts[axis] === 1 || axis < order[i]!);

/** The box's value, padded to the whole tensor. */
function padded(trace: Trace, { dims, starts, counts, value }: Box & { readonly value: Value }, fill: number): Value {
  if (sameShape(dims, counts)) return value;
  const after = dims.map((size, axis) => size - starts[axis]! - counts[axis]!);
  const inputs = [value, trace.graph.integers([...starts, ...after]), trace.graph.number(value.type as DType, fill)];
  return trace.node("Pad", inputs, { mode: { string: "constant" } }, value, dims);
}

export function layoutNodes(trace: Trace): Pick<Kernels, "readView" | "assemble"> {
  const { graph } = trace;
  return {
    readView(x, view) {
      const kept: View = { ...view, shape: unrepeated(view) };
      const { shape } = trace.value(x);
      const box = boxOf(shape, kept);
      const read =
        box === undefined
          ? trace.node("Gather", [trace.as(x, [x.length]), positions(kept)], { axis: { int: 0 } }, trace.value(x), [sizeOf(kept.shape)])
          : readBox(trace, x, box);
      if (sameShape(kept.shape, view.shape)) return trace.storage(x.dtype, read);
      const repeated = trace.node("Expand", [graph.reshape(read, kept.shape), graph.integers(view.shape)], {}, read, view.shape);
      return trace.storage(x.dtype, repeated);
    },

    assemble(dtype, length, fill, parts) {
      const filled = parts.filter(({ view }) => sizeOf(view.shape) > 0);
      const arranged = arrange(trace, length, fill, filled);
      if (arranged !== undefined) return trace.storage(dtype, arranged);
      const type = { type: dtype, shape: [length] };
      let value = graph.node("Expand", [graph.number(dtype, fill), graph.integers([length])], {}, type);
      for (const { source, view } of filled)
        value = graph.node("ScatterElements", [value, positions(view), trace.as(source, [source.length])], { axis: { int: 0 } }, type);
      return trace.storage(dtype, value);
    },
  };

  function positions(view: View): Value {
    const name = `positions_${view.offset}_${view.shape.join("x")}_${view.strides.join("x")}`;
    return graph.table(name, [sizeOf(view.shape)], typedArray("int32", positionsOf(view)));
  }
}
