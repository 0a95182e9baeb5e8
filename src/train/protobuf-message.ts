/**
 * Writes protocol buffers field by field (https://protobuf.dev/programming-guides/encoding). A message is a sequence of fields. A field is
 * a tag, which is the field's number and the wire type of its value, and the value.
 */

/** Wire types: the low three bits of a field's tag. */
const wireTypes = { varint: 0, fixed64: 1, lengthDelimited: 2, fixed32: 5 } as const;

/** A varint holds seven bits of a number in each byte, the lowest first. The highest bit of a byte says that another byte follows. */
function varint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

export class ProtobufMessage {
  /** The pieces of the message. They are joined once, by `finish`, so large constants are copied once however deep they are nested. */
  readonly #pieces: Uint8Array[] = [];
  #length = 0;

  /** An integer of any of the format's types, or an enumeration's. A negative number is written in two's complement of 64 bits. */
  int64(field: number, value: number): this {
    return this.#tag(field, wireTypes.varint).#add(varint(BigInt(value)));
  }

  float(field: number, value: number): this {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setFloat32(0, value, true);
    return this.#tag(field, wireTypes.fixed32).#add(bytes);
  }

  double(field: number, value: number): this {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setFloat64(0, value, true);
    return this.#tag(field, wireTypes.fixed64).#add(bytes);
  }

  string(field: number, value: string): this {
    return this.bytes(field, new TextEncoder().encode(value));
  }

  /** The bytes are copied by `finish`, so they must not change before. */
  bytes(field: number, value: Uint8Array): this {
    return this.#tag(field, wireTypes.lengthDelimited)
      .#add(varint(BigInt(value.length)))
      .#add(value);
  }

  /** A message within this one. @param write Writes the fields of the inner message. */
  message(field: number, write: (inner: ProtobufMessage) => void): this {
    const inner = new ProtobufMessage();
    write(inner);
    this.#tag(field, wireTypes.lengthDelimited).#add(varint(BigInt(inner.#length)));
    for (const piece of inner.#pieces) this.#add(piece);
    return this;
  }

  /** The bytes of the message. */
  finish(): Uint8Array {
    const bytes = new Uint8Array(this.#length);
    let at = 0;
    for (const piece of this.#pieces) {
      bytes.set(piece, at);
      at += piece.length;
    }
    return bytes;
  }

  #tag(field: number, wireType: number): this {
    return this.#add(varint(BigInt(field) * 8n + BigInt(wireType)));
  }

  #add(piece: Uint8Array): this {
    this.#pieces.push(piece);
    this.#length += piece.length;
    return this;
  }
}
