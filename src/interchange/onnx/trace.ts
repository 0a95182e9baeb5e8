/** The state of a trace, which all kernels share: the storages that stand for values of the graph, and the shapes of these values. */

import { BackendError } from "../../core/errors.ts";
import { type Shape, sizeOf } from "../../core/shape.ts";
import type { DType, Storage, TypedArray } from "../../tensor/storage.ts";
import type { GraphBuilder } from "./graph-builder.ts";
import { type Attributes, dataTypes, type ElementType, type Value } from "./onnx-model.ts";

/** The error for a kernel that only training uses. */
export const trainingOnly = (kernel: string): BackendError =>
  new BackendError(`ONNX: an exported graph must not train, got the kernel ${kernel}; export the forward pass in evaluation mode`);

/** A storage without numbers. It stands for the result of a node. */
export class TracedStorage implements Storage {
  readonly dtype: DType;
  readonly length: number;
  readonly alive = true;
  readonly exclusive = false;
  readonly #value: Value | string;

  /** @param value The value, or the message of the error for reading it. */
  constructor(dtype: DType, length: number, value: Value | string) {
    this.dtype = dtype;
    this.length = length;
    this.#value = value;
  }

  /** The value in the graph. @throws BackendError where there is none. */
  get value(): Value {
    if (typeof this.#value === "string") throw new BackendError(this.#value);
    return this.#value;
  }

  /** Does nothing, because there is no memory to free. */
  retain(): void {}

  /** Does nothing, because there is no memory to free. */
  release(): void {}

  async read(): Promise<TypedArray> {
    throw new BackendError(
      "storage.read: a graph that is being traced has no numbers; export a network whose forward pass reads no tensors",
    );
  }
}

/** An entry of the network's state, under its name in the graph. */
export interface NamedConstant {
  readonly name: string;
  readonly shape: Shape;
}

export class Trace {
  readonly graph: GraphBuilder;
  readonly #state: ReadonlyMap<Storage, NamedConstant>;
  readonly #keepsState: boolean;
  readonly #constants = new Map<Storage, Value>();
  /** For each computed constant, the module whose state it was computed from. */
  readonly #origins = new Map<Storage, string>();
  /** The numbers of storages of size 1 that were filled with one number. */
  readonly #numbers = new Map<Storage, number>();

  /** @param keepsState Whether computations on the state alone become nodes. Otherwise their results become constants. */
  constructor(graph: GraphBuilder, state: ReadonlyMap<Storage, NamedConstant>, keepsState: boolean) {
    this.graph = graph;
    this.#state = state;
    this.#keepsState = keepsState;
  }

  /** Whether a kernel with the operand `x` becomes a node of the graph. Otherwise the kernel runs during the trace. */
  isSymbolic(x: Storage): boolean {
    return x instanceof TracedStorage || (this.#keepsState && this.#state.has(x));
  }

  /** Records that `result` was computed during the trace, so that its constant gets its name from the module of its operands. */
  computed(result: Storage, operands: readonly Storage[]): Storage {
    const origins = operands.flatMap((x) => this.#originOf(x) ?? []);
    if (origins.length > 0) this.#origins.set(result, commonModule(origins));
    return result;
  }

  /** Records the number with which a storage was filled, if the storage is of size 1. */
  filled(result: Storage, value: number): Storage {
    if (result.length === 1) this.#numbers.set(result, value);
    return result;
  }

  /** The number with which a storage of size 1 was filled; undefined for other storages. */
  numberOf(x: Storage): number | undefined {
    return this.#numbers.get(x);
  }

  /** The value for which a storage stands. @param shape The shape of a new constant. */
  value(x: Storage, shape: Shape = [x.length]): Value {
    if (x instanceof TracedStorage) return x.value;
    const number = this.#numbers.get(x);
    if (number !== undefined) return this.graph.number(x.dtype, number, shape);
    const known = this.#constants.get(x);
    if (known !== undefined) return known;
    const state = this.#state.get(x);
    const origin = this.#origins.get(x);
    const made =
      state === undefined
        ? this.graph.stored(origin === undefined ? "constant" : `${origin}folded`, false, x, shape)
        : this.graph.stored(state.name, true, x, this.#keepsState ? state.shape : shape);
    this.#constants.set(x, made);
    return made;
  }

  /** The value for which a storage stands, in a given shape. */
  as(x: Storage, shape: Shape): Value {
    return this.graph.reshape(this.value(x, shape), shape);
  }

  /** Adds a node whose result has the dtype of `like`. */
  node(op: string, inputs: readonly Value[], attributes: Attributes, like: Value, shape: Shape): Value {
    return this.graph.node(op, inputs, attributes, { type: like.type, shape });
  }

  cast(value: Value, type: ElementType): Value {
    return this.graph.node("Cast", [value], { to: { int: dataTypes[type] } }, { type, shape: value.shape });
  }

  /** A storage that stands for a value. */
  storage(dtype: DType, value: Value): Storage {
    return new TracedStorage(dtype, sizeOf(value.shape), value);
  }

  #originOf(x: Storage): string | undefined {
    const state = this.#state.get(x);
    return state === undefined ? this.#origins.get(x) : state.name.slice(0, state.name.lastIndexOf(".") + 1);
  }
}

/**
 * The module that contains all of the modules: `block1.0.conv1.` for `block1.0.conv1.grouped.` and `block1.0.conv1.`. Empty for the
 * network.
 */
function commonModule(origins: readonly string[]): string {
  const parts = origins.map((origin) => origin.split("."));
  const [first = []] = parts;
  const differs = first.findIndex((part, i) => parts.some((other) => other[i] !== part));
  return (differs < 0 ? first : [...first.slice(0, differs), ""]).join(".");
}
