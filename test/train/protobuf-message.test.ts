/** The bytes of a message against the writer of protobufjs. */

import fc from "fast-check";
import protobuf from "protobufjs";
import { expect, test } from "vitest";
import { ProtobufMessage } from "../../src/train/protobuf-message.ts";

type Field =
  | { readonly kind: "int64" | "float" | "double"; readonly value: number }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "bytes"; readonly value: Uint8Array }
  | { readonly kind: "message"; readonly value: readonly (readonly [number, Field])[] };

const number = fc.integer({ min: 1, max: 2 ** 29 - 1 });
const { fields } = fc.letrec<{ fields: (readonly [number, Field])[]; field: Field }>((tie) => ({
  field: fc.oneof(
    { depthSize: "small" },
    fc.record({ kind: fc.constant("int64" as const), value: fc.maxSafeInteger() }),
    fc.record({ kind: fc.constantFrom("float" as const, "double" as const), value: fc.double({ noNaN: true }) }),
    fc.record({ kind: fc.constant("string" as const), value: fc.string({ unit: "grapheme" }) }),
    fc.record({ kind: fc.constant("bytes" as const), value: fc.uint8Array({ maxLength: 300 }) }),
    fc.record({ kind: fc.constant("message" as const), value: tie("fields") }),
  ) as fc.Arbitrary<Field>,
  fields: fc.array(fc.tuple(number, tie("field")), { maxLength: 4 }),
}));

function write(message: ProtobufMessage, all: readonly (readonly [number, Field])[]): ProtobufMessage {
  for (const [tag, field] of all)
    if (field.kind === "message") message.message(tag, (inner) => write(inner, field.value));
    else if (field.kind === "string") message.string(tag, field.value);
    else if (field.kind === "bytes") message.bytes(tag, field.value);
    else message[field.kind](tag, field.value);
  return message;
}

const wireTypes = { int64: 0, double: 1, string: 2, bytes: 2, message: 2, float: 5 } as const;

function expected(writer: protobuf.Writer, all: readonly (readonly [number, Field])[]): protobuf.Writer {
  for (const [tag, field] of all) {
    const value = writer.uint32(((tag << 3) | wireTypes[field.kind]) >>> 0);
    if (field.kind === "message") expected(value.fork(), field.value).ldelim();
    else if (field.kind === "string") value.string(field.value);
    else if (field.kind === "bytes") value.bytes(field.value);
    else value[field.kind](field.value);
  }
  return writer;
}

test("a message has the bytes that protobufjs writes", () =>
  fc.assert(
    fc.property(fields, (all) => {
      expect([...write(new ProtobufMessage(), all).finish()]).toEqual([...expected(protobuf.Writer.create(), all).finish()]);
    }),
  ));
