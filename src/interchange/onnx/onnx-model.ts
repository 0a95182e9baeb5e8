/** The part of the ONNX format that this library writes, as plain data (https://github.com/onnx/onnx/blob/main/docs/IR.md). */

import type { Shape } from "../../core/shape.ts";
import type { Storage, TypedArray } from "../../tensor/storage.ts";

/** Element types: the dtypes of this library, int64 for shapes and axes, and bool for the results of comparisons. */
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

/** One operator. One of its outputs is used: the last one, whose name is also that of the node. */
export interface OnnxNode {
  readonly op: string;
  readonly inputs: readonly Value[];
  /** The names of the outputs before the last one. No node reads them. */
  readonly unread: readonly string[];
  readonly output: Value;
  readonly attributes: Attributes;
}

/** A constant of the graph. A storage is read when the graph is encoded. */
export interface Initializer {
  readonly value: Value;
  readonly data: TypedArray | BigInt64Array | Storage;
}

/** The declaration of a tensor in a file. A size that is a name stands for any size. */
export interface ValueInfo {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly (number | string)[];
}

export interface OnnxGraph {
  readonly name: string;
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  /** Results of nodes other than the output, where their sizes are known. */
  readonly values: readonly ValueInfo[];
  /** In an order in which every node comes after the nodes whose outputs it takes. */
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly Initializer[];
}

/** TensorProto.DataType. */
export const dataTypes = { float32: 1, int32: 6, int64: 7, bool: 9, float64: 11 } as const satisfies Record<ElementType, number>;

/** The version of the operator set. It is the first one in which the axes of every reduction are an input. */
export const opsetVersion = 18;
/** The version of the file format that belongs to this operator set (ONNX 1.13). */
export const irVersion = 8;
