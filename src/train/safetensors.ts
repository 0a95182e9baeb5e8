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

/** The file's bytes. Data begins 8-byte aligned, as the format asks. */
export function encodeSafetensors(tensors: ReadonlyMap<string, NamedArray>, metadata: Readonly<Record<string, string>> = {}): Uint8Array {
  const header: Record<string, unknown> = Object.keys(metadata).length > 0 ? { __metadata__: metadata } : {};
  let offset = 0;
  for (const [name, { shape, data }] of tensors) {
    header[name] = {
      dtype: writers[data.constructor.name as keyof typeof writers],
      shape,
      data_offsets: [offset, offset + data.byteLength],
    };
    offset += data.byteLength;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
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

/** @throws DataError naming `source` and the first thing wrong: too short, not JSON, an unknown dtype, offsets that don't fit shape or file. */
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
  if (typeof header !== "object" || header === null) return fail("must have a JSON object as header");
  const { __metadata__: metadata = {}, ...entries } = header;
  const tensors = new Map<string, NamedArray>();
  let end = 0;
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
    end = Math.max(end, to);
  }
  if (start + end !== bytes.length) return fail(`must end with its last tensor, got ${bytes.length - start - end} bytes more`);
  return { tensors, metadata: metadata as Record<string, string> };
}
