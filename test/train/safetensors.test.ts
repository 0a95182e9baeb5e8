/**
 * The file format: decoding is the inverse of encoding, and a damaged header or length is refused. The format has no checksum, so damage to
 * the data or to a name is not detected. Checkpoints add a digest.
 */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DataError } from "../../src/core/errors.ts";
import { sizeOf } from "../../src/core/shape.ts";
import { type DType, typedArray } from "../../src/tensor/storage.ts";
import { decodeSafetensors, encodeSafetensors, type NamedArray, type Safetensors } from "../../src/train/safetensors.ts";
import { shapes } from "../arbitraries/shapes.ts";
import { seeds, valuesOf } from "../arbitraries/values.ts";

const names = fc
  .oneof(
    fc.string({ maxLength: 12 }),
    fc.string({ unit: "grapheme", maxLength: 5 }),
    fc.constantFrom("a.weight", "10", "2", "__proto__", "constructor", ""),
  )
  .filter((name) => name !== "__metadata__");

const arrays = fc.record({ shape: shapes(), dtype: fc.constantFrom<DType>("float32", "float64", "int32"), seed: seeds }).map(
  ({ shape, dtype, seed }): NamedArray => ({
    shape,
    data: typedArray(dtype, valuesOf(seed, sizeOf(shape), dtype === "int32" ? "integers" : "extreme")),
  }),
);

const maps = fc.uniqueArray(fc.tuple(names, arrays), { selector: ([name]) => name, maxLength: 5 }).map((entries) => new Map(entries));
const metadata = fc.dictionary(fc.string(), fc.string(), { maxKeys: 3, noNullPrototype: true });

test("decoding is the inverse of encoding", () =>
  fc.assert(
    fc.property(maps, metadata, (tensors, notes) => {
      const read = decodeSafetensors(encodeSafetensors(tensors, notes), "memory");
      expect(new Set(read.tensors.keys())).toEqual(new Set(tensors.keys()));
      for (const [name, { shape, data }] of tensors) expect(read.tensors.get(name)).toEqual({ shape, data });
      expect({ ...read.metadata }).toEqual({ ...notes });
    }),
    { numRuns: 200 },
  ));

test("views into larger buffers are written and read correctly", () => {
  const data = new Float32Array([9, 1, 2, 9]).subarray(1, 3);
  const bytes = encodeSafetensors(new Map([["x", { shape: [2], data }]]));
  const shifted = new Uint8Array(bytes.length + 3);
  shifted.set(bytes, 3);
  expect(decodeSafetensors(shifted.subarray(3), "memory").tensors.get("x")?.data).toEqual(Float32Array.of(1, 2));
});

test("the file is laid out as the specification says", () => {
  const bytes = encodeSafetensors(new Map([["x", { shape: [1, 2], data: Float32Array.of(1, -2) }]]), { k: "v" });
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  expect((8 + length) % 8).toBe(0);
  expect(JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)))).toEqual({
    __metadata__: { k: "v" },
    x: { dtype: "F32", shape: [1, 2], data_offsets: [0, 8] },
  });
  expect([...bytes.subarray(8 + length)]).toEqual([...new Uint8Array(Float32Array.of(1, -2).buffer)]);
});

/** A file with any header, including headers that `encodeSafetensors` never writes. */
function file(header: unknown, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  const json = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.length);
  return bytes;
}

test("PyTorch's 64-bit counters are read as numbers", () => {
  const data = new Uint8Array(BigInt64Array.of(7n, -3n).buffer);
  expect(
    decodeSafetensors(file({ n: { dtype: "I64", shape: [2], data_offsets: [0, 16] } }, data), "memory").tensors.get("n")?.data,
  ).toEqual(Float64Array.of(7, -3));
});

test("encoding refuses data that does not fill its shape, and the reserved name", () => {
  expect(() => encodeSafetensors(new Map([["x", { shape: [3], data: Float32Array.of(1) }]]))).toThrow(DataError);
  expect(() => encodeSafetensors(new Map([["__metadata__", { shape: [1], data: Float32Array.of(1) }]]))).toThrow(DataError);
});

const good = encodeSafetensors(
  new Map<string, NamedArray>([
    ["a", { shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) }],
    ["b.c", { shape: [2], data: Float64Array.of(7, 8) }],
    ["n", { shape: [], data: Int32Array.of(9) }],
  ]),
  { note: "x" },
);
const dataStart = 8 + Number(new DataView(good.buffer).getBigUint64(0, true));

describe("a damaged file", () => {
  test("cut off anywhere is refused, with the file's name", () => {
    for (let length = 0; length < good.length; length++) {
      expect(() => decodeSafetensors(good.subarray(0, length), "run/last.safetensors"), `${length} bytes`).toThrow(DataError);
      expect(() => decodeSafetensors(good.subarray(0, length), "run/last.safetensors")).toThrow("run/last.safetensors");
    }
  });

  test("with bytes after its end is refused", () => {
    const longer = new Uint8Array(good.length + 1);
    longer.set(good);
    expect(() => decodeSafetensors(longer, "memory")).toThrow("bytes more");
  });

  test("with any bit of its length or header flipped is refused, unless the damage is in a name or in the metadata", () => {
    const whole = decodeSafetensors(good, "memory");
    /** The numbers that are read, without their names. */
    const numbers = ({ tensors }: Safetensors): unknown => [...tensors.values()];
    let told = 0;
    for (let place = 0; place < dataStart; place++)
      for (let bit = 0; bit < 8; bit++) {
        const bytes = good.slice();
        bytes[place]! ^= 1 << bit;
        let read: Safetensors | undefined;
        try {
          read = decodeSafetensors(bytes, "memory");
        } catch (error) {
          expect(error, `bit ${bit} of byte ${place}`).toBeInstanceOf(DataError);
          told++;
        }
        if (read !== undefined) expect(numbers(read), `bit ${bit} of byte ${place}`).toEqual(numbers(whole));
      }
    expect(told).toBeGreaterThan(dataStart * 5);
  });

  test("of random bytes is refused", () =>
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        expect(() => decodeSafetensors(bytes, "memory")).toThrow(DataError);
      }),
    ));

  const f32 = (from: number, to: number): unknown => ({ dtype: "F32", shape: [(to - from) / 4], data_offsets: [from, to] });
  test.each<[string, unknown, number]>([
    ["not JSON", "{", 0],
    ["no object", "[]", 0],
    ["null", "null", 0],
    ["an entry that is null", { x: null }, 0],
    ["an entry without dtype", { x: { shape: [0], data_offsets: [0, 0] } }, 0],
    ["a dtype that is not known", { x: { dtype: "BF16", shape: [2], data_offsets: [0, 4] } }, 4],
    ["a dtype that is a name of every object", { x: { dtype: "constructor", shape: [1], data_offsets: [0, 4] } }, 4],
    ["a negative size", { x: { dtype: "F32", shape: [-1, -1], data_offsets: [0, 4] } }, 4],
    ["a fractional size", { x: { dtype: "F32", shape: [0.5, 2], data_offsets: [0, 4] } }, 4],
    ["offsets the wrong way round", { x: { dtype: "F32", shape: [1], data_offsets: [4, 0] } }, 4],
    ["three offsets", { x: { dtype: "F32", shape: [1], data_offsets: [0, 4, 4] } }, 4],
    ["offsets past the end", { x: f32(0, 8) }, 4],
    ["fewer bytes than its shape", { x: { dtype: "F32", shape: [2], data_offsets: [0, 4] } }, 4],
    ["a hole before the first", { x: f32(4, 8) }, 8],
    ["a hole between two", { x: f32(0, 4), y: f32(8, 12) }, 12],
    ["two that overlap", { x: f32(0, 8), y: f32(4, 12) }, 12],
    ["two in one place", { x: f32(0, 4), y: f32(0, 4) }, 4],
    ["notes that are no strings", { __metadata__: { a: 1 } }, 0],
    ["notes that are a list", { __metadata__: ["a"] }, 0],
  ])("with %s is refused", (_, header, bytes) =>
    expect(() => decodeSafetensors(file(header, new Uint8Array(bytes)), "memory")).toThrow(DataError),
  );

  test("whose length is larger than any file is refused", () =>
    expect(() => decodeSafetensors(new Uint8Array(16).fill(255), "memory")).toThrow(DataError));
});
