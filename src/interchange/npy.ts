/**
 * NumPy's .npy format, from and to bytes (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html). A file is
 *
 *     magic (6 bytes) | version (2 bytes) | length of the header (uint16 in version 1.0, else uint32) | header | numbers
 *
 * and the header is a Python dict of dtype, order and shape, padded with spaces so that the numbers start at a multiple of 64 bytes.
 */

import { DataError } from "../core/errors.ts";
import { fileKind } from "../core/file-kind.ts";
import { quote, visible } from "../core/quote.ts";
import { formatShape, type Shape, sizeOf, stridesOf } from "../core/shape.ts";
import { bytesOf, type NumberFormat, numberFormats, readNumbers } from "../tensor/number-formats.ts";
import { type TypedArray, typedArray } from "../tensor/storage.ts";
import { dtypeOf, type EncodableArray, encodedFormat, type NamedArray } from "../train/safetensors.ts";
import { parsePythonLiteral } from "./python-literal.ts";

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
const [largestRank, largestHeader] = [64, 10_000];

/** The formats by their names in headers. */
const formats: ReadonlyMap<string, NumberFormat> = new Map(numberFormats.flatMap((format) => (format.npy ? [[format.npy, format]] : [])));

/** NumPy's other names of its dtypes: characters, C's types, and Python's types (numpy.org/doc/stable/reference/arrays.dtypes.html). */
const otherNames: Readonly<Record<string, readonly string[]>> = {
  b1: ["?", "bool", "bool_", "bool8"],
  i1: ["b", "byte", "int8"],
  i2: ["h", "short", "int16"],
  i4: ["i", "intc", "int32"],
  i8: ["l", "q", "p", "long", "longlong", "int", "int_", "intp", "int64"],
  u1: ["B", "ubyte", "uint8"],
  u2: ["H", "ushort", "uint16"],
  u4: ["I", "uintc", "uint32"],
  u8: ["L", "Q", "P", "ulong", "ulonglong", "uint", "uintp", "uint64"],
  f2: ["e", "half", "float16"],
  f4: ["f", "single", "float32"],
  f8: ["d", "double", "float", "float_", "float64"],
};

const canonicalNames = new Map(Object.entries(otherNames).flatMap(([name, others]) => others.map((other) => [other, name] as const)));

/**
 * The bytes of a .npy file of version 1.0, in C order. Every typed array keeps its format: a Float32Array is `<f4`, an Int32Array `<i4`, a
 * Uint8Array `|u1`, a Float16Array `<f2`, a BigInt64Array `<i8`.
 * @throws DataError for data that do not fill their shape, for arrays that are no typed arrays, or for more than 64 axes.
 */
export function encodeNpy(array: EncodableArray): Uint8Array {
  const { shape, data } = array;
  const format = encodedFormat("npy", "an array", array);
  if (shape.length > largestRank)
    throw new DataError(`npy: an array must have at most ${largestRank} axes, as in NumPy, got ${shape.length}; reshape it`);
  // In Python a tuple of one number ends with a comma.
  const tuple = `(${shape.join(", ")}${shape.length === 1 ? "," : ""})`;
  const descr = `${format.bytes === 1 ? "|" : "<"}${format.npy}`;
  const dict = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const headerAt = headerStart("1.0");
  const start = Math.ceil((headerAt + dict.length + 1) / alignment) * alignment;
  const header = `${dict.padEnd(start - headerAt - 1)}\n`;
  const bytes = new Uint8Array(start + data.byteLength);
  bytes.set(magic);
  bytes[majorVersionAt] = 1;
  bytes[minorVersionAt] = 0;
  new DataView(bytes.buffer).setUint16(headerLengthAt, header.length, true);
  bytes.set(new TextEncoder().encode(header), headerAt);
  bytes.set(bytesOf(data), start);
  return bytes;
}

interface Header {
  /** Python's notation of the dtype: a string such as `'<f4'`, or a list for records. */
  readonly descr: string;
  /** The dtype's name, such as `<f4`; undefined for records. */
  readonly dtype: string | undefined;
  readonly fortranOrder: boolean;
  readonly shape: readonly number[];
}

/** Reads a dict with exactly the three keys of the format, in any order. @returns undefined for any other text. */
function parseHeader(text: string): Header | undefined {
  const dict = parsePythonLiteral(text);
  if (dict?.kind !== "dict" || dict.entries.length !== 3) return undefined;
  const fields = new Map(dict.entries.flatMap(([key, value]) => (key.kind === "string" ? [[key.value, value]] : [])));
  const [descr, order, shape] = [fields.get("descr"), fields.get("fortran_order"), fields.get("shape")];
  if (descr === undefined || order?.kind !== "truth" || shape?.kind !== "tuple") return undefined;
  if (descr.kind !== "string" && descr.kind !== "list" && descr.kind !== "tuple") return undefined;
  const sizes = shape.items.flatMap((item) => (item.kind === "integer" ? [item.value] : []));
  if (sizes.length !== shape.items.length || !sizes.every((size) => Number.isSafeInteger(size) && size >= 0)) return undefined;
  return { descr: descr.text, dtype: descr.kind === "string" ? descr.value : undefined, fortranOrder: order.value, shape: sizes };
}

/** The format that a dtype such as `<f4`, `f4` or `float32` names, and its byte order; undefined for every other dtype. */
function parseDtype(dtype: string): { readonly format: NumberFormat; readonly littleEndian: boolean } | undefined {
  const marked = dtype !== "" && "<>|=".includes(dtype[0]!);
  const name = marked ? dtype.slice(1) : dtype;
  const format = formats.get(canonicalNames.get(name) ?? name);
  // Without a mark, and with `=` and `|`, NumPy takes the order of the machine. All machines that run JavaScript are little-endian.
  return format && { format, littleEndian: !dtype.startsWith(">") };
}

/**
 * Reads a .npy file of version 1.0, 2.0 or 3.0. Numbers of f2 and f4 become float32; b1, i1, i2, i4, u1 and u2 become int32; u4, i8, u8 and
 * f8 become float64. The header is checked before any number is copied. The format has no checksum, so damage to the numbers is not
 * detected.
 * @param source The file's name in errors.
 * @throws DataError for a file of another format (which the error names where it is known), another dtype, a number of bytes that does not
 * fit the shape, or an integer that a float64 cannot hold.
 */
export function decodeNpy(bytes: Uint8Array, source: string): NamedArray {
  const refuse = (what: string, remedy = "the file is truncated or corrupted, restore it from a copy"): never => {
    throw new DataError(`npy: ${source} ${what}; ${remedy}`);
  };
  if (!magic.every((byte, i) => bytes[i] === byte)) {
    const kind = fileKind(bytes);
    return kind === undefined
      ? refuse("must begin with \\x93NUMPY", "the file is no .npy file, or is corrupted")
      : refuse(`must begin with \\x93NUMPY, got ${kind.name}`, kind.remedy);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < headerStart("3.0")) return refuse(`must hold its header, got ${bytes.length} bytes in all`);
  const version = `${bytes[majorVersionAt]}.${bytes[minorVersionAt]}`;
  if (!["1.0", "2.0", "3.0"].includes(version)) return refuse(`must be of version 1.0, 2.0 or 3.0, got ${version}`);
  const headerAt = headerStart(version);
  const start = headerAt + (version === "1.0" ? view.getUint16(headerLengthAt, true) : view.getUint32(headerLengthAt, true));
  if (start > bytes.length) return refuse(`must hold its ${start - headerAt}-byte header, got ${bytes.length} bytes in all`);
  if (start - headerAt > largestHeader)
    return refuse(`must have a header of at most ${largestHeader} bytes, as in NumPy, got ${start - headerAt}`);
  // Version 3.0 is UTF-8, and the versions before are Latin-1. The difference does not matter: only dtypes that are refused hold other
  // characters than ASCII.
  const text = new TextDecoder().decode(bytes.subarray(headerAt, start)).trimEnd();
  const header = parseHeader(text);
  if (header === undefined) return refuse(`must say descr, fortran_order and shape in its header, got ${quote(text, 200)}`);
  const { descr, dtype, fortranOrder, shape } = header;
  const parsed = parseDtype(dtype ?? "");
  if (parsed === undefined)
    return refuse(
      `must hold plain numbers (${[...formats.keys()].join(", ")}), got dtype ${visible(descr, 200)}`,
      "save it with .astype('<f4')",
    );
  const { format, littleEndian } = parsed;
  if (sizeOf(shape) * format.bytes !== bytes.length - start)
    return refuse(`must hold ${sizeOf(shape) * format.bytes} bytes for ${format.npy} ${formatShape(shape)}, got ${bytes.length - start}`);
  const data = readNumbers(format, bytes.subarray(start), littleEndian, (what) =>
    refuse(`${what} of ${format.npy}`, "save it with .astype('<f8')"),
  );
  return { shape, data: fortranOrder ? rowMajor(data, shape) : data };
}

/** The numbers in row-major order. In `data` they are in Fortran order, in which the first axis varies fastest. */
function rowMajor(data: TypedArray, shape: Shape): TypedArray {
  const ordered = typedArray(dtypeOf(data), data.length);
  const strides = stridesOf(shape);
  const index = new Array<number>(shape.length).fill(0);
  let position = 0;
  for (const value of data) {
    ordered[position] = value;
    // Counts the index up, first axis first, and keeps the position in step.
    for (let axis = 0; axis < shape.length; axis++) {
      position += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      position -= shape[axis]! * strides[axis]!;
      index[axis] = 0;
    }
  }
  return ordered;
}
