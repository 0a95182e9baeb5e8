/** A graph as the bytes of an .onnx file: a protocol buffer by https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, field numbers beside each write. */

import { Writer } from "protobufjs/minimal.js";
import { ConfigError } from "../../core/errors.ts";
import type { TypedArray } from "../../tensor/storage.ts";
import {
  type Attribute,
  dataTypes,
  irVersion,
  type OnnxGraph,
  type OnnxNode,
  opsetVersion,
  type Value,
  type ValueInfo,
} from "./onnx-model.ts";

/** Wire types, the low three bits of a field's tag: https://protobuf.dev/programming-guides/encoding. */
const varint = 0;
const bytes = 2;
const fixed32 = 5;

/** A message, field by field. */
class Message {
  readonly writer: Writer;

  constructor(writer: Writer = Writer.create()) {
    this.writer = writer;
  }

  int(field: number, value: number): this {
    this.writer.uint32((field << 3) | varint).int64(value);
    return this;
  }

  float(field: number, value: number): this {
    this.writer.uint32((field << 3) | fixed32).float(value);
    return this;
  }

  string(field: number, value: string): this {
    this.writer.uint32((field << 3) | bytes).string(value);
    return this;
  }

  bytes(field: number, value: Uint8Array): this {
    this.writer.uint32((field << 3) | bytes).bytes(value);
    return this;
  }

  message(field: number, write: (inner: Message) => void): this {
    this.writer.uint32((field << 3) | bytes).fork();
    write(this);
    this.writer.ldelim();
    return this;
  }
}

/** AttributeProto { name = 1, f = 2, i = 3, s = 4, ints = 8, type = 20 }. */
function writeAttribute(message: Message, name: string, attribute: Attribute): void {
  message.string(1, name);
  if ("float" in attribute) message.float(2, attribute.float).int(20, 1);
  else if ("int" in attribute) message.int(3, attribute.int).int(20, 2);
  else if ("string" in attribute) message.string(4, attribute.string).int(20, 3);
  else {
    for (const value of attribute.ints) message.int(8, value);
    message.int(20, 7);
  }
}

/** NodeProto { input = 1, output = 2, name = 3, op_type = 4, attribute = 5 }. */
function writeNode(message: Message, { op, inputs, output, attributes }: OnnxNode): void {
  for (const { name } of inputs) message.string(1, name);
  message.string(2, output.name).string(3, output.name).string(4, op);
  for (const [name, attribute] of Object.entries(attributes)) message.message(5, (inner) => writeAttribute(inner, name, attribute));
}

interface Constant {
  readonly value: Value;
  readonly data: TypedArray | BigInt64Array;
}

/** TensorProto { dims = 1, data_type = 2, name = 8, raw_data = 9: little-endian, as every engine that runs this }. */
function writeConstant(message: Message, { value, data }: Constant): void {
  for (const size of value.shape) message.int(1, size);
  message
    .int(2, dataTypes[value.type])
    .string(8, value.name)
    .bytes(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

/** ValueInfoProto { name = 1, type = 2 { tensor_type = 1 { elem_type = 1, shape = 2 { dim = 1 { dim_value = 1 or dim_param = 2 } } } } }. */
function writeValueInfo(message: Message, { name, type, shape }: ValueInfo): void {
  message.string(1, name).message(2, (typeProto) =>
    typeProto.message(1, (tensor) =>
      tensor.int(1, dataTypes[type]).message(2, (sizes) => {
        for (const size of shape) sizes.message(1, (dim) => (typeof size === "number" ? dim.int(1, size) : dim.string(2, size)));
      }),
    ),
  );
}

/** GraphProto { node = 1, name = 2, initializer = 5, input = 11, output = 12, value_info = 13 }. */
function writeGraph(message: Message, { name, inputs, outputs, values, nodes }: OnnxGraph, constants: readonly Constant[]): void {
  for (const node of nodes) message.message(1, (inner) => writeNode(inner, node));
  message.string(2, name);
  for (const constant of constants) message.message(5, (inner) => writeConstant(inner, constant));
  for (const value of inputs) message.message(11, (inner) => writeValueInfo(inner, value));
  for (const value of outputs) message.message(12, (inner) => writeValueInfo(inner, value));
  for (const value of values) message.message(13, (inner) => writeValueInfo(inner, value));
}

/**
 * ModelProto { ir_version = 1, producer_name = 2, graph = 7, opset_import = 8 { domain = 1, version = 2 } }.
 * @throws ConfigError for constants of 2 GiB or more, which no protocol buffer can hold.
 */
export async function encodeModel(graph: OnnxGraph): Promise<Uint8Array> {
  const constants = await Promise.all(
    graph.initializers.map(async ({ value, data }) => ({ value, data: "read" in data ? await data.read() : data })),
  );
  const size = constants.reduce((total, { data }) => total + data.byteLength, 0);
  if (size >= 2 ** 31) throw new ConfigError(`ONNX: a file holds less than 2 GiB of constants, got ${size} bytes`);
  return new Message()
    .int(1, irVersion)
    .string(2, "separable")
    .message(7, (inner) => writeGraph(inner, graph, constants))
    .message(8, (inner) => inner.string(1, "").int(2, opsetVersion))
    .writer.finish();
}
