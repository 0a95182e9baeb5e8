/**
 * Writes protocol buffers field by field (https://protobuf.dev/programming-guides/encoding). protobufjs encodes the values; this class adds
 * the tag of each field, so that a caller names the field only.
 */

import { Writer } from "protobufjs/minimal.js";

/** Wire types: the low three bits of a field's tag. */
const wireTypes = { varint: 0, fixed64: 1, lengthDelimited: 2, fixed32: 5 } as const;

export class ProtobufMessage {
  readonly #writer = Writer.create();

  /** An integer of any of the format's types, or an enumeration's. */
  int64(field: number, value: number): this {
    this.#tagged(field, wireTypes.varint).int64(value);
    return this;
  }

  float(field: number, value: number): this {
    this.#tagged(field, wireTypes.fixed32).float(value);
    return this;
  }

  double(field: number, value: number): this {
    this.#tagged(field, wireTypes.fixed64).double(value);
    return this;
  }

  string(field: number, value: string): this {
    this.#tagged(field, wireTypes.lengthDelimited).string(value);
    return this;
  }

  bytes(field: number, value: Uint8Array): this {
    this.#tagged(field, wireTypes.lengthDelimited).bytes(value);
    return this;
  }

  /** A message within this one. `write` gets this same object, which writes the inner message's fields until `write` returns. */
  message(field: number, write: (inner: this) => void): this {
    this.#tagged(field, wireTypes.lengthDelimited).fork();
    write(this);
    this.#writer.ldelim();
    return this;
  }

  finish(): Uint8Array {
    return this.#writer.finish();
  }

  #tagged(field: number, wireType: number): Writer {
    return this.#writer.uint32((field << 3) | wireType);
  }
}
