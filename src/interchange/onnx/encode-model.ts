/** Encodes a graph as the bytes of an .onnx file, a protocol buffer (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto). */

import { ConfigError } from "../../core/errors.ts";
import type { TypedArray } from "../../tensor/storage.ts";
import { ProtobufMessage } from "../../train/protobuf-message.ts";
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

/** Field numbers of the messages, as onnx.proto has them. */
const entryFields = { key: 1, value: 2 } as const;
const modelFields = { irVersion: 1, producerName: 2, graph: 7, opsetImport: 8, metadata: 14 } as const;
const operatorSetFields = { domain: 1, version: 2 } as const;
const graphFields = { node: 1, name: 2, initializer: 5, input: 11, output: 12, valueInfo: 13 } as const;
const nodeFields = { input: 1, output: 2, name: 3, opType: 4, attribute: 5 } as const;
const attributeFields = { name: 1, float: 2, int: 3, string: 4, ints: 8, type: 20 } as const;
const tensorFields = { dims: 1, dataType: 2, name: 8, rawData: 9 } as const;
const valueInfoFields = { name: 1, type: 2 } as const;
const typeFields = { tensorType: 1 } as const;
const tensorTypeFields = { elementType: 1, shape: 2 } as const;
const shapeFields = { dim: 1 } as const;
const dimensionFields = { value: 1, parameter: 2 } as const;

/** AttributeProto.AttributeType. */
const attributeTypes = { float: 1, int: 2, string: 3, ints: 7 } as const;

function writeAttribute(message: ProtobufMessage, name: string, attribute: Attribute): void {
  const fields = attributeFields;
  message.string(fields.name, name);
  if ("float" in attribute) message.float(fields.float, attribute.float).int64(fields.type, attributeTypes.float);
  else if ("int" in attribute) message.int64(fields.int, attribute.int).int64(fields.type, attributeTypes.int);
  else if ("string" in attribute) message.string(fields.string, attribute.string).int64(fields.type, attributeTypes.string);
  else {
    for (const value of attribute.ints) message.int64(fields.ints, value);
    message.int64(fields.type, attributeTypes.ints);
  }
}

function writeNode(message: ProtobufMessage, { op, inputs, unread, output, attributes }: OnnxNode): void {
  for (const { name } of inputs) message.string(nodeFields.input, name);
  for (const name of unread) message.string(nodeFields.output, name);
  message.string(nodeFields.output, output.name).string(nodeFields.name, output.name).string(nodeFields.opType, op);
  for (const [name, attribute] of Object.entries(attributes))
    message.message(nodeFields.attribute, (inner) => writeAttribute(inner, name, attribute));
}

interface Constant {
  readonly value: Value;
  readonly data: TypedArray | BigInt64Array;
}

/** The raw data are little-endian, as are the typed arrays of every machine that JavaScript engines run on. */
function writeConstant(message: ProtobufMessage, { value, data }: Constant): void {
  for (const size of value.shape) message.int64(tensorFields.dims, size);
  message
    .int64(tensorFields.dataType, dataTypes[value.type])
    .string(tensorFields.name, value.name)
    .bytes(tensorFields.rawData, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

function writeDimension(message: ProtobufMessage, size: number | string): void {
  if (typeof size === "number") message.int64(dimensionFields.value, size);
  else message.string(dimensionFields.parameter, size);
}

function writeValueInfo(message: ProtobufMessage, { name, type, shape }: ValueInfo): void {
  message.string(valueInfoFields.name, name).message(valueInfoFields.type, (typeMessage) =>
    typeMessage.message(typeFields.tensorType, (tensor) =>
      tensor.int64(tensorTypeFields.elementType, dataTypes[type]).message(tensorTypeFields.shape, (sizes) => {
        for (const size of shape) sizes.message(shapeFields.dim, (dimension) => writeDimension(dimension, size));
      }),
    ),
  );
}

function writeGraph(message: ProtobufMessage, { name, inputs, outputs, values, nodes }: OnnxGraph, constants: readonly Constant[]): void {
  for (const node of nodes) message.message(graphFields.node, (inner) => writeNode(inner, node));
  message.string(graphFields.name, name);
  for (const constant of constants) message.message(graphFields.initializer, (inner) => writeConstant(inner, constant));
  for (const value of inputs) message.message(graphFields.input, (inner) => writeValueInfo(inner, value));
  for (const value of outputs) message.message(graphFields.output, (inner) => writeValueInfo(inner, value));
  for (const value of values) message.message(graphFields.valueInfo, (inner) => writeValueInfo(inner, value));
}

/**
 * The bytes of the file.
 * @param metadata Texts by name. Default: none.
 * @throws ConfigError for constants of 2 GiB or more, which no protocol buffer can hold.
 */
export async function encodeModel(graph: OnnxGraph, metadata: Readonly<Record<string, string>> = {}): Promise<Uint8Array> {
  const constants = await Promise.all(
    graph.initializers.map(async ({ value, data }) => ({ value, data: "read" in data ? await data.read() : data })),
  );
  const size = constants.reduce((total, { data }) => total + data.byteLength, 0);
  if (size >= 2 ** 31)
    throw new ConfigError(`ONNX: a file must hold less than 2 GiB of constants, got ${size} bytes; export a smaller network`);
  const message = new ProtobufMessage()
    .int64(modelFields.irVersion, irVersion)
    .string(modelFields.producerName, "separable")
    .message(modelFields.graph, (inner) => writeGraph(inner, graph, constants))
    .message(modelFields.opsetImport, (inner) =>
      // The empty domain is that of ONNX itself.
      inner.string(operatorSetFields.domain, "").int64(operatorSetFields.version, opsetVersion),
    );
  for (const [key, value] of Object.entries(metadata))
    message.message(modelFields.metadata, (inner) => inner.string(entryFields.key, key).string(entryFields.value, value));
  return message.finish();
}
