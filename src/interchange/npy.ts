/**
 * NumPy's .npy format: a magic string, a version, a Python dict of dtype, order and shape padded to 64 bytes, then raw numbers.
 * Specification: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html. Bytes in, arrays out; files are somebody else's business.
 */

import { DataError } from "../core/errors.ts";
import { formatShape, type Shape, sizeOf, stridesOf } from "../core/shape.ts";
import { type DType, typedArray } from "../tensor/storage.ts";
import type { NamedArray } from "../train/safetensors.ts";

const magic = [0x93, ...new TextEncoder().encode("NUMPY")];

const writers = { Float32Array: "<f4", Float64Array: "<f8", Int32Array: "<i4" } as const;

/** How numbers of one of NumPy's types become one of our arrays. */
interface Reader {
  readonly bytes: number;
  readonly dtype: DType;
  readonly read: (view: DataView, at: number, littleEndian: boolean) => number;
  /** What not every bit pattern is; undefined where each is a number of the array. */
  readonly rule?: { readonly says: string; readonly holds: (value: number) => boolean };
}

const safe = { says: "integers of at most 2^53 - 1", holds: Number.isSafeInteger };

const readers: Readonly<Record<string, Reader>> = {
  b1: { bytes: 1, dtype: "int32", read: (view, at) => view.getUint8(at), rule: { says: "0 or 1", holds: (value) => value <= 1 } },
  i1: { bytes: 1, dtype: "int32", read: (view, at) => view.getInt8(at) },
  i2: { bytes: 2, dtype: "int32", read: (view, at, little) => view.getInt16(at, little) },
  i4: { bytes: 4, dtype: "int32", read: (view, at, little) => view.getInt32(at, little) },
  i8: { bytes: 8, dtype: "float64", read: (view, at, little) => Number(view.getBigInt64(at, little)), rule: safe },
  u1: { bytes: 1, dtype: "int32", read: (view, at) => view.getUint8(at) },
  u2: { bytes: 2, dtype: "int32", read: (view, at, little) => view.getUint16(at, little) },
  u4: { bytes: 4, dtype: "float64", read: (view, at, little) => view.getUint32(at, little) },
  u8: { bytes: 8, dtype: "float64", read: (view, at, little) => Number(view.getBigUint64(at, little)), rule: safe },
  f2: { bytes: 2, dtype: "float32", read: (view, at, little) => halfPrecision(view.getUint16(at, little)) },
  f4: { bytes: 4, dtype: "float32", read: (view, at, little) => view.getFloat32(at, little) },
  f8: { bytes: 8, dtype: "float64", read: (view, at, little) => view.getFloat64(at, little) },
};

/** The number of IEEE 754 binary16: a sign, 5 bits of exponent, 10 of fraction. */
function halfPrecision(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** The bytes of a .npy file, version 1.0: float32, float64 or int32, in C order. @throws DataError for data that does not fill its shape, or more than 64 axes. */
export function encodeNpy({ shape, data }: NamedArray): Uint8Array {
  if (data.length !== sizeOf(shape))
    throw new DataError(`npy: data must fill its shape, got ${data.length} values for ${formatShape(shape)}`);
  if (shape.length > 64) throw new DataError(`npy: an array must have at most 64 axes, as in NumPy, got ${shape.length}; reshape it`);
  const descr = writers[data.constructor.name as keyof typeof writers];
  // A tuple of one has its comma.
  const tuple = `(${shape.join(", ")}${shape.length === 1 ? "," : ""})`;
  const dict = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const start = Math.ceil((magic.length + 4 + dict.length + 1) / 64) * 64;
  const bytes = new Uint8Array(start + data.byteLength);
  bytes.set([...magic, 1, 0]);
  new DataView(bytes.buffer).setUint16(8, start - 10, true);
  bytes.set(new TextEncoder().encode(`${dict.padEnd(start - 11)}\n`), 10);
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), start);
  return bytes;
}

interface Header {
  /** Python's notation of the dtype: a string such as `'<f4'`, or a list for records. */
  readonly descr: string;
  readonly fortranOrder: boolean;
  readonly shape: number[];
}

/** The dict as Python's `repr` writes it, its keys in any order; Python 2 put an L after sizes. Undefined for anything else. */
function parseHeader(text: string): Header | undefined {
  // NumPy's own limit: no array needs more, and a pattern may take long to fail on what is no header.
  if (text.length > 10_000) return undefined;
  const value = String.raw`('[^'\n]*'|"[^"\n]*"|\[[^\n]*\]|\([\dL, ]*\)|True|False)`;
  const entry = String.raw`\s*['"](\w+)['"]\s*:\s*${value}\s*`;
  const dict = new RegExp(String.raw`^\{${entry},${entry},${entry},?\s*\}\s*$`).exec(text);
  if (dict === null) return undefined;
  const [, ...pairs] = dict;
  const fields = new Map([0, 2, 4].map((i) => [pairs[i]!, pairs[i + 1]!]));
  const descr = fields.get("descr");
  const order = fields.get("fortran_order");
  const tuple = /^\(((?:\d+L?, *)*)(\d+L?)?\)$/.exec(fields.get("shape") ?? "");
  if (descr === undefined || (order !== "True" && order !== "False") || tuple === null) return undefined;
  // `(3)` is a number in brackets: only a comma makes a tuple of one.
  const isNumber = tuple[1] === "" && tuple[2] !== undefined;
  const shape = (tuple[0].match(/\d+/g) ?? []).map(Number);
  return isNumber || !shape.every(Number.isSafeInteger) ? undefined : { descr, fortranOrder: order === "True", shape };
}

/**
 * The array of a .npy file of version 1.0, 2.0 or 3.0, row by row: f2 and f4 as float32; b1, i1, i2, i4, u1, u2 as int32; u4, i8, u8, f8 as float64.
 * The format has no checksum: damage to the numbers themselves goes unseen.
 * @throws DataError naming `source` and the first thing wrong: no .npy file, another dtype, not as many bytes as its shape asks for, an integer that no float64 holds.
 */
export function decodeNpy(bytes: Uint8Array, source: string): NamedArray {
  const fail = (what: string, remedy = "the file is truncated or corrupted, restore it from a copy"): never => {
    throw new DataError(`npy: ${source} ${what}; ${remedy}`);
  };
  if (!magic.every((byte, i) => bytes[i] === byte)) return fail("must begin with \\x93NUMPY", "it is no .npy file, or is corrupted");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 12) return fail(`must hold its header, got ${bytes.length} bytes in all`);
  const version = `${bytes[6]}.${bytes[7]}`;
  if (!["1.0", "2.0", "3.0"].includes(version)) return fail(`must be of version 1.0, 2.0 or 3.0, got ${version}`);
  const headerAt = version === "1.0" ? 10 : 12;
  const start = headerAt + (version === "1.0" ? view.getUint16(8, true) : view.getUint32(8, true));
  if (start > bytes.length) return fail(`must hold its ${start - headerAt}-byte header, got ${bytes.length} bytes in all`);
  // UTF-8 in version 3.0, Latin-1 before: what is not ASCII can only be in a dtype that is refused.
  const text = new TextDecoder().decode(bytes.subarray(headerAt, start)).trimEnd();
  const header = parseHeader(text);
  if (header === undefined) return fail(`must say descr, fortran_order and shape in its header, got ${JSON.stringify(text.slice(0, 200))}`);
  const { descr, fortranOrder, shape } = header;
  const [, order, code] = /^['"]([<>|=])([biuf]\d)['"]$/.exec(descr) ?? [];
  const reader = readers[code ?? ""];
  if (reader === undefined || (order === "|" && reader.bytes > 1))
    return fail(`must hold plain numbers (${Object.keys(readers).join(", ")}), got dtype ${descr}`, "save it with .astype('<f4')");
  if (sizeOf(shape) * reader.bytes !== bytes.length - start)
    return fail(`must hold ${sizeOf(shape) * reader.bytes} bytes for ${code} ${formatShape(shape)}, got ${bytes.length - start}`);
  const data = typedArray(reader.dtype, sizeOf(shape));
  const place = fortranOrder ? placeInRows(shape) : (index: number) => index;
  for (let index = 0; index < data.length; index++) {
    const value = reader.read(view, start + index * reader.bytes, order !== ">");
    if (reader.rule && !reader.rule.holds(value))
      return fail(`must hold ${reader.rule.says}, got ${value} at ${index} of ${code}`, "save it with .astype('<f8')");
    data[place(index)] = value;
  }
  return { shape, data };
}

/** Where the index-th number of a file in Fortran order, whose first axis moves fastest, belongs row by row. */
function placeInRows(shape: Shape): (index: number) => number {
  const strides = stridesOf(shape);
  return (index) => {
    let rest = index;
    let place = 0;
    for (const [axis, size] of shape.entries()) {
      place += (rest % size) * strides[axis]!;
      rest = Math.floor(rest / size);
    }
    return place;
  };
}
