/**
 * Makes a graph for batches of any size from the graphs of two batch sizes. The two graphs differ only in sizes that depend on the batch. A
 * reshape can leave one of its sizes open, and most networks need no more than that.
 */

import { BackendError } from "../../core/errors.ts";
import type { Initializer, OnnxGraph, OnnxNode, Value, ValueInfo } from "./onnx-model.ts";

/** Two batch sizes that are unlikely to be any other size of a network. */
export const probeBatches = [97, 101] as const;

/** The name of the open size in a file. */
const batchName = "batch";

/** The graph with its batch size left open. @throws BackendError where the graphs differ in more than the sizes of reshapes. */
export async function withAnyBatch(graph: OnnxGraph, other: OnnxGraph): Promise<OnnxGraph> {
  const [tables, otherTables] = [integersOf(graph), integersOf(other)];
  const opened = new Map<string, Initializer>();
  const nodes = graph.nodes.map((node, n): OnnxNode => {
    // Only the last node has the output's name, so graphs of different lengths differ in a node before either of them ends.
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

/** Whether two constants of one name hold the same numbers. Constants that are computed during a trace need not do so. */
async function agree({ data }: Initializer, other: Initializer | undefined): Promise<boolean> {
  if (other === undefined || data === other.data || !("read" in data && "read" in other.data)) return true;
  const [mine, its] = await Promise.all([data.read(), other.data.read()]);
  return mine.length === its.length && mine.every((value, i) => Object.is(value, its[i]));
}

const dependent = (what: string): BackendError =>
  new BackendError(
    `ONNX: batch "any" needs a graph in which only reshapes depend on the batch, got ${what}; export for one number of images`,
  );

/** The constants that are lists of integers: shapes, axes and bounds. */
const integersOf = ({ initializers }: OnnxGraph): Map<string, readonly number[]> =>
  new Map(initializers.flatMap(({ value, data }) => (data instanceof BigInt64Array ? [[value.name, Array.from(data, Number)]] : [])));

function integers(values: readonly number[]): Initializer {
  const value: Value = { name: `int64_${values.join("_").replaceAll("-1", "any")}`, type: "int64", shape: [values.length] };
  return { value, data: BigInt64Array.from(values, BigInt) };
}

/** The sizes for a node that serve for every batch, given its sizes in the two graphs. @throws BackendError where there are none. */
function openSizes({ op, inputs, output }: OnnxNode, sizes: readonly number[], others: readonly number[]): number[] {
  const varying = sizes.flatMap((size, i) => (size === others[i] ? [] : [i]));
  if (op === "Reshape" && varying.length === 1) return sizes.map((size, i) => (i === varying[0] ? -1 : size));
  // An Expand leaves an axis as it is where its size is 1.
  const given = inputs[0]!.shape;
  if (op === "Expand" && varying.every((i) => given[i - sizes.length + given.length] === sizes[i]))
    return sizes.map((size, i) => (varying.includes(i) ? 1 : size));
  throw dependent(output.name);
}

/** The value with its batch size left open. The list is empty where another size depends on the batch. */
function openShape({ name, type, shape }: ValueInfo, other: ValueInfo): ValueInfo[] {
  const sizes = shape.flatMap((size, axis) => {
    if (size === other.shape[axis]) return [size];
    return size === probeBatches[0] && other.shape[axis] === probeBatches[1] ? [batchName] : [];
  });
  return sizes.length === shape.length ? [{ name, type, shape: sizes }] : [];
}
