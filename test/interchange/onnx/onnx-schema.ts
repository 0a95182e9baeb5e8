/**
 * Decodes ONNX files by the public schema, as far as the files here use it, with protobufjs's own parser and without the encoder under
 * test.
 */

import protobuf from "protobufjs";

const { root } = protobuf.parse(`
syntax = "proto3";
package onnx;
message AttributeProto {
  string name = 1; float f = 2; int64 i = 3; bytes s = 4; TensorProto t = 5;
  repeated float floats = 7; repeated int64 ints = 8; repeated bytes strings = 9; int32 type = 20;
}
message ValueInfoProto { string name = 1; TypeProto type = 2; string doc_string = 3; }
message NodeProto {
  repeated string input = 1; repeated string output = 2; string name = 3; string op_type = 4;
  repeated AttributeProto attribute = 5; string doc_string = 6; string domain = 7;
}
message OperatorSetIdProto { string domain = 1; int64 version = 2; }
message ModelProto {
  int64 ir_version = 1; string producer_name = 2; string producer_version = 3; string domain = 4; int64 model_version = 5;
  string doc_string = 6; GraphProto graph = 7; repeated OperatorSetIdProto opset_import = 8;
  repeated StringStringEntryProto metadata_props = 14;
}
message StringStringEntryProto { string key = 1; string value = 2; }
message GraphProto {
  repeated NodeProto node = 1; string name = 2; repeated TensorProto initializer = 5; string doc_string = 10;
  repeated ValueInfoProto input = 11; repeated ValueInfoProto output = 12; repeated ValueInfoProto value_info = 13;
}
message TensorProto { repeated int64 dims = 1; int32 data_type = 2; string name = 8; bytes raw_data = 9; }
message TensorShapeProto { message Dimension { int64 dim_value = 1; string dim_param = 2; } repeated Dimension dim = 1; }
message TypeProto { message Tensor { int32 elem_type = 1; TensorShapeProto shape = 2; } Tensor tensor_type = 1; }
`);

export interface DecodedValue {
  readonly name: string;
  readonly type: {
    readonly tensorType: {
      readonly elemType: number;
      readonly shape: { readonly dim: readonly { readonly dimValue: number; readonly dimParam: string }[] };
    };
  };
}

export interface DecodedNode {
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly name: string;
  readonly opType: string;
  readonly attribute: readonly {
    readonly name: string;
    readonly type: number;
    readonly i: number;
    readonly f: number;
    readonly ints: readonly number[];
  }[];
}

export interface DecodedTensor {
  readonly name: string;
  readonly dims: readonly number[];
  readonly dataType: number;
  readonly rawData: Uint8Array;
}

export interface DecodedModel {
  readonly metadataProps: readonly { readonly key: string; readonly value: string }[];
  readonly irVersion: number;
  readonly producerName: string;
  readonly opsetImport: readonly { readonly domain: string; readonly version: number }[];
  readonly graph: {
    readonly name: string;
    readonly node: readonly DecodedNode[];
    readonly initializer: readonly DecodedTensor[];
    readonly input: readonly DecodedValue[];
    readonly output: readonly DecodedValue[];
    readonly valueInfo: readonly DecodedValue[];
  };
}

/** Decodes a file. @throws where a wire type differs from the schema. */
export function decodeModel(bytes: Uint8Array): DecodedModel {
  const type = root.lookupType("onnx.ModelProto");
  return type.toObject(type.decode(bytes), { longs: Number, defaults: true, arrays: true }) as DecodedModel;
}

/** The same model, with every value of its graph as an output, so that a runtime returns it. */
export function withEveryOutput(bytes: Uint8Array): Uint8Array {
  const type = root.lookupType("onnx.ModelProto");
  const model = type.decode(bytes) as unknown as { graph: { output: unknown[]; valueInfo: unknown[] } };
  model.graph.output.push(...model.graph.valueInfo.splice(0));
  return type.encode(type.fromObject(model)).finish();
}
