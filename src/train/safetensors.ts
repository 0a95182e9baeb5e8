/**
 * The safetensors format, from and to bytes (https://github.com/huggingface/safetensors#format). A file is
 *
 *     length of the header (uint64) | header: JSON of names, dtypes, shapes and offsets | data
 *
 * and all numbers are little-endian.
 */

import { DataError } from "../core/errors.ts";
import { fileKind } from "../core/file-kind.ts";
import { repeatedKey } from "../core/json.ts";
import { quote } from "../core/quote.ts";
import { formatShape, type Shape, sizeOf } from "../core/shape.ts";
import { bytesOf, formatOf, type NumberFormat, type NumericArray, numberFormats, readNumbers } from "../tensor/number-formats.ts";
import type { DType, TypedArray } from "../tensor/storage.ts";

/** Numbers in row-major order, with their shape. */
export interface NamedArray {
  readonly shape: Shape;
  readonly data: TypedArray;
}

/** Numbers in row-major order, with their shape, in any class of typed array that a file has a format for. */
export interface EncodableArray {
  readonly shape: Shape;
  readonly data: NumericArray;
}

/** The dtype whose array type `data` is, for arrays of any realm and for subclasses. @throws DataError for other arrays. */
export function dtypeOf(data: TypedArray): DType {
  const format = formatOf(data);
  if (format !== undefined && ["F32", "F64", "I32"].includes(format.safetensors)) return format.dtype;
  throw new DataError(
    `dtypeOf: numbers must be in a Float32Array, a Float64Array or an Int32Array, got ${describeArray(data)}; convert them first`,
  );
}

/** What a value is, for errors about arrays. */
const describeArray = (data: unknown): string => Object.prototype.toString.call(data).slice("[object ".length, -1);

/**
 * The format in which a file stores the array's numbers.
 * @param op The operation that an error names. @param name The array's name in errors.
 * @throws DataError for data that do not fill their shape, and for arrays without a format.
 */
export function encodedFormat(op: string, name: string, { shape, data }: EncodableArray): NumberFormat {
  const format = formatOf(data);
  if (format === undefined)
    throw new DataError(`${op}: numbers must be in a typed array, got ${describeArray(data)} for ${name}; write Float32Array.from(values)`);
  if (data.length !== sizeOf(shape))
    throw new DataError(`${op}: data must fill its shape, got ${data.length} values for ${name} ${formatShape(shape)}`);
  return format;
}

/** The content of a file. */
export interface Safetensors {
  readonly tensors: ReadonlyMap<string, NamedArray>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** The formats by their names in files. */
const formats: ReadonlyMap<string, NumberFormat> = new Map(numberFormats.map((format) => [format.safetensors, format]));

/** The name under which the header holds the metadata. */
const metadataKey = "__metadata__";

/** The header starts after its length, a uint64. */
const headerStart = 8;
/** The data start at a multiple of this. */
const alignment = 8;
/** The header is padded with spaces. */
const padding = 0x20;

/** The format's own limit on the length of a header, in bytes. */
const largestHeader = 100_000_000;

/**
 * The bytes of a file. Every typed array keeps its format: a Float32Array is F32, a Float16Array F16, a Uint8Array U8, a BigInt64Array I64.
 * @param metadata Texts by name. Default: none. Programs of the PyTorch world expect `{ format: "pt" }`.
 * @throws DataError for data that do not fill their shape, for arrays that are no typed arrays, or for a tensor that is named
 * `__metadata__`.
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, EncodableArray>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const header: [string, unknown][] = Object.keys(metadata).length > 0 ? [[metadataKey, metadata]] : [];
  let offset = 0;
  for (const [name, array] of tensors) {
    if (name === metadataKey)
      throw new DataError(`safetensors: a tensor must not be named ${metadataKey}, which the format reserves, got one; rename it`);
    const format = encodedFormat("safetensors", quote(name), array);
    const end = offset + array.data.byteLength;
    header.push([name, { dtype: format.safetensors, shape: array.shape, data_offsets: [offset, end] }]);
    offset = end;
  }
  // Object.fromEntries defines properties. An assignment would lose a tensor that is named __proto__.
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const headerLength = Math.ceil(json.length / alignment) * alignment;
  if (headerLength > largestHeader)
    throw new DataError(`safetensors: the header must have at most ${largestHeader} bytes, got ${headerLength}; write several files`);
  const dataStart = headerStart + headerLength;
  const bytes = new Uint8Array(dataStart + offset).fill(padding, headerStart + json.length, dataStart);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerLength), true);
  bytes.set(json, headerStart);
  let at = dataStart;
  for (const { data } of tensors.values()) {
    bytes.set(bytesOf(data), at);
    at += data.byteLength;
  }
  return bytes;
}

interface HeaderEntry {
  readonly dtype: string;
  readonly shape: number[];
  readonly data_offsets: [number, number];
}

const isNumbers = (value: unknown): value is number[] => Array.isArray(value) && value.every((v) => Number.isSafeInteger(v) && v >= 0);

function isEntry(value: unknown): value is HeaderEntry {
  const entry = value as Partial<HeaderEntry> | null;
  return typeof entry?.dtype === "string" && isNumbers(entry.shape) && isNumbers(entry.data_offsets) && entry.data_offsets.length === 2;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);

const isStringRecord = (value: unknown): value is Record<string, string> =>
  isObject(value) && Object.values(value).every((text) => typeof text === "string");

/** A tensor's place among the data, which has been checked. */
interface Span {
  readonly name: string;
  readonly shape: Shape;
  readonly format: NumberFormat;
  readonly from: number;
  readonly to: number;
}

/** Throws an error that names the file. The remedy is for a damaged file unless the caller has another. */
type Refuse = (what: string, remedy?: string) => never;

/**
 * Reads a file. F16 and BF16 are widened to float32. BOOL and integers of up to 32 bits become int32; U32, I64 and U64 become float64. The
 * header is checked before any number is copied, so the memory is at most a small multiple of the file's size. The format has no checksum,
 * so damage to a name, to the metadata or to the data is not detected.
 * @param source The file's name in errors.
 * @throws DataError for a file of another format (which the error names where it is known), an invalid header, two tensors of one name, an
 * unknown dtype, an integer beyond ±(2⁵³ − 1), or a file that its tensors do not fill end to end.
 */
export function decodeSafetensors(bytes: Uint8Array, source: string): Safetensors {
  const refuse: Refuse = (what, remedy = "the file is truncated or corrupted, restore it from a copy") => {
    throw new DataError(`safetensors: ${source} ${what}; ${remedy}`);
  };
  const { header, dataStart } = readHeader(bytes, refuse);
  const { [metadataKey]: metadata = {}, ...entries } = header;
  if (!isStringRecord(metadata)) return refuse("must have strings as metadata, got other values");
  const data = bytes.subarray(dataStart);
  const spans = Object.entries(entries).map(([name, entry]) => readSpan(name, entry, data.length, refuse));
  checkSpans(spans, data.length, refuse);
  const tensors = new Map<string, NamedArray>();
  for (const { name, shape, format, from, to } of spans) {
    const refuseNumber = (what: string): never => refuse(`${what} of ${format.safetensors} in ${quote(name)}`, "save it as F64");
    tensors.set(name, { shape, data: readNumbers(format, data.subarray(from, to), true, refuseNumber) });
  }
  return { tensors, metadata };
}

/** The header's JSON, and the position where the data start. */
function readHeader(bytes: Uint8Array, refuse: Refuse): { header: Record<string, unknown>; dataStart: number } {
  /** Refuses bytes that have no header: by the name of their format where it is known, otherwise because they break a rule. */
  const refuseFile = (rule: string): never => {
    const kind = fileKind(bytes);
    return kind === undefined || kind.name === "a safetensors file"
      ? refuse(rule)
      : refuse(`must be a safetensors file, got ${kind.name}`, kind.remedy);
  };
  if (bytes.length < headerStart) return refuseFile(`must hold at least ${headerStart} bytes, got ${bytes.length}`);
  const headerLength = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const dataStart = headerStart + headerLength;
  if (dataStart > bytes.length) return refuseFile(`must hold its ${headerLength}-byte header, got ${bytes.length} bytes in all`);
  if (headerLength > largestHeader)
    return refuse(`must have a header of at most ${largestHeader} bytes, got ${headerLength}`, "save it as several files");
  let json = "";
  let header: unknown;
  try {
    json = new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(headerStart, dataStart));
    header = JSON.parse(json);
  } catch {
    return refuseFile("must have a JSON header, got something else");
  }
  if (!isObject(header)) return refuse("must have a JSON object as header, got another value");
  const repeated = repeatedKey(json);
  if (repeated !== undefined) return refuse(`must have each name once in its header, got ${quote(repeated)} twice`, "write the file again");
  return { header, dataStart };
}

function readSpan(name: string, entry: unknown, length: number, refuse: Refuse): Span {
  const quoted = quote(name);
  if (!isEntry(entry)) return refuse(`must give ${quoted} a dtype, a shape and two offsets, got something else`);
  const { dtype, shape } = entry;
  const [from, to] = entry.data_offsets;
  const format = formats.get(dtype);
  if (format === undefined)
    return refuse(`must use one of ${[...formats.keys()].join(", ")}, got ${quote(dtype)} for ${quoted}`, "save it as F32");
  if (to - from !== sizeOf(shape) * format.bytes || to > length)
    return refuse(`must hold ${dtype} ${formatShape(shape)} for ${quoted}, got bytes ${from} to ${to} of ${length}`);
  return { name, shape, format, from, to };
}

/** Checks that the spans fill the data end to end, so that no byte belongs to two tensors or to none. */
function checkSpans(spans: readonly Span[], length: number, refuse: Refuse): void {
  let end = 0;
  for (const { name, from, to } of spans.toSorted((a, b) => a.from - b.from || a.to - b.to)) {
    if (from !== end) refuse(`must hold its tensors end to end, got ${quote(name)} at byte ${from} after byte ${end}`);
    end = to;
  }
  if (end !== length) refuse(`must end with its last tensor, got ${length - end} bytes more`);
}
