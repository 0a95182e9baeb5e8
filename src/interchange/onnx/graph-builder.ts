/** Builds an ONNX graph. The builder makes names unique, knows the shape of every value, and adds each constant once. */

import { BackendError } from "../../core/errors.ts";
import { formatShape, type Shape, sameShape, sizeOf } from "../../core/shape.ts";
import { type DType, type Storage, type TypedArray, typedArray } from "../../tensor/storage.ts";
import { dtypeOf } from "../../train/safetensors.ts";
import type { Attributes, ElementType, Initializer, OnnxGraph, OnnxNode, Value } from "./onnx-model.ts";

/** The type of a node's result. */
export interface ResultType {
  readonly type: ElementType;
  readonly shape: Shape;
}

export class GraphBuilder {
  readonly #inputs: Value[] = [];
  readonly #nodes: OnnxNode[] = [];
  readonly #producers = new Map<string, OnnxNode>();
  readonly #initializers = new Map<string, Initializer>();
  /** Constants and reshapes by a description of their content, so that none is made twice. */
  readonly #known = new Map<string, Value>();
  readonly #names: Set<string>;

  /** @param reserved Names that nodes and computed constants must not get. */
  constructor(reserved: Iterable<string>) {
    this.#names = new Set(reserved);
  }

  /** An input of the graph, under a reserved name. */
  input(name: string, type: ElementType, shape: Shape): Value {
    const value = { name, type, shape };
    this.#inputs.push(value);
    return value;
  }

  /** @param unread What the outputs before the last one are. Default: there are none. */
  node(op: string, inputs: readonly Value[], attributes: Attributes, { type, shape }: ResultType, unread: readonly string[] = []): Value {
    const output = { name: this.#unique(op), type, shape };
    const node = { op, inputs, unread: unread.map((name) => this.#unique(`${output.name}_${name}`)), output, attributes };
    this.#nodes.push(node);
    this.#producers.set(output.name, node);
    return output;
  }

  /**
   * Adds a constant whose numbers are read when the graph is encoded. The builder holds the storage until `release`.
   * @param reserved Whether `name` is one of the reserved names. Any other name is made unique.
   */
  stored(name: string, reserved: boolean, storage: Storage, shape: Shape): Value {
    storage.retain();
    return this.#constant(reserved ? name : this.#unique(name), storage.dtype, shape, storage);
  }

  /** A constant of known numbers. There is one for each name, type and shape. */
  table(name: string, shape: Shape, data: TypedArray): Value {
    const type = dtypeOf(data);
    return this.#once(`${name} ${type} ${shape}`, () => this.#constant(this.#unique(name), type, shape, data));
  }

  /** A constant of one number, whose sizes in `shape` are all 1. */
  number(type: DType, value: number, shape: Shape = []): Value {
    return this.table(`scalar_${value}`, shape, typedArray(type, [value]));
  }

  /** A constant int64:[count], the form in which an operator takes shapes and axes. */
  integers(values: readonly number[]): Value {
    const name = `int64_${values.join("_")}`;
    return this.#once(name, () => this.#constant(this.#unique(name), "int64", [values.length], BigInt64Array.from(values, BigInt)));
  }

  /** The same elements in another shape. A reshape of a reshape reshapes the original value. */
  reshape(value: Value, shape: Shape): Value {
    const base = this.unshaped(value);
    if (sameShape(base.shape, shape)) return base;
    if (sizeOf(base.shape) !== sizeOf(shape))
      throw new BackendError(`ONNX: ${base.name} must keep its size, got ${formatShape(base.shape)} → ${formatShape(shape)}`);
    return this.#once(`reshape ${base.name} ${shape}`, () =>
      this.node("Reshape", [base, this.integers(shape)], {}, { type: base.type, shape }),
    );
  }

  /** The value of which `value` is a reshape, or the value itself. */
  unshaped(value: Value): Value {
    const producer = this.#producers.get(value.name);
    return producer?.op === "Reshape" ? producer.inputs[0]! : value;
  }

  /** The node that computes a value, apart from reshapes, if its operator is `op`. */
  producer(value: Value, op: string): OnnxNode | undefined {
    const producer = this.#producers.get(this.unshaped(value).name);
    return producer?.op === op ? producer : undefined;
  }

  /** The number of a constant of one element, if the builder knows it. */
  numberOf(value: Value): number | undefined {
    const data = this.#initializers.get(this.unshaped(value).name)?.data;
    return data instanceof Float32Array || data instanceof Float64Array ? data[0] : undefined;
  }

  /** The graph of the nodes on which `output` depends. The output gets the reserved name `outputName`. */
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
    // Inputs and constants keep their names, so an Identity gives the output its name.
    if (!this.#producers.has(output.name)) named.push({ op: "Identity", inputs: [output], unread: [], output: last, attributes: {} });
    return {
      name,
      inputs: this.#inputs,
      outputs: [last],
      values: named.flatMap((node) => (node.output === last ? [] : [node.output])),
      nodes: named,
      initializers: [...this.#initializers.values()].filter(({ value }) => needed.has(value.name)),
    };
  }

  /** Releases the storages of the constants. */
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
