/**
 * The safetensors format: an 8-byte little-endian length, a JSON header of names, dtypes, shapes and offsets, then raw little-endian data.
 * Specification: https://github.com/huggingface/safetensors#format. Bytes in, arrays out; files are somebody else's business.
 */

import { DataError } from "../core/errors.ts";
import { formatShape, type Shape, sizeOf } from "../core/shape.ts";
import type { TypedArray } from "../tensor/storage.ts";

export interface NamedArray {
  readonly shape: Shape;
  readonly data: TypedArray;
}

export interface Safetensors {
  readonly tensors: ReadonlyMap<string, NamedArray>;
  readonly metadata: Readonly<Record<string, string>>;
}

const writers = { Float32Array: "F32", Float64Array: "F64", Int32Array: "I32" } as const;

/** How each dtype of the format becomes one of our arrays. PyTorch's counters are I64; they fit a float64 exactly below 2⁵³. */
const readers: Record<string, { bytes: number; read: (buffer: ArrayBuffer) => TypedArray }> = {
  F32: { bytes: 4, read: (buffer) => new Float32Array(buffer) },
  F64: { bytes: 8, read: (buffer) => new Float64Array(buffer) },
  I32: { bytes: 4, read: (buffer) => new Int32Array(buffer) },
  I64: { bytes: 8, read: (buffer) => Float64Array.from(new BigInt64Array(buffer), Number) },
};

/** The name the format keeps for its notes. */
const reserved = "__metadata__";

/** The file's bytes. Data begins 8-byte aligned, as the format asks. @throws DataError for data that does not fill its shape, or the reserved name. */
export function encodeSafetensors(tensors: ReadonlyMap<string, NamedArray>, metadata: Readonly<Record<string, string>> = {}): Uint8Array {
  const header: [string, unknown][] = Object.keys(metadata).length > 0 ? [[reserved, metadata]] : [];
  let offset = 0;
  for (const [name, { shape, data }] of tensors) {
    if (name === reserved) throw new DataError(`safetensors: "${reserved}" is no name for a tensor; the format keeps it for its notes`);
    if (data.length !== sizeOf(shape))
      throw new DataError(`safetensors: data must fill its shape, got ${data.length} values for "${name}" ${formatShape(shape)}`);
    const dtype = writers[data.constructor.name as keyof typeof writers];
    header.push([name, { dtype, shape, data_offsets: [offset, offset + data.byteLength] }]);
    offset += data.byteLength;
  }
  // fromEntries defines its properties: assigning a tensor named __proto__ would lose it.
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const padded = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(8 + padded + offset).fill(0x20, 8 + json.length, 8 + padded);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(json, 8);
  let at = 8 + padded;
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

const isNotes = (value: unknown): value is Record<string, string> =>
  typeof value === "object" && value !== null && !Array.isArray(value) && Object.values(value).every((note) => typeof note === "string");

/**
 * What the file holds. The format has no checksum: damage to a name, a note or the data itself goes unseen.
 * @throws DataError naming `source` and the first thing wrong: too short, not JSON, an unknown dtype, tensors that don't fill the file end to end.
 */
export function decodeSafetensors(bytes: Uint8Array, source: string): Safetensors {
  const fail = (what: string): never => {
    throw new DataError(`safetensors: ${source} ${what}; the file is truncated or corrupted, restore it from a copy`);
  };
  if (bytes.length < 8) return fail(`must hold at least 8 bytes, got ${bytes.length}`);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const start = 8 + length;
  if (start > bytes.length) return fail(`must hold its ${length}-byte header, got ${bytes.length} bytes in all`);
  let header: Record<string, unknown> = {};
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(8, start)));
  } catch {
    return fail("must have a JSON header");
  }
  if (typeof header !== "object" || header === null || Array.isArray(header)) return fail("must have a JSON object as header");
  const { [reserved]: metadata = {}, ...entries } = header;
  if (!isNotes(metadata)) return fail("must have strings as metadata");
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
    // Copied: a view of the file may start unaligned.
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
