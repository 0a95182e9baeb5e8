import fc from "fast-check";
import { unzipSync, zipSync } from "fflate";
import { describe, expect, test } from "vitest";
import { DataError } from "../../src/core/errors.ts";
import { sizeOf } from "../../src/core/shape.ts";
import { encodeNpy } from "../../src/interchange/npy.ts";
import { decodeNpz, encodeNpz } from "../../src/interchange/npz.ts";
import { type DType, typedArray } from "../../src/tensor/storage.ts";
import type { NamedArray } from "../../src/train/safetensors.ts";
import { shapes } from "../arbitraries/shapes.ts";
import { seeds, valuesOf } from "../arbitraries/values.ts";
import { fixture, npzFiles, valuesIn } from "./numpy-fixtures.ts";

describe("an archive of NumPy is read as NumPy reads it", () => {
  test.each(npzFiles)("%s", (name, expected) => {
    const arrays = decodeNpz(fixture(name), name);
    expect([...arrays.keys()]).toEqual(Object.keys(expected));
    for (const [key, { shape, data }] of arrays) {
      expect(shape, key).toEqual(expected[key]!.shape);
      expect([...data], key).toEqual(valuesIn(expected[key]!));
    }
  });
});

const names = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.string({ unit: "grapheme", maxLength: 5 }),
  fc.constantFrom("layer1.0.weight", "a/b", "a//b", "../a/b", "/a", "a\\b", "10", "2", "__proto__", "constructor", "", "x.npy"),
);
const arrays = fc.record({ shape: shapes(), dtype: fc.constantFrom<DType>("float32", "float64", "int32"), seed: seeds }).map(
  ({ shape, dtype, seed }): NamedArray => ({
    shape,
    data: typedArray(dtype, valuesOf(seed, sizeOf(shape), dtype === "int32" ? "integers" : "extreme")),
  }),
);
const maps = fc.uniqueArray(fc.tuple(names, arrays), { selector: ([name]) => name, maxLength: 5 }).map((entries) => new Map(entries));

test("decoding is the inverse of encoding, in the same order", () =>
  fc.assert(
    fc.property(maps, fc.boolean(), (map, compress) => {
      const bytes = encodeNpz(map, { compress });
      expect([...decodeNpz(bytes, "memory")]).toEqual([...map]);
      expect(encodeNpz(map, { compress })).toEqual(bytes);
    }),
    { numRuns: 200 },
  ));

test("the option `compress` makes an archive smaller", () => {
  const zeros = new Map([["x", { shape: [1000], data: new Float32Array(1000) }]]);
  expect(encodeNpz(zeros).length).toBeGreaterThan(4000);
  expect(encodeNpz(zeros, { compress: true }).length).toBeLessThan(400);
});

test("a view into a larger buffer is read correctly", () => {
  const bytes = encodeNpz(new Map([["x", { shape: [2], data: Float32Array.of(1, 2) }]]));
  const shifted = new Uint8Array(bytes.length + 6);
  shifted.set(bytes, 3);
  expect(decodeNpz(shifted.subarray(3, -3), "memory").get("x")?.data).toEqual(Float32Array.of(1, 2));
});

describe("a damaged archive", () => {
  const values = new Map<string, NamedArray>([
    ["a", { shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) }],
    ["b", { shape: [40], data: new Int32Array(40).fill(7) }],
    ["c", { shape: [], data: Float64Array.of(8) }],
  ]);

  test.each([false, true])("cut off anywhere is refused, with the file's name (compressed: %s)", (compress) => {
    const good = encodeNpz(values, { compress });
    for (let length = 0; length < good.length; length++) {
      expect(() => decodeNpz(good.subarray(0, length), "run/a.npz"), `${length} bytes`).toThrow(DataError);
      expect(() => decodeNpz(good.subarray(0, length), "run/a.npz")).toThrow("run/a.npz");
    }
  });

  test.each([false, true])("with any bit flipped is refused, or holds the same numbers (compressed: %s)", (compress) => {
    const good = encodeNpz(values, { compress });
    /** The numbers that are read, without their names, because names have no checksum. */
    const numbers = (map: ReadonlyMap<string, NamedArray>): unknown => [...map.values()];
    let told = 0;
    for (let place = 0; place < good.length; place++)
      for (let bit = 0; bit < 8; bit++) {
        const bytes = good.slice();
        bytes[place]! ^= 1 << bit;
        let read: Map<string, NamedArray> | undefined;
        try {
          read = decodeNpz(bytes, "memory");
        } catch (error) {
          expect(error, `bit ${bit} of byte ${place}`).toBeInstanceOf(DataError);
          told++;
        }
        if (read !== undefined) expect(numbers(read), `bit ${bit} of byte ${place}`).toEqual(numbers(values));
      }
    expect(told).toBeGreaterThan(good.length * 5);
  });

  test("of random bytes is refused", () =>
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        expect(() => decodeNpz(bytes, "memory")).toThrow(DataError);
      }),
    ));

  const npy = encodeNpy({ shape: [1], data: Float32Array.of(1) });
  test("with a file that is no array is refused, and the error names the file", () => {
    expect(() => decodeNpz(zipSync({ "a.npy": npy, "notes.txt": npy }), "x.npz")).toThrow(
      'x.npz must hold .npy files only, got "notes.txt"',
    );
    expect(() => decodeNpz(zipSync({ folder: { "a.npy": npy } }), "x.npz")).toThrow('got "folder/"');
    expect(() => decodeNpz(zipSync({ "a.npy": npy.subarray(1) }), "x.npz")).toThrow(/^npy: x\.npz: a\.npy must begin with/);
    expect(() => decodeNpz(zipSync({ "a.npy": new Uint8Array(0) }), "x.npz")).toThrow(/^npy: x\.npz: a\.npy must begin with/);
  });

  test("with two arrays of one name is refused", () => {
    const twice = encodeNpz(new Map([...values].slice(0, 2).map(([name, array]) => [name, array])));
    for (let at = 0; at < twice.length; at++) if (Buffer.from(twice).toString("latin1", at, at + 5) === "b.npy") twice[at] = 0x61;
    expect(() => decodeNpz(twice, "x.npz")).toThrow('npz: x.npz must hold one array of each name, got "a" twice; write it again');
  });

  test("encoding refuses data that does not fill its shape", () =>
    expect(() => encodeNpz(new Map([["x", { shape: [3], data: Float32Array.of(1) }]]))).toThrow(DataError));
});

describe("an archive that unpacks to much more than its size", () => {
  /** Bytes that array buffers hold more after `decode` than before. */
  const held = (decode: () => void): number => {
    const before = process.memoryUsage().arrayBuffers;
    expect(decode).toThrow(DataError);
    return process.memoryUsage().arrayBuffers - before;
  };
  const zeros = (count: number): NamedArray => ({ shape: [count], data: new Int32Array(count) });

  test("is refused before anything is unpacked, unless the caller allows its size", () => {
    // 80 MB in 80 kB.
    const bytes = encodeNpz(
      new Map([
        ["a", zeros(1e7)],
        ["b", zeros(1e7)],
      ]),
      { compress: true },
    );
    expect(bytes.length).toBeLessThan(100_000);
    expect(held(() => decodeNpz(bytes, "bomb.npz"))).toBeLessThan(1e6);
    expect(() => decodeNpz(bytes, "bomb.npz")).toThrow(
      /^npz: bomb\.npz must unpack to at most 67108864 bytes, got 80000256 from \d+; pass a larger maximumBytes if you trust the file/,
    );
    expect(decodeNpz(bytes, "memory", { maximumBytes: 80_000_256 }).get("b")?.data).toHaveLength(1e7);
    expect(() => decodeNpz(bytes, "memory", { maximumBytes: 80_000_255 })).toThrow(DataError);
  });

  test("is refused when its directory tells too small a size", () => {
    const bytes = encodeNpz(new Map([["a", zeros(1000)]]), { compress: true });
    const view = new DataView(bytes.buffer);
    const directory = view.getUint32(bytes.length - 6, true);
    view.setUint32(directory + 24, 100, true);
    expect(() => decodeNpz(bytes, "x.npz")).toThrow('must hold "a.npy" with the right checksum');
  });

  test("is refused when two files share bytes", () => {
    const bytes = encodeNpz(new Map(["a", "b"].map((name) => [name, zeros(1)])));
    const view = new DataView(bytes.buffer);
    const directory = view.getUint32(bytes.length - 6, true);
    // The second file is given the place and the name of the first.
    const second = directory + 46 + 5;
    view.setUint32(second + 42, 0, true);
    bytes[second + 46] = 0x61;
    expect(() => decodeNpz(bytes, "x.npz")).toThrow(/must hold its files one after another, got "a\.npy" inside another/);
  });
});

test("an archive of PyTorch is named, with what to do", () => {
  const pth = zipSync({ "archive/data.pkl": new Uint8Array(9) });
  expect(() => decodeNpz(pth, "net.npz")).toThrow(
    "npz: net.npz must be a NumPy archive (.npz), got a PyTorch archive (.pth or .pt); load it",
  );
  expect(() => decodeNpz(new TextEncoder().encode("<html>"), "net.npz")).toThrow("got an HTML page");
});

test("an archive has the bytes that other programs read", () => {
  const map = new Map<string, NamedArray>([
    ["ünïcode/a", { shape: [2], data: Float32Array.of(1, 2) }],
    ["b", { shape: [300], data: new Int32Array(300) }],
  ]);
  for (const compress of [false, true]) {
    const files = unzipSync(encodeNpz(map, { compress }));
    expect(Object.keys(files)).toEqual(["ünïcode/a.npy", "b.npy"]);
    expect([files["ünïcode/a.npy"], files["b.npy"]]).toEqual([...map.values()].map(encodeNpy));
  }
});
