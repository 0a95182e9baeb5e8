/** An ONNX graph in the making: names that are unique, shapes that are known, and no constant written twice. */

import { BackendError } from "../../core/errors.ts";
import { formatShape, type Shape, sameShape, sizeOf } from "../../core/shape.ts";
import { type DType, type Storage, type TypedArray, typedArray } from "../../tensor/storage.ts";
import type { Attributes, ElementType, Initializer, OnnxGraph, OnnxNode, Value } from "./onnx-model.ts";

/** What a node gives, without its name. */
export interface ResultType {
  readonly type: ElementType;
  readonly shape: Shape;
}

export class GraphBuilder {
  readonly #inputs: Value[] = [];
  readonly #nodes: OnnxNode[] = [];
  readonly #producers = new Map<string, OnnxNode>();
  readonly #initializers = new Map<string, Initializer>();
  /** Constants and reshapes by what they say, so that none is made twice. */
  readonly #known = new Map<string, Value>();
  readonly #names: Set<string>;

  /** @param reserved Names that are spoken for. */
  constructor(reserved: Iterable<string>) {
    this.#names = new Set(reserved);
  }

  /** An input of the graph, under a reserved name. */
  input(name: string, type: ElementType, shape: Shape): Value {
    const value = { name, type, shape };
    this.#inputs.push(value);
    return value;
  }

  node(op: string, inputs: readonly Value[], attributes: Attributes, { type, shape }: ResultType): Value {
    const output = { name: this.#unique(op), type, shape };
    const node = { op, inputs, output, attributes };
    this.#nodes.push(node);
    this.#producers.set(output.name, node);
    return output;
  }

  /** A constant whose numbers are read at the end; it is held until then. `name` is taken as it is when it was reserved for this. */
  stored(name: string, reserved: boolean, storage: Storage, shape: Shape): Value {
    storage.retain();
    return this.#constant(reserved ? name : this.#unique(name), storage.dtype, shape, storage);
  }

  /** A constant of known numbers, one for each name and shape. */
  table(name: string, shape: Shape, data: TypedArray): Value {
    const type = data instanceof Int32Array ? "int32" : data instanceof Float64Array ? "float64" : "float32";
    return this.#once(`${name} ${type} ${shape}`, () => this.#constant(this.#unique(name), type, shape, data));
  }

  /** One number, shaped to fit. */
  number(type: DType, value: number, shape: Shape = []): Value {
    return this.table(`scalar_${value}`, shape, typedArray(type, [value]));
  }

  /** What an operator takes for a shape, or for axes: int64:[count]. */
  integers(values: readonly number[]): Value {
    const name = `int64_${values.join("_")}`;
    return this.#once(name, () => this.#constant(this.#unique(name), "int64", [values.length], BigInt64Array.from(values, BigInt)));
  }

  /** The same elements under another shape; a reshape of a reshape goes back to the first. */
  reshape(value: Value, shape: Shape): Value {
    const base = this.unshaped(value);
    if (sameShape(base.shape, shape)) return base;
    if (sizeOf(base.shape) !== sizeOf(shape))
      throw new BackendError(`ONNX: ${base.name} must keep its size, got ${formatShape(base.shape)} → ${formatShape(shape)}`);
    return this.#once(`reshape ${base.name} ${shape}`, () =>
      this.node("Reshape", [base, this.integers(shape)], {}, { type: base.type, shape }),
    );
  }

  /** What was reshaped to give `value`, or the value itself. */
  unshaped(value: Value): Value {
    const producer = this.#producers.get(value.name);
    return producer?.op === "Reshape" ? producer.inputs[0]! : value;
  }

  /** The node behind a value, reshapes aside, if it is one of `op`. */
  producer(value: Value, op: string): OnnxNode | undefined {
    const producer = this.#producers.get(this.unshaped(value).name);
    return producer?.op === op ? producer : undefined;
  }

  /** The number a constant of one element holds, if it was known when it was made. */
  numberOf(value: Value): number | undefined {
    const data = this.#initializers.get(this.unshaped(value).name)?.data;
    return data instanceof Float32Array || data instanceof Float64Array ? data[0] : undefined;
  }

  /** The graph that computes `output`, and nothing else, under the reserved name `outputName`. */
  finish(name: string, output: Value, outputName: string): OnnxGraph {
    const last = { ...output, name: outputName };
    const needed = new Set([output.name]);
    const nodes: OnnxNode[] = [];
    for (const node of this.#nodes.toReversed()) {
      if (!needed.has(node.output.name)) continue;
      nodes.push(node);
      for (const input of node.inputs) needed.add(input.name);
    }
    const renamed = (value: Value): Value => (value.name === output.name ? last : value);
    const named = nodes.reverse().map((node) => ({ ...node, inputs: node.inputs.map(renamed), output: renamed(node.output) }));
    // What no node computes can't be renamed.
    if (!this.#producers.has(output.name)) named.push({ op: "Identity", inputs: [output], output: last, attributes: {} });
    return {
      name,
      inputs: this.#inputs,
      outputs: [last],
      values: named.flatMap((node) => (node.output === last ? [] : [node.output])),
      nodes: named,
      initializers: [...this.#initializers.values()].filter(({ value }) => needed.has(value.name)),
    };
  }

  /** Lets go of the constants. */
  release(): void {
    for (const { data } of this.#initializers.values()) if ("release" in data) data.release();
  }

  #constant(name: string, type: ElementType, shape: Shape, data: Initializer["data"]): Value {
    const value = { name, type, shape };
    this.#initializers.set(name, { value, data });
    return value;
  }

  #once(key: string, make: () => Value): Value {
    const found = this.#known.get(key);
    if (found !== undefined) return found;
    const made = make();
    this.#known.set(key, made);
    return made;
  }

  #unique(name: string): string {
    let unique = name;
    for (let count = 1; this.#names.has(unique); count++) unique = `${name}_${count}`;
    this.#names.add(unique);
    return unique;
  }
}
