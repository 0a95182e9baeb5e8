/**
 * The safetensors format, from and to bytes (https://github.com/huggingface/safetensors#format). A file is
 *
 *     length of the header (uint64) | header: JSON of names, dtypes, shapes and offsets | data
 *
 * and all numbers are little-endian.
 */

import { DataError } from "../core/errors.ts";
import { formatShape, type Shape, sizeOf } from "../core/shape.ts";
import type { DType, TypedArray } from "../tensor/storage.ts";

/** Numbers in row-major order, with their shape. */
export interface NamedArray {
  readonly shape: Shape;
  readonly data: TypedArray;
}

/** The dtype whose array type `data` is. */
export const dtypeOf = (data: TypedArray): DType =>
  data instanceof Int32Array ? "int32" : data instanceof Float64Array ? "float64" : "float32";

/** The content of a file. */
export interface Safetensors {
  readonly tensors: ReadonlyMap<string, NamedArray>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** The format's names of the dtypes of this library. */
const dtypeNames: Readonly<Record<DType, string>> = { float32: "F32", float64: "F64", int32: "I32" };

/** Readers of the format's dtypes. PyTorch's counters are I64, and a float64 holds them exactly below 2⁵³. */
const readers: Record<string, { bytes: number; read: (buffer: ArrayBuffer) => TypedArray }> = {
  F32: { bytes: 4, read: (buffer) => new Float32Array(buffer) },
  F64: { bytes: 8, read: (buffer) => new Float64Array(buffer) },
  I32: { bytes: 4, read: (buffer) => new Int32Array(buffer) },
  I64: { bytes: 8, read: (buffer) => Float64Array.from(new BigInt64Array(buffer), Number) },
};

/** The name under which the header holds the metadata. */
const metadataKey = "__metadata__";

/** The header starts after its length, a uint64. */
const headerStart = 8;
/** The data start at a multiple of this. */
const alignment = 8;
/** The header is padded with spaces. */
const padding = 0x20;

/**
 * The bytes of a file.
 * @throws DataError for data that do not fill their shape, or for a tensor that is named `__metadata__`.
 */
export function encodeSafetensors(tensors: ReadonlyMap<string, NamedArray>, metadata: Readonly<Record<string, string>> = {}): Uint8Array {
  const header: [string, unknown][] = Object.keys(metadata).length > 0 ? [[metadataKey, metadata]] : [];
  let offset = 0;
  for (const [name, { shape, data }] of tensors) {
    if (name === metadataKey)
      throw new DataError(`safetensors: a tensor must not be named ${metadataKey}, which the format reserves, got one; rename it`);
    if (data.length !== sizeOf(shape))
      throw new DataError(`safetensors: data must fill its shape, got ${data.length} values for "${name}" ${formatShape(shape)}`);
    header.push([name, { dtype: dtypeNames[dtypeOf(data)], shape, data_offsets: [offset, offset + data.byteLength] }]);
    offset += data.byteLength;
  }
  // Object.fromEntries defines properties. An assignment would lose a tensor that is named __proto__.
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const headerLength = Math.ceil(json.length / alignment) * alignment;
  const dataStart = headerStart + headerLength;
  const bytes = new Uint8Array(dataStart + offset).fill(padding, headerStart + json.length, dataStart);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerLength), true);
  bytes.set(json, headerStart);
  let at = dataStart;
  for (const { data } of tensors.values()) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
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

const isStringRecord = (value: unknown): value is Record<string, string> =>
  typeof value === "object" && value !== null && !Array.isArray(value) && Object.values(value).every((text) => typeof text === "string");

/**
 * Reads a file. The format has no checksum, so damage to a name, to the metadata or to the data is not detected.
 * @param source The file's name in errors.
 * @throws DataError for a file that is too short, has no valid header, has an unknown dtype, or is not filled by its tensors end to end.
 */
export function decodeSafetensors(bytes: Uint8Array, source: string): Safetensors {
  const fail = (what: string): never => {
    throw new DataError(`safetensors: ${source} ${what}; the file is truncated or corrupted, restore it from a copy`);
  };
  if (bytes.length < headerStart) return fail(`must hold at least ${headerStart} bytes, got ${bytes.length}`);
  const headerLength = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const start = headerStart + headerLength;
  if (start > bytes.length) return fail(`must hold its ${headerLength}-byte header, got ${bytes.length} bytes in all`);
  let header: Record<string, unknown> = {};
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(headerStart, start)));
  } catch {
    return fail("must have a JSON header, got something else");
  }
  if (typeof header !== "object" || header === null || Array.isArray(header))
    return fail("must have a JSON object as header, got another value");
  const { [metadataKey]: metadata = {}, ...entries } = header;
  if (!isStringRecord(metadata)) return fail(`must have strings as metadata, got ${JSON.stringify(metadata)}`);
  const tensors = new Map<string, NamedArray>();
  const spans: (readonly [number, number])[] = [];
  for (const [name, entry] of Object.entries(entries)) {
    if (!isEntry(entry)) return fail(`must give "${name}" a dtype, a shape and offsets, got ${JSON.stringify(entry)}`);
    const [from, to] = entry.data_offsets;
    const reader = readers[entry.dtype];
    if (reader === undefined) return fail(`must use one of ${Object.keys(readers).join(", ")}, got ${entry.dtype} for "${name}"`);
    if (to - from !== sizeOf(entry.shape) * reader.bytes || start + to > bytes.length)
      return fail(
        `must hold ${entry.dtype} ${formatShape(entry.shape)} for "${name}", got bytes ${from} to ${to} of ${bytes.length - start}`,
      );
    // The bytes are copied, because a typed array cannot be a view at an unaligned position of the file.
    tensors.set(name, { shape: entry.shape, data: reader.read(new Uint8Array(bytes.subarray(start + from, start + to)).buffer) });
    spans.push([from, to]);
  }
  let end = 0;
  for (const [from, to] of spans.sort((a, b) => a[0] - b[0] || a[1] - b[1])) {
    if (from !== end) return fail(`must hold its tensors end to end, got one at byte ${from} after byte ${end}`);
    end = to;
  }
  if (start + end !== bytes.length) return fail(`must end with its last tensor, got ${bytes.length - start - end} bytes more`);
  return { tensors, metadata };
}
