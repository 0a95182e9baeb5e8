/** What the kernels of a trace share: which storages stand for values of the graph, and in what shape an operator gets them. */

import { BackendError } from "../../core/errors.ts";
import { type Shape, sizeOf } from "../../core/shape.ts";
import type { DType, Storage, TypedArray } from "../../tensor/storage.ts";
import type { GraphBuilder } from "./graph-builder.ts";
import { type Attributes, dataTypes, type ElementType, type Value } from "./onnx-model.ts";

/** Storage without numbers: what a node of the graph will compute. */
export class TracedStorage implements Storage {
  readonly dtype: DType;
  readonly length: number;
  readonly alive = true;
  readonly #value: Value | string;

  /** @param value The value, or why there is none. */
  constructor(dtype: DType, length: number, value: Value | string) {
    this.dtype = dtype;
    this.length = length;
    this.#value = value;
  }

  /** @throws BackendError where the graph has no such value. */
  get value(): Value {
    if (typeof this.#value === "string") throw new BackendError(this.#value);
    return this.#value;
  }

  /** Nothing is held, so nothing is counted or freed. */
  retain(): void {}

  release(): void {}

  async read(): Promise<TypedArray> {
    throw new BackendError("storage.read: a graph being traced holds no numbers; export networks whose forward pass reads none");
  }
}

/** An entry of the network's state, as it is called in the graph. */
export interface NamedConstant {
  readonly name: string;
  readonly shape: Shape;
}

export class Trace {
  readonly graph: GraphBuilder;
  readonly #state: ReadonlyMap<Storage, NamedConstant>;
  readonly #keepsState: boolean;
  readonly #constants = new Map<Storage, Value>();
  /** The module whose state a computed constant comes from. */
  readonly #origins = new Map<Storage, string>();
  readonly #numbers = new Map<Storage, number>();

  /** @param keepsState Whether what is computed from the state alone becomes nodes, or one constant. */
  constructor(graph: GraphBuilder, state: ReadonlyMap<Storage, NamedConstant>, keepsState: boolean) {
    this.graph = graph;
    this.#state = state;
    this.#keepsState = keepsState;
  }

  /** Whether work on `x` is a node of the graph; else it is done now and leaves a constant. */
  isSymbolic(x: Storage): boolean {
    return x instanceof TracedStorage || (this.#keepsState && this.#state.has(x));
  }

  /** What was computed now, known by what its operands belong to. */
  computed(result: Storage, operands: readonly Storage[]): Storage {
    const origins = operands.flatMap((x) => this.#originOf(x) ?? []);
    if (origins.length > 0) this.#origins.set(result, commonModule(origins));
    return result;
  }

  /** A storage filled with one number: what of it is of size 1 needs no reading. */
  filled(result: Storage, value: number): Storage {
    if (result.length === 1) this.#numbers.set(result, value);
    return result;
  }

  /** The number a storage of size 1 was filled with. */
  numberOf(x: Storage): number | undefined {
    return this.#numbers.get(x);
  }

  /** The value behind a storage; a constant is first met in `shape`. */
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

  /** The value behind a storage in a given shape. */
  as(x: Storage, shape: Shape): Value {
    return this.graph.reshape(this.value(x, shape), shape);
  }

  /** A node whose result has the dtype of `like`. */
  node(op: string, inputs: readonly Value[], attributes: Attributes, like: Value, shape: Shape): Value {
    return this.graph.node(op, inputs, attributes, { type: like.type, shape });
  }

  cast(value: Value, type: ElementType): Value {
    return this.graph.node("Cast", [value], { to: { int: dataTypes[type] } }, { type, shape: value.shape });
  }

  /** The storage that stands for a value of a kernel's dtype. */
  storage(dtype: DType, value: Value): Storage {
    return new TracedStorage(dtype, sizeOf(value.shape), value);
  }

  #originOf(x: Storage): string | undefined {
    const state = this.#state.get(x);
    return state === undefined ? this.#origins.get(x) : state.name.slice(0, state.name.lastIndexOf(".") + 1);
  }
}

/** `block1.0.conv1.` for `block1.0.conv1.grouped.` and `block1.0.conv1.`; empty where they have no module in common. */
function commonModule(origins: readonly string[]): string {
  const parts = origins.map((origin) => origin.split("."));
  const [first = []] = parts;
  const differs = first.findIndex((part, i) => parts.some((other) => other[i] !== part));
  return (differs < 0 ? first : [...first.slice(0, differs), ""]).join(".");
}
