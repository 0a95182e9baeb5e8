/**
 * The file format: decoding is the inverse of encoding, and a damaged header or length is refused. The format has no checksum, so damage to
 * the data or to a name is not detected. Checkpoints add a digest.
 */

import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DataError } from "../../src/core/errors.ts";
import { sizeOf } from "../../src/core/shape.ts";
import { type DType, typedArray } from "../../src/tensor/storage.ts";
import { decodeSafetensors, dtypeOf, encodeSafetensors, type NamedArray, type Safetensors } from "../../src/train/safetensors.ts";
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

describe("numbers of every dtype", () => {
  /** Reads one tensor of `dtype` whose bytes are those of `stored`. */
  const read = (dtype: string, stored: ArrayBufferView & { readonly length: number }): NamedArray => {
    const data = new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength);
    const header = { x: { dtype, shape: [stored.length], data_offsets: [0, data.length] } };
    return decodeSafetensors(file(header, data), "x.safetensors").tensors.get("x")!;
  };

  test.each<[string, ArrayBufferView & { readonly length: number }, unknown]>([
    ["F32", Float32Array.of(1.5, -0), Float32Array.of(1.5, -0)],
    ["F64", Float64Array.of(1 / 3), Float64Array.of(1 / 3)],
    ["F16", Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00), Float32Array.of(1, -2, 2 ** -24, 65504, Infinity)],
    ["BF16", Uint16Array.of(0x3f80, 0xc000, 0x0001, 0x7f7f, 0xff80), Float32Array.of(1, -2, 2 ** -133, 255 * 2 ** 120, -Infinity)],
    ["BOOL", Uint8Array.of(0, 1), Int32Array.of(0, 1)],
    ["U8", Uint8Array.of(0, 255), Int32Array.of(0, 255)],
    ["I8", Int8Array.of(-128, 127), Int32Array.of(-128, 127)],
    ["I16", Int16Array.of(-32768, 32767), Int32Array.of(-32768, 32767)],
    ["U16", Uint16Array.of(0, 65535), Int32Array.of(0, 65535)],
    ["I32", Int32Array.of(-(2 ** 31)), Int32Array.of(-(2 ** 31))],
    ["U32", Uint32Array.of(2 ** 32 - 1), Float64Array.of(2 ** 32 - 1)],
    ["I64", BigInt64Array.of(-(2n ** 53n) + 1n, 7n), Float64Array.of(-(2 ** 53) + 1, 7)],
    ["U64", BigUint64Array.of(2n ** 53n - 1n), Float64Array.of(2 ** 53 - 1)],
  ])("%s is read exactly", (dtype, stored, expected) => expect(read(dtype, stored).data).toEqual(expected));

  test("BF16 is the upper half of a float32, for all of its bit patterns", () => {
    const bits = Uint16Array.from({ length: 2 ** 16 }, (_, i) => i);
    const wide = new Float32Array(Uint32Array.from(bits, (upper) => upper << 16).buffer);
    expect(read("BF16", bits).data).toEqual(wide);
  });

  test("an integer that a float64 cannot hold is refused, and so is a BOOL that is neither 0 nor 1", () => {
    const remedy = 'in "x"; save it as F64';
    for (const value of [2n ** 53n, -(2n ** 53n), 2n ** 53n + 1n])
      expect(() => read("I64", BigInt64Array.of(value))).toThrow(
        `x.safetensors must hold integers of at most 2^53 - 1, got ${value} at 0 of I64 ${remedy}`,
      );
    expect(() => read("U64", BigUint64Array.of(2n ** 64n - 1n))).toThrow(remedy);
    expect(() => read("BOOL", Uint8Array.of(2))).toThrow("must hold 0 or 1, got 2 at 0");
  });
});

describe("typed arrays of every class", () => {
  const dtypes = (data: unknown): unknown => {
    const { length } = data as ArrayLike<number>;
    const bytes = encodeSafetensors(new Map([["x", { shape: [length], data: data as Float32Array }]]));
    const { x } = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true)))));
    return [x.dtype, [...(decodeSafetensors(bytes, "memory").tensors.get("x")?.data ?? [])]];
  };
  class Weights extends Float64Array {}

  test.each<[string, unknown, string, readonly number[]]>([
    ["another realm", runInNewContext("Float64Array.of(1 / 3, 2)"), "F64", [1 / 3, 2]],
    ["another realm, of integers", runInNewContext("Int32Array.of(7)"), "I32", [7]],
    ["a subclass", Weights.of(1 / 3), "F64", [1 / 3]],
    ["a view into a Node buffer", Buffer.from([1, 255]), "U8", [1, 255]],
    ["Uint8Array", Uint8Array.of(1, 255), "U8", [1, 255]],
    ["Uint8ClampedArray", Uint8ClampedArray.of(300), "U8", [255]],
    ["Int8Array", Int8Array.of(-1), "I8", [-1]],
    ["Int16Array", Int16Array.of(-2), "I16", [-2]],
    ["Uint16Array", Uint16Array.of(2), "U16", [2]],
    ["Uint32Array", Uint32Array.of(2 ** 31), "U32", [2 ** 31]],
    ["BigInt64Array", BigInt64Array.of(-5n), "I64", [-5]],
    ["BigUint64Array", BigUint64Array.of(5n), "U64", [5]],
  ])("%s is written with its own dtype", (_, data, dtype, values) => expect(dtypes(data)).toEqual([dtype, values]));

  test("other values are refused by name", () => {
    expect(() => dtypes([1, 2])).toThrow(
      'safetensors: numbers must be in a typed array, got Array for "x"; write Float32Array.from(values)',
    );
    expect(() => dtypes(new DataView(new ArrayBuffer(8)))).toThrow(/got DataView for "x"/);
    expect(() => dtypes({ length: 1, [Symbol.toStringTag]: "Float32Array" })).toThrow(DataError);
  });

  test("their dtype here is that of their numbers, and an array without one is refused", () => {
    expect(dtypeOf(runInNewContext("Float64Array.of(1)"))).toBe("float64");
    expect(dtypeOf(Weights.of(1))).toBe("float64");
    expect(dtypeOf(Int32Array.of(1))).toBe("int32");
    expect(() => dtypeOf(Uint8Array.of(1) as never)).toThrow(/^dtypeOf: .* got Uint8Array; convert them first$/);
  });
});

describe("a file of another format", () => {
  test.each<[string, Uint8Array, RegExp]>([
    [
      "a Git LFS pointer",
      Buffer.from("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"),
      /got a Git LFS pointer.*git lfs pull/,
    ],
    ["an HTML page", Buffer.from("<!DOCTYPE html><html><body>Not found</body></html>"), /got an HTML page; download the file itself/],
    ["a .pth archive", Buffer.from(`PK\x03\x04${"\0".repeat(26)}archive/data.pkl`, "latin1"), /got a PyTorch archive.*save_file/],
    ["a .pth pickle", Uint8Array.of(0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20), /got a Python pickle.*save_file/],
    ["an empty file", new Uint8Array(0), /got an empty file/],
    ["a short text", Buffer.from("<html>"), /got an HTML page/],
    ["a gzip file", Uint8Array.of(0x1f, 0x8b, 0, 0, 0, 0, 0, 0, ...new Uint8Array(0x8b1f)), /got a gzip file; unpack it first/],
  ])("%s is named, with what to do", (_, bytes, message) => {
    expect(() => decodeSafetensors(bytes, "net.safetensors")).toThrow(DataError);
    expect(() => decodeSafetensors(bytes, "net.safetensors")).toThrow(/^safetensors: net\.safetensors must be a safetensors file, /);
    expect(() => decodeSafetensors(bytes, "net.safetensors")).toThrow(message);
  });
});

describe("a hostile file", () => {
  /** Bytes that array buffers hold more after `decode` than before. */
  const held = (decode: () => void): number => {
    const before = process.memoryUsage().arrayBuffers;
    expect(decode).toThrow(DataError);
    return process.memoryUsage().arrayBuffers - before;
  };

  test("with 20,000 names for one span is refused before anything is copied", () => {
    const length = 160_000;
    const entry = `{"dtype":"F32","shape":[${length / 4}],"data_offsets":[0,${length}]}`;
    const bytes = file(`{${Array.from({ length: 20_000 }, (_, i) => `"t${i}":${entry}`).join(",")}}`, new Uint8Array(length));
    // Copies of all spans would take 3.2 GB.
    expect(held(() => decodeSafetensors(bytes, "memory"))).toBeLessThan(4 * bytes.length);
  });

  test("with a key twice is refused by the key, in the header, in an entry and in the metadata", () => {
    const entry = '{"dtype":"F32","shape":[1],"data_offsets":[0,4]}';
    const cases = [
      [`{"a":${entry},"\\u0061":${entry}}`, "a"],
      ['{"a":{"dtype":"I32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}', "dtype"],
      [`{"__metadata__":{"k":"1","k":"2"},"a":${entry}}`, "k"],
    ] as const;
    for (const [header, key] of cases)
      expect(() => decodeSafetensors(file(header, new Uint8Array(4)), "memory")).toThrow(
        `must have each name once in its header, got "${key}" twice`,
      );
  });

  test("with a header over the format's limit of 100 MB is refused before it is parsed", () => {
    const bytes = new Uint8Array(8 + 100_000_001).fill(0x20);
    new DataView(bytes.buffer).setBigUint64(0, 100_000_001n, true);
    expect(held(() => decodeSafetensors(bytes, "memory"))).toBeLessThan(1e6);
    expect(() => decodeSafetensors(bytes, "memory")).toThrow("must have a header of at most 100000000 bytes, got 100000001");
  });

  test("of sizes whose product overflows, or of brackets 50,000 deep, is refused", () => {
    const huge = { a: { dtype: "F32", shape: new Array(40).fill(2 ** 53 - 1), data_offsets: [0, 0] } };
    expect(() => decodeSafetensors(file(huge), "memory")).toThrow(DataError);
    const deep = `{"a":${"[".repeat(50_000)}${"]".repeat(50_000)}}`;
    expect(() => decodeSafetensors(file(deep), "memory")).toThrow(DataError);
  });

  const number = fc.oneof(fc.nat(40), fc.integer(), fc.constantFrom(2 ** 53 - 1, 2 ** 53, 1e308, 0.5, -1));
  const entries = fc.record(
    {
      dtype: fc.oneof(fc.constantFrom("F32", "F16", "BOOL", "I64", "U8", "toString"), fc.jsonValue()),
      shape: fc.oneof(fc.array(number, { maxLength: 4 }), fc.jsonValue()),
      data_offsets: fc.oneof(fc.tuple(number, number), fc.jsonValue()),
      more: fc.jsonValue(),
    },
    { requiredKeys: [] },
  );

  test("of any header is read or refused, and takes little memory", () =>
    fc.assert(
      fc.property(fc.dictionary(fc.string({ maxLength: 3 }), fc.oneof(entries, fc.jsonValue())), fc.nat(40), (header, length) => {
        try {
          const { tensors } = decodeSafetensors(file(header, new Uint8Array(length)), "memory");
          const bytes = [...tensors.values()].reduce((total, { data }) => total + data.byteLength, 0);
          expect(bytes).toBeLessThanOrEqual(4 * length);
        } catch (error) {
          expect(error).toBeInstanceOf(DataError);
        }
      }),
      { numRuns: 500 },
    ));
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
    ["a dtype that is not known", { x: { dtype: "C64", shape: [1], data_offsets: [0, 8] } }, 8],
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
