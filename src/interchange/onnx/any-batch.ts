/**
 * A graph for batches of any size, from the graphs of two sizes. They are the same but for sizes that grow with the batch; a reshape can leave one
 * size open, which is all that most networks need.
 */

import { BackendError } from "../../core/errors.ts";
import type { Initializer, OnnxGraph, OnnxNode, Value, ValueInfo } from "./onnx-model.ts";

/** Two batch sizes that no other size of a network is likely to be. */
export const probeBatches = [97, 101] as const;

/** What files call the open size. */
const batchName = "batch";

/** @throws BackendError where more than reshapes depends on the size of the batch. */
export async function withAnyBatch(graph: OnnxGraph, other: OnnxGraph): Promise<OnnxGraph> {
  const [tables, otherTables] = [integersOf(graph), integersOf(other)];
  const opened = new Map<string, Initializer>();
  const nodes = graph.nodes.map((node, n): OnnxNode => {
    // The last node alone bears the output's name, so graphs of different lengths differ before either ends.
    const twin = other.nodes[n]!;
    if (node.op !== twin.op || node.output.name !== twin.output.name || node.inputs.length !== twin.inputs.length)
      throw dependent(node.output.name);
    const inputs = node.inputs.map((input, i) => {
      if (input.name === twin.inputs[i]!.name) return input;
      const [sizes, otherSizes] = [tables.get(input.name), otherTables.get(twin.inputs[i]!.name)];
      if (sizes === undefined || otherSizes === undefined) throw dependent(node.output.name);
      const constant = integers(openSizes(node, sizes, otherSizes));
      opened.set(constant.value.name, constant);
      return constant.value;
    });
    return { ...node, inputs };
  });
  const others = new Map(other.initializers.map((initializer) => [initializer.value.name, initializer]));
  for (const initializer of graph.initializers)
    if (!(await agree(initializer, others.get(initializer.value.name)))) throw dependent(initializer.value.name);
  const used = new Set(nodes.flatMap(({ inputs }) => inputs.map(({ name }) => name)));
  const open = (infos: readonly ValueInfo[], others: readonly ValueInfo[]): ValueInfo[] =>
    infos.flatMap((info, i) => openShape(info, others[i]!));
  return {
    ...graph,
    inputs: open(graph.inputs, other.inputs),
    outputs: open(graph.outputs, other.outputs),
    values: open(graph.values, other.values),
    nodes,
    initializers: [...graph.initializers.filter(({ value }) => used.has(value.name)), ...opened.values()],
  };
}

/** Whether constants of one name hold the same numbers, which isn't said of those that were made during a trace. */
async function agree({ data }: Initializer, other: Initializer | undefined): Promise<boolean> {
  if (other === undefined || data === other.data || !("read" in data && "read" in other.data)) return true;
  const [mine, its] = await Promise.all([data.read(), other.data.read()]);
  return mine.length === its.length && mine.every((value, i) => Object.is(value, its[i]));
}

const dependent = (what: string): BackendError =>
  new BackendError(
    `ONNX: batch "any" needs a graph of which only reshapes depend on the batch, got ${what}; export for one number of images`,
  );

/** The lists of integers among the constants: shapes, axes, bounds. */
const integersOf = ({ initializers }: OnnxGraph): Map<string, readonly number[]> =>
  new Map(initializers.flatMap(({ value, data }) => (data instanceof BigInt64Array ? [[value.name, Array.from(data, Number)]] : [])));

function integers(values: readonly number[]): Initializer {
  const value: Value = { name: `int64_${values.join("_").replaceAll("-1", "any")}`, type: "int64", shape: [values.length] };
  return { value, data: BigInt64Array.from(values, BigInt) };
}

/** The sizes that a node of either graph is given, as it can be given them for every batch. */
function openSizes({ op, inputs, output }: OnnxNode, sizes: readonly number[], others: readonly number[]): number[] {
  const varying = sizes.flatMap((size, i) => (size === others[i] ? [] : [i]));
  if (op === "Reshape" && varying.length === 1) return sizes.map((size, i) => (i === varying[0] ? -1 : size));
  // An axis that is as long already is repeated once.
  const given = inputs[0]!.shape;
  if (op === "Expand" && varying.every((i) => given[i - sizes.length + given.length] === sizes[i]))
    return sizes.map((size, i) => (varying.includes(i) ? 1 : size));
  throw dependent(output.name);
}

/** The value with the size of the batch left open; nothing where some other size grows with it. */
function openShape({ name, type, shape }: ValueInfo, other: ValueInfo): ValueInfo[] {
  const sizes = shape.flatMap((size, axis) => {
    if (size === other.shape[axis]) return [size];
    return size === probeBatches[0] && other.shape[axis] === probeBatches[1] ? [batchName] : [];
  });
  return sizes.length === shape.length ? [{ name, type, shape: sizes }] : [];
}
