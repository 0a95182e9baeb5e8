/** The part of the ONNX format this library writes, as plain data: https://github.com/onnx/onnx/blob/main/docs/IR.md. */

import type { Shape } from "../../core/shape.ts";
import type { Storage, TypedArray } from "../../tensor/storage.ts";

/** int64 holds shapes and axes, bool what comparisons give; neither is a dtype of this library. */
export type ElementType = "float32" | "float64" | "int32" | "int64" | "bool";

/** A named tensor of the graph. */
export interface Value {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: Shape;
}

export type Attribute =
  | { readonly int: number }
  | { readonly ints: readonly number[] }
  | { readonly float: number }
  | { readonly string: string };
export type Attributes = Readonly<Record<string, Attribute>>;

/** One operator; all that are used here have one output, which bears the node's name. */
export interface OnnxNode {
  readonly op: string;
  readonly inputs: readonly Value[];
  readonly output: Value;
  readonly attributes: Attributes;
}

/** A constant of the graph; a storage is read when the graph is encoded. */
export interface Initializer {
  readonly value: Value;
  readonly data: TypedArray | BigInt64Array | Storage;
}

/** A tensor as it is told to the reader of a file: a size that is a name may be any. */
export interface ValueInfo {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly (number | string)[];
}

export interface OnnxGraph {
  readonly name: string;
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  /** What the nodes make on the way, where its sizes are known. */
  readonly values: readonly ValueInfo[];
  /** Each after those whose outputs it takes. */
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly Initializer[];
}

/** TensorProto.DataType. */
export const dataTypes = { float32: 1, int32: 6, int64: 7, bool: 9, float64: 11 } as const satisfies Record<ElementType, number>;

/** The operator set: the first in which the axes of every reduction are an input. */
export const opsetVersion = 18;
/** The version of the format that came with it (ONNX 1.13). */
export const irVersion = 8;
