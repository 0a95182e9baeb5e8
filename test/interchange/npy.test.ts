/**
 * The .npy format against files that NumPy wrote, and round trips. The format has no checksum, so damage to the numbers or to the mark of
 * their byte order is not detected.
 */

import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DataError } from "../../src/core/errors.ts";
import { sizeOf } from "../../src/core/shape.ts";
import { decodeNpy, encodeNpy } from "../../src/interchange/npy.ts";
import { parsePythonLiteral } from "../../src/interchange/python-literal.ts";
import { type DType, typedArray } from "../../src/tensor/storage.ts";
import type { NamedArray } from "../../src/train/safetensors.ts";
import { shapes } from "../arbitraries/shapes.ts";
import { seeds, valuesOf } from "../arbitraries/values.ts";
import { fixture, npyFiles, refusedFiles, valuesIn } from "./numpy-fixtures.ts";

const dtypes: Readonly<Record<string, DType>> = {
  f2: "float32",
  f4: "float32",
  f8: "float64",
  u4: "float64",
  i8: "float64",
  u8: "float64",
};

describe("a file of NumPy is read as NumPy reads it", () => {
  test.each(npyFiles)("%s", (name, expected) => {
    const { shape, data } = decodeNpy(fixture(name), name);
    expect(shape).toEqual(expected.shape);
    expect([...data]).toEqual(valuesIn(expected));
    const kind = /-([fiu]\d)\./.exec(name)?.[1];
    if (kind !== undefined) expect(data).toBeInstanceOf(typedArray(dtypes[kind] ?? "int32", 0).constructor);
  });

  test("but an array of other things than numbers is refused, and the error names the file", () => {
    expect(refusedFiles).toHaveLength(9);
    for (const name of refusedFiles) {
      expect(() => decodeNpy(fixture(name), `data/${name}`), name).toThrow(DataError);
      expect(() => decodeNpy(fixture(name), `data/${name}`), name).toThrow(`npy: data/${name} must hold`);
    }
    expect(() => decodeNpy(fixture("object.npy"), "x")).toThrow(/got dtype '\|O'; save it with \.astype/);
    expect(() => decodeNpy(fixture("record.npy"), "x")).toThrow("got dtype [('a', '<i4'), ('b', '<f4')]");
    expect(() => decodeNpy(fixture("unsafe-i8.npy"), "x")).toThrow("integers of at most 2^53 - 1, got 9007199254740992 at 0 of i8");
  });
});

describe("half precision", () => {
  test("has every number of the format, and NaN", () => {
    const bits = Uint16Array.from({ length: 2 ** 16 }, (_, i) => i);
    const { data } = decodeNpy(
      file("{'descr': '<f2', 'fortran_order': False, 'shape': (65536,), }", new Uint8Array(bits.buffer)),
      "memory",
    );
    // The numbers rise from 0 to infinity, and the sign mirrors them. Their distance is 2⁻²⁴ at first and doubles with each exponent.
    for (let i = 1; i <= 0x7c00; i++) {
      const exponent = Math.max(1, (i - 1) >>> 10);
      if (i < 0x7c00) expect(data[i]! - data[i - 1]!).toBe(2 ** (exponent - 25));
      expect(data[0x8000 + i]).toBe(-data[i]!);
    }
    expect([data[0], data[0x8000], data[0x3c00], data[0x7bff], data[0x7c00]]).toEqual([0, -0, 1, 65504, Infinity]);
    expect(data.filter(Number.isNaN)).toHaveLength(2 * 0x3ff);
  });
});

const arrays = fc.record({ shape: shapes(), dtype: fc.constantFrom<DType>("float32", "float64", "int32"), seed: seeds }).map(
  ({ shape, dtype, seed }): NamedArray => ({
    shape,
    data: typedArray(dtype, valuesOf(seed, sizeOf(shape), dtype === "int32" ? "integers" : "extreme")),
  }),
);

test("decoding is the inverse of encoding", () =>
  fc.assert(
    fc.property(arrays, (array) => {
      expect(decodeNpy(encodeNpy(array), "memory")).toEqual(array);
    }),
    { numRuns: 300 },
  ));

/** Every index of an array, in the order of its file: the last axis, or the first one, varies fastest. */
function indices(shape: readonly number[], firstFastest: boolean): number[][] {
  const [size, ...rest] = firstFastest ? shape.toReversed() : shape;
  if (size === undefined) return [[]];
  const inner = indices(firstFastest ? rest.toReversed() : rest, firstFastest);
  return Array.from({ length: size }, (_, i) => inner.map((index) => (firstFastest ? [...index, i] : [i, ...index]))).flat();
}

test("either order of axes and of bytes holds the same array", () =>
  fc.assert(
    fc.property(shapes(), fc.boolean(), fc.boolean(), fc.constantFrom("1.0", "2.0", "3.0"), (shape, fortran, big, version) => {
      /** A number that identifies its position. */
      const tell = (index: readonly number[]): number => index.reduce((sum, i, axis) => sum + i * 10 ** axis, 1);
      const view = new DataView(new ArrayBuffer(4 * sizeOf(shape)));
      for (const [i, index] of indices(shape, fortran).entries()) view.setInt32(4 * i, tell(index), !big);
      const tuple = shape.length === 1 ? `(${shape},)` : `(${shape.join(", ")})`;
      const header = `{'descr': '${big ? ">" : "<"}i4', 'fortran_order': ${fortran ? "True" : "False"}, 'shape': ${tuple}, }`;
      const read = decodeNpy(file(header, new Uint8Array(view.buffer), version), "memory");
      expect(read).toEqual({ shape, data: Int32Array.from(indices(shape, false), tell) });
    }),
    { numRuns: 200 },
  ));

test("views into larger buffers are written and read correctly", () => {
  const data = new Float32Array([9, 1, 2, 9]).subarray(1, 3);
  const bytes = encodeNpy({ shape: [2], data });
  const shifted = new Uint8Array(bytes.length + 3);
  shifted.set(bytes, 3);
  expect(decodeNpy(shifted.subarray(3), "memory").data).toEqual(Float32Array.of(1, 2));
});

test("an array is written as the same bytes that NumPy writes", () => {
  const counting: NamedArray = { shape: [2, 3, 4], data: Float32Array.from({ length: 24 }, (_, i) => i) };
  expect(encodeNpy(counting)).toEqual(fixture("version-1.npy"));
  expect(encodeNpy({ shape: [], data: Float64Array.of(2.5) })).toEqual(fixture("scalar.npy"));
  expect(encodeNpy({ shape: [3], data: Int32Array.of(1, 2, 3) })).toEqual(fixture("vector.npy"));
  expect(encodeNpy({ shape: [0, 3], data: new Float32Array(0) })).toEqual(fixture("empty.npy"));
});

test("encoding refuses data that does not fill its shape, and more axes than NumPy reads", () => {
  expect(() => encodeNpy({ shape: [3], data: Float32Array.of(1) })).toThrow(DataError);
  const most: NamedArray = { shape: new Array(64).fill(1), data: Float32Array.of(1) };
  expect(decodeNpy(encodeNpy(most), "memory")).toEqual(most);
  expect(() => encodeNpy({ shape: new Array(65).fill(1), data: Float32Array.of(1) })).toThrow(DataError);
});

/** A file with any header, including headers that `encodeNpy` never writes. */
function file(header: string, data: Uint8Array = new Uint8Array(0), version = "1.0"): Uint8Array {
  const wide = version !== "1.0";
  const text = new TextEncoder().encode(`${header}\n`);
  const length = wide ? new Uint8Array(Uint32Array.of(text.length).buffer) : new Uint8Array(Uint16Array.of(text.length).buffer);
  return Uint8Array.from([0x93, ...Buffer.from("NUMPY"), ...version.split(".").map(Number), ...length, ...text, ...data]);
}

const four = new Uint8Array(Float32Array.of(1.5).buffer);

test.each([
  ["another order of keys", "{'shape': (1,), 'fortran_order': False, 'descr': '<f4'}"],
  ["double quotes", `{"descr": "<f4", "fortran_order": False, "shape": (1,)}`],
  ["Python 2's long integers", "{'descr': '<f4', 'fortran_order': False, 'shape': (1L,), }"],
  ["the machine's own byte order", "{'descr': '=f4', 'fortran_order': False, 'shape': (1,), }"],
  ["space wherever it may be", " {'descr' :'<f4' , 'fortran_order':False,'shape':(1,)}  ".trim()],
])("a header with %s is read", (_, header) =>
  expect(decodeNpy(file(header, four), "memory")).toEqual({ shape: [1], data: Float32Array.of(1.5) }),
);

describe("a dtype that NumPy takes under another name", () => {
  const eight = new Uint8Array(Float64Array.of(1.5).buffer);
  const header = (descr: string): string => `{'descr': ${descr}, 'fortran_order': False, 'shape': (1,), }`;

  test.each([
    "'f8'",
    "'|f8'",
    "'=f8'",
    "u'<f8'",
    "r'<f8'",
    "'<' 'f8'",
    "('<f8')",
    "'d'",
    "'<d'",
    "'float64'",
    "'double'",
    "'float'",
    "'\\x3cf8'",
  ])("%s is read as <f8", (descr) => expect(decodeNpy(file(header(descr), eight), "memory").data).toEqual(Float64Array.of(1.5)));

  test.each<[string, readonly number[], unknown]>([
    ["'?'", [1], Int32Array.of(1)],
    ["'<b1'", [1], Int32Array.of(1)],
    ["'b'", [255], Int32Array.of(-1)],
    ["'B'", [255], Int32Array.of(255)],
    ["'>u1'", [255], Int32Array.of(255)],
    ["'h'", [255, 255], Int32Array.of(-1)],
    ["'uint16'", [255, 255], Int32Array.of(65535)],
    ["'e'", [0, 0x3c], Float32Array.of(1)],
    ["'half'", [0, 0x3c], Float32Array.of(1)],
    ["'>e'", [0x3c, 0], Float32Array.of(1)],
    ["'>i4'", [0, 0, 0, 9], Int32Array.of(9)],
    ["'int'", [9, 0, 0, 0, 0, 0, 0, 0], Float64Array.of(9)],
    ["'Q'", [9, 0, 0, 0, 0, 0, 0, 0], Float64Array.of(9)],
  ])("%s is read", (descr, bytes, expected) =>
    expect(decodeNpy(file(header(descr), Uint8Array.from(bytes)), "memory").data).toEqual(expected),
  );
});

const blanks = fc.stringMatching(/^[ \t\r\n]{0,3}$/);

test("a header is read whatever its order of keys, quotes and blanks are", () =>
  fc.assert(
    fc.property(
      fc.shuffledSubarray(["descr", "fortran_order", "shape"], { minLength: 3 }),
      fc.infiniteStream(blanks),
      fc.constantFrom("'", '"'),
      fc.constantFrom("", "u"),
      fc.boolean(),
      fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 4 }),
      (keys, gaps, quote, prefix, comma, shape) => {
        const gap = (): string => gaps.next().value;
        const text = (content: string): string => `${prefix}${quote}${content}${quote}`;
        const sizes = shape.map((size) => `${gap()}${size}${gap()},`).join("");
        const tuple = `(${shape.length > 1 && !comma ? sizes.slice(0, -1) : sizes}${gap()})`;
        const values: Readonly<Record<string, string>> = { descr: text("<i4"), fortran_order: "False", shape: tuple };
        const pairs = keys.map((key) => `${gap()}${text(key)}${gap()}:${gap()}${values[key]}${gap()}`);
        const header = `{${pairs.join(",")}${comma ? "," : ""}${gap()}}${gap()}`;
        const data = Int32Array.from({ length: sizeOf(shape) }, (_, i) => i);
        expect(decodeNpy(file(header, new Uint8Array(data.buffer)), "memory")).toEqual({ shape, data });
      },
    ),
  ));

test("a header of hostile repetitions takes linear time", () => {
  for (const part of ["(", "[", "{", "'a'", "'\\", "1_", "1,", "u", "#\n", "{'a':", " "]) {
    const bytes = file(part.repeat(Math.floor(9000 / part.length)), new Uint8Array(0), "2.0");
    const start = performance.now();
    expect(() => decodeNpy(bytes, "memory"), part).toThrow(DataError);
    // A search with backtracking would take hours. The bound is for a busy machine.
    expect(performance.now() - start, part).toBeLessThan(2000);
  }
});

test("comments and blanks before a literal overflow no stack", () => {
  expect(parsePythonLiteral(`${"# a\n \t".repeat(100_000)}1`)).toMatchObject({ kind: "integer", value: 1 });
});

test("any header is read or refused", () => {
  const token = fc.constantFrom(
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    ",",
    ":",
    "'descr'",
    "'fortran_order'",
    "'shape'",
    "'<f4'",
    "False",
    "1",
    "u'",
    " ",
    "#",
  );
  fc.assert(
    fc.property(fc.array(token, { maxLength: 30 }), (tokens) => {
      try {
        decodeNpy(file(tokens.join(""), new Uint8Array(4)), "memory");
      } catch (error) {
        expect(error).toBeInstanceOf(DataError);
      }
    }),
    { numRuns: 500 },
  );
});

test("typed arrays of every class are written with their own dtype, as NumPy names it", () => {
  class Weights extends Float64Array {}
  const descr = (data: unknown): string | undefined => {
    const bytes = encodeNpy({ shape: [1], data: data as Float32Array });
    expect([...decodeNpy(bytes, "memory").data]).toEqual(Array.from(data as ArrayLike<number>, Number));
    return /'descr': '(.*?)'/.exec(new TextDecoder("latin1").decode(bytes))?.[1];
  };
  expect(descr(runInNewContext("Float64Array.of(1 / 3)"))).toBe("<f8");
  expect(descr(Weights.of(1 / 3))).toBe("<f8");
  expect(descr(Uint8Array.of(255))).toBe("|u1");
  expect(descr(Int8Array.of(-1))).toBe("|i1");
  expect(descr(Int16Array.of(-1))).toBe("<i2");
  expect(descr(BigInt64Array.of(-1n))).toBe("<i8");
  expect(descr(BigUint64Array.of(1n))).toBe("<u8");
  expect(() => descr([1])).toThrow("npy: numbers must be in a typed array, got Array for an array; write Float32Array.from(values)");
});

test("a file of another format is named, with what to do", () => {
  const page = new TextEncoder().encode("<!doctype html><html>");
  expect(() => decodeNpy(page, "a.npy")).toThrow("npy: a.npy must begin with \\x93NUMPY, got an HTML page; download the file itself");
  expect(() => decodeNpy(Uint8Array.of(0x80, 4, 0x95, 1), "a.npy")).toThrow("got a Python pickle");
});

describe("a damaged file", () => {
  const good = fixture("version-1.npy");
  const headerLength = 128;

  test.each(["version-1.npy", "version-2.npy", "version-3.npy", "scalar.npy", "empty.npy"])("%s, cut off anywhere, is refused", (name) => {
    const whole = fixture(name);
    for (let length = 0; length < whole.length; length++) {
      expect(() => decodeNpy(whole.subarray(0, length), "run/a.npy"), `${length} bytes`).toThrow(DataError);
      expect(() => decodeNpy(whole.subarray(0, length), "run/a.npy")).toThrow("run/a.npy");
    }
  });

  test("is refused with an error that says what is missing", () => {
    expect(() => decodeNpy(good.subarray(0, 11), "x")).toThrow("npy: x must hold its header, got 11 bytes in all");
    expect(() => decodeNpy(good.subarray(0, 127), "x")).toThrow("npy: x must hold its 118-byte header, got 127 bytes in all");
    expect(() => decodeNpy(good.subarray(0, 130), "x")).toThrow("npy: x must hold 96 bytes for f4 [2,3,4], got 2");
  });

  test("with bytes after its end is refused", () => {
    const longer = new Uint8Array(good.length + 1);
    longer.set(good);
    expect(() => decodeNpy(longer, "memory")).toThrow("must hold 96 bytes for f4 [2,3,4], got 97");
  });

  test("with any bit of its header flipped is refused, unless the damage is in the mark of the byte order or in blanks", () => {
    const whole = decodeNpy(good, "memory");
    const mark = new TextDecoder("latin1").decode(good).indexOf("<");
    let told = 0;
    for (let place = 0; place < headerLength; place++)
      for (let bit = 0; bit < 8; bit++) {
        const bytes = good.slice();
        bytes[place]! ^= 1 << bit;
        let read: NamedArray | undefined;
        try {
          read = decodeNpy(bytes, "memory");
        } catch (error) {
          expect(error, `bit ${bit} of byte ${place}`).toBeInstanceOf(DataError);
          told++;
        }
        if (read !== undefined && place !== mark) expect(read, `bit ${bit} of byte ${place}`).toEqual(whole);
      }
    expect(told).toBeGreaterThan(headerLength * 7);
  });

  test("of random bytes is refused, with the magic before them or without", () =>
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.boolean(), (bytes, marked) => {
        const all = marked ? Uint8Array.from([...good.subarray(0, 8), ...bytes]) : bytes;
        expect(() => decodeNpy(all, "memory")).toThrow(DataError);
      }),
      { numRuns: 300 },
    ));

  test.each<[string, string, number]>([
    ["no dict", "", 4],
    ["a list", "[]", 4],
    ["two keys", "{'descr': '<f4', 'shape': (1,), }", 4],
    ["a key twice", "{'descr': '<f4', 'descr': '<f4', 'shape': (1,), }", 4],
    ["a key too many", "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': True, }", 4],
    ["another key", "{'descr': '<f4', 'fortran_order': False, 'size': (1,), }", 4],
    ["an order that is no truth value", "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,), }", 4],
    ["an order in quotes", "{'descr': '<f4', 'fortran_order': 'True', 'shape': (1,), }", 4],
    ["a number for its shape", "{'descr': '<f4', 'fortran_order': False, 'shape': (1), }", 4],
    ["a lone comma for its shape", "{'descr': '<f4', 'fortran_order': False, 'shape': (,), }", 4],
    ["sizes without commas", "{'descr': '<f4', 'fortran_order': False, 'shape': (1 1), }", 4],
    ["a negative size", "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, -1), }", 4],
    ["a size beyond all integers", "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 9007199254740992), }", 0],
    ["a shape in quotes", "{'descr': '<f4', 'fortran_order': False, 'shape': '(1,)', }", 4],
    ["a truth value for its dtype", "{'descr': True, 'fortran_order': False, 'shape': (1,), }", 4],
    ["a dtype in bytes", "{'descr': b'<f4', 'fortran_order': False, 'shape': (1,), }", 4],
    ["a blank inside its dtype", "{'descr': '< f4', 'fortran_order': False, 'shape': (1,), }", 4],
    ["a name of every object for its dtype", "{'descr': 'constructor', 'fortran_order': False, 'shape': (1,), }", 4],
    ["a size with a leading zero", "{'descr': '<f4', 'fortran_order': False, 'shape': (01,), }", 4],
    ["a list for its shape", "{'descr': '<f4', 'fortran_order': False, 'shape': [1], }", 4],
    ["two commas in a row", "{'descr': '<f4', 'fortran_order': False, 'shape': (1,),, }", 4],
    ["a string without its end", "{'descr': '<f4, 'fortran_order': False, 'shape': (1,), }", 4],
    ["brackets beyond any need", `{'descr': '<f4', 'fortran_order': False, 'shape': ${"(".repeat(3000)}1,${")".repeat(3000)}, }`, 4],
    ["a dtype of no known size", "{'descr': '<f3', 'fortran_order': False, 'shape': (1,), }", 3],
    ["blanks beyond NumPy's limit", `{'descr': '<f4', 'fortran_order': False, ${" ".repeat(10_000)}'shape': (1,), }`, 4],
    ["something after the dict", "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), } x", 4],
    ["fewer bytes than its shape", "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 4],
    ["a scalar without its number", "{'descr': '<f4', 'fortran_order': False, 'shape': (), }", 0],
  ])("with %s is refused", (_, header, bytes) => {
    expect(() => decodeNpy(file(header, new Uint8Array(bytes)), "memory")).toThrow(DataError);
  });

  test.each(["0.0", "1.1", "4.0", "3.1"])("of version %s is refused", (version) =>
    expect(() => decodeNpy(file("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", four, version), "memory")).toThrow(
      `must be of version 1.0, 2.0 or 3.0, got ${version}`,
    ),
  );

  test("with a boolean that is neither 0 nor 1 is refused", () => {
    const bool = (byte: number): Uint8Array => file("{'descr': '|b1', 'fortran_order': False, 'shape': (1,), }", Uint8Array.of(byte));
    expect([...decodeNpy(bool(1), "memory").data]).toEqual([1]);
    expect(() => decodeNpy(bool(2), "memory")).toThrow("must hold 0 or 1, got 2");
  });

  test("of integers that a float64 cannot hold is refused, below and above 0", () => {
    const i8 = (value: bigint): Uint8Array =>
      file("{'descr': '<i8', 'fortran_order': False, 'shape': (1,), }", new Uint8Array(BigInt64Array.of(value).buffer));
    for (const value of [2n ** 53n - 1n, -(2n ** 53n) + 1n]) expect([...decodeNpy(i8(value), "memory").data]).toEqual([Number(value)]);
    for (const value of [2n ** 53n, 2n ** 53n + 1n, -(2n ** 53n), 2n ** 63n - 1n])
      expect(() => decodeNpy(i8(value), "memory")).toThrow(DataError);
  });
});
