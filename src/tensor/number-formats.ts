/** The formats of numbers in other programs' files: which of them this library reads and writes, and under which names files know them. */

import { typedArrayName } from "../core/typed-arrays.ts";
import type { DType, TypedArray } from "./storage.ts";
import { typedArray } from "./storage.ts";

/** Any array that JavaScript stores as a block of numbers. */
export type NumericArray = ArrayBufferView & { readonly length: number };

/** One format of numbers. */
export interface NumberFormat {
  /** The name in safetensors files. */
  readonly safetensors: string;
  /** The name in NumPy's files, without the byte order. Undefined for formats that NumPy lacks. */
  readonly npy?: string;
  /** The class of JavaScript's arrays with these numbers. Undefined where JavaScript has none. */
  readonly array?: string;
  /** Bytes of a number in a file. */
  readonly bytes: number;
  /** The dtype of the array that holds the numbers here. It holds every number of the format exactly, up to `rule`. */
  readonly dtype: DType;
  readonly read: (view: DataView, at: number, littleEndian: boolean) => number;
  /** The number as an integer of any size, for formats whose integers `read` may round. */
  readonly readExactly?: (view: DataView, at: number, littleEndian: boolean) => bigint;
  /** A rule that the numbers must obey, for formats of which not every bit pattern can be read. */
  readonly rule?: { readonly says: string; readonly holds: (value: number) => boolean };
}

/** A float64 holds every integer up to here. */
const safe = { says: "integers of at most 2^53 - 1", holds: Number.isSafeInteger };

/**
 * A reader of IEEE 754 numbers with few bits: a sign, `exponentBits` of exponent and `fractionBits` of fraction. The largest exponent
 * stands for infinities and NaN, as in every IEEE format.
 */
function smallFloat(exponentBits: number, fractionBits: number): (bits: number) => number {
  const [largestExponent, bias, fractions] = [2 ** exponentBits - 1, 2 ** (exponentBits - 1) - 1, 2 ** fractionBits];
  return (bits) => {
    const sign = (bits >>> (exponentBits + fractionBits)) & 1 ? -1 : 1;
    const exponent = (bits >>> fractionBits) & largestExponent;
    const fraction = bits & (fractions - 1);
    if (exponent === largestExponent) return fraction === 0 ? sign * Infinity : Number.NaN;
    // The smallest exponent marks the subnormal numbers, which lack the leading 1.
    const [significand, power] = exponent === 0 ? [fraction, 1] : [fractions + fraction, exponent];
    return sign * significand * 2 ** (power - bias - fractionBits);
  };
}

const halfPrecision = smallFloat(5, 10);
const brainFloat = smallFloat(8, 7);

/** Every format that is read. Floating-point numbers of fewer bits become float32, and integers become int32 where it holds them. */
export const numberFormats: readonly NumberFormat[] = [
  {
    safetensors: "F32",
    npy: "f4",
    array: "Float32Array",
    bytes: 4,
    dtype: "float32",
    read: (view, at, little) => view.getFloat32(at, little),
  },
  {
    safetensors: "F64",
    npy: "f8",
    array: "Float64Array",
    bytes: 8,
    dtype: "float64",
    read: (view, at, little) => view.getFloat64(at, little),
  },
  {
    safetensors: "F16",
    npy: "f2",
    array: "Float16Array",
    bytes: 2,
    dtype: "float32",
    read: (view, at, little) => halfPrecision(view.getUint16(at, little)),
  },
  { safetensors: "BF16", bytes: 2, dtype: "float32", read: (view, at, little) => brainFloat(view.getUint16(at, little)) },
  { safetensors: "I32", npy: "i4", array: "Int32Array", bytes: 4, dtype: "int32", read: (view, at, little) => view.getInt32(at, little) },
  { safetensors: "I16", npy: "i2", array: "Int16Array", bytes: 2, dtype: "int32", read: (view, at, little) => view.getInt16(at, little) },
  { safetensors: "I8", npy: "i1", array: "Int8Array", bytes: 1, dtype: "int32", read: (view, at) => view.getInt8(at) },
  { safetensors: "U16", npy: "u2", array: "Uint16Array", bytes: 2, dtype: "int32", read: (view, at, little) => view.getUint16(at, little) },
  { safetensors: "U8", npy: "u1", array: "Uint8Array", bytes: 1, dtype: "int32", read: (view, at) => view.getUint8(at) },
  {
    safetensors: "BOOL",
    npy: "b1",
    bytes: 1,
    dtype: "int32",
    read: (view, at) => view.getUint8(at),
    rule: { says: "0 or 1", holds: (value) => value <= 1 },
  },
  {
    safetensors: "U32",
    npy: "u4",
    array: "Uint32Array",
    bytes: 4,
    dtype: "float64",
    read: (view, at, little) => view.getUint32(at, little),
  },
  {
    safetensors: "I64",
    npy: "i8",
    array: "BigInt64Array",
    bytes: 8,
    dtype: "float64",
    read: (view, at, little) => Number(view.getBigInt64(at, little)),
    readExactly: (view, at, little) => view.getBigInt64(at, little),
    rule: safe,
  },
  {
    safetensors: "U64",
    npy: "u8",
    array: "BigUint64Array",
    bytes: 8,
    dtype: "float64",
    read: (view, at, little) => Number(view.getBigUint64(at, little)),
    readExactly: (view, at, little) => view.getBigUint64(at, little),
    rule: safe,
  },
];

/** The format in which an array stores its numbers; undefined for everything but the arrays that `numberFormats` names. */
export function formatOf(data: unknown): NumberFormat | undefined {
  const name = typedArrayName(data);
  // A clamped array differs from a Uint8Array in how it is written only.
  const plain = name === "Uint8ClampedArray" ? "Uint8Array" : name;
  return plain === undefined ? undefined : numberFormats.find(({ array }) => array === plain);
}

/** The bytes of an array's numbers, without a copy. */
export const bytesOf = (data: NumericArray): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

/**
 * The numbers in `bytes`, which must be whole numbers of the format, as an array of the format's dtype.
 * @param refuse Throws an error that says which rule a number breaks.
 */
export function readNumbers(format: NumberFormat, bytes: Uint8Array, littleEndian: boolean, refuse: (what: string) => never): TypedArray {
  const data = typedArray(format.dtype, bytes.length / format.bytes);
  // An array that stores its numbers as the file does is filled in one copy. Every machine that runs JavaScript is little-endian.
  if (littleEndian && formatOf(data) === format) {
    bytesOf(data).set(bytes);
    return data;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let index = 0; index < data.length; index++) {
    const at = index * format.bytes;
    const value = format.read(view, at, littleEndian);
    if (format.rule && !format.rule.holds(value)) {
      const exact = format.readExactly?.(view, at, littleEndian) ?? value;
      return refuse(`must hold ${format.rule.says}, got ${exact} at ${index}`);
    }
    data[index] = value;
  }
  return data;
}
