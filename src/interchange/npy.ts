/**
 * NumPy's .npy format, from and to bytes (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html). A file is
 *
 *     magic (6 bytes) | version (2 bytes) | length of the header (uint16 in version 1.0, else uint32) | header | numbers
 *
 * and the header is a Python dict of dtype, order and shape, padded with spaces so that the numbers start at a multiple of 64 bytes.
 */

import { DataError } from "../core/errors.ts";
import { formatShape, type Shape, sizeOf, stridesOf } from "../core/shape.ts";
import { type DType, typedArray } from "../tensor/storage.ts";
import { dtypeOf, type NamedArray } from "../train/safetensors.ts";

const magic = [0x93, ...new TextEncoder().encode("NUMPY")];

/** Positions in a file. */
const majorVersionAt = magic.length;
const minorVersionAt = majorVersionAt + 1;
const headerLengthAt = minorVersionAt + 1;
/** The header starts after its length. */
const headerStart = (version: string): number => headerLengthAt + (version === "1.0" ? 2 : 4);
/** The numbers start at a multiple of this. */
const alignment = 64;
/** NumPy's own limits. */
const [maximumAxes, maximumHeaderLength] = [64, 10_000];

/** NumPy's names of the dtypes of this library. */
const dtypeNames: Readonly<Record<DType, string>> = { float32: "<f4", float64: "<f8", int32: "<i4" };

/** Reads numbers of one of NumPy's dtypes. */
interface Reader {
  /** Size of a number in the file. */
  readonly bytes: number;
  /** The dtype of the array that holds the numbers here. */
  readonly dtype: DType;
  readonly read: (view: DataView, at: number, littleEndian: boolean) => number;
  /** A rule that the numbers must obey, for dtypes of which not every bit pattern can be read. */
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

/** The number of an IEEE 754 binary16: 1 bit of sign, 5 bits of exponent, and 10 bits of fraction. */
function halfPrecision(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/**
 * The bytes of a .npy file of version 1.0, in C order: float32 as `<f4`, float64 as `<f8`, int32 as `<i4`.
 * @throws DataError for data that do not fill their shape, or for more than 64 axes.
 */
export function encodeNpy({ shape, data }: NamedArray): Uint8Array {
  if (data.length !== sizeOf(shape))
    throw new DataError(`npy: data must fill its shape, got ${data.length} values for ${formatShape(shape)}`);
  if (shape.length > maximumAxes)
    throw new DataError(`npy: an array must have at most ${maximumAxes} axes, as in NumPy, got ${shape.length}; reshape it`);
  // In Python a tuple of one number ends with a comma.
  const tuple = `(${shape.join(", ")}${shape.length === 1 ? "," : ""})`;
  const dict = `{'descr': '${dtypeNames[dtypeOf(data)]}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const headerAt = headerStart("1.0");
  const start = Math.ceil((headerAt + dict.length + 1) / alignment) * alignment;
  const header = `${dict.padEnd(start - headerAt - 1)}\n`;
  const bytes = new Uint8Array(start + data.byteLength);
  bytes.set(magic);
  bytes[majorVersionAt] = 1;
  bytes[minorVersionAt] = 0;
  new DataView(bytes.buffer).setUint16(headerLengthAt, header.length, true);
  bytes.set(new TextEncoder().encode(header), headerAt);
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), start);
  return bytes;
}

interface Header {
  /** Python's notation of the dtype: a string such as `'<f4'`, or a list for records. */
  readonly descr: string;
  readonly fortranOrder: boolean;
  readonly shape: number[];
}

/**
 * Parses a dict as Python's `repr` writes it, with its keys in any order. Python 2 wrote an L after sizes.
 * @returns undefined for any other text.
 */
function parseHeader(text: string): Header | undefined {
  // The regular expression may take long on a long text that is no header.
  if (text.length > maximumHeaderLength) return undefined;
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
  // In Python `(3)` is a number in brackets, and `(3,)` is a tuple.
  const isNumber = tuple[1] === "" && tuple[2] !== undefined;
  const shape = (tuple[0].match(/\d+/g) ?? []).map(Number);
  return isNumber || !shape.every(Number.isSafeInteger) ? undefined : { descr, fortranOrder: order === "True", shape };
}

/**
 * Reads a .npy file of version 1.0, 2.0 or 3.0. Numbers of f2 and f4 become float32; b1, i1, i2, i4, u1 and u2 become int32; u4, i8, u8 and
 * f8 become float64. The format has no checksum, so damage to the numbers is not detected.
 * @param source The file's name in errors.
 * @throws DataError for a file of another format, another dtype, a number of bytes that does not fit the shape, or an integer that a
 * float64 cannot hold.
 */
export function decodeNpy(bytes: Uint8Array, source: string): NamedArray {
  const fail = (what: string, remedy = "the file is truncated or corrupted, restore it from a copy"): never => {
    throw new DataError(`npy: ${source} ${what}; ${remedy}`);
  };
  if (!magic.every((byte, i) => bytes[i] === byte)) return fail("must begin with \\x93NUMPY", "the file is no .npy file, or is corrupted");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < headerStart("3.0")) return fail(`must hold its header, got ${bytes.length} bytes in all`);
  const version = `${bytes[majorVersionAt]}.${bytes[minorVersionAt]}`;
  if (!["1.0", "2.0", "3.0"].includes(version)) return fail(`must be of version 1.0, 2.0 or 3.0, got ${version}`);
  const headerAt = headerStart(version);
  const start = headerAt + (version === "1.0" ? view.getUint16(headerLengthAt, true) : view.getUint32(headerLengthAt, true));
  if (start > bytes.length) return fail(`must hold its ${start - headerAt}-byte header, got ${bytes.length} bytes in all`);
  // Version 3.0 is UTF-8, and the versions before are Latin-1. The difference does not matter: only dtypes that are refused hold other
  // characters than ASCII.
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
  const position = fortranOrder ? rowMajorPosition(shape) : (index: number) => index;
  for (let index = 0; index < data.length; index++) {
    const value = reader.read(view, start + index * reader.bytes, order !== ">");
    if (reader.rule && !reader.rule.holds(value))
      return fail(`must hold ${reader.rule.says}, got ${value} at ${index} of ${code}`, "save it with .astype('<f8')");
    data[position(index)] = value;
  }
  return { shape, data };
}

/** The row-major position of the index-th number of a file in Fortran order, in which the first axis varies fastest. */
function rowMajorPosition(shape: Shape): (index: number) => number {
  const strides = stridesOf(shape);
  return (index) => {
    let rest = index;
    let position = 0;
    for (const [axis, size] of shape.entries()) {
      position += (rest % size) * strides[axis]!;
      rest = Math.floor(rest / size);
    }
    return position;
  };
}
