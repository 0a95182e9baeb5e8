/** Where the numbers of a tensor live: a flat, contiguous buffer that belongs to one backend and counts its holders. */

import { typedArrayName } from "../core/typed-arrays.ts";

/** The element types. Arithmetic is in float32 or float64; int32 is for indices, such as those of argmax and gather. */
export type DType = "float32" | "float64" | "int32";

/** The JavaScript arrays that hold the element types. */
export type TypedArray = Float32Array | Float64Array | Int32Array;

/** The size of one element of each dtype, in bytes. */
export const bytesPerElement = { float32: 4, float64: 8, int32: 4 } as const satisfies Record<DType, number>;

/** A typed array for `dtype`: as many zeros as the number `source` says, or a copy of the values of the array `source`. */
export function typedArray(dtype: DType, source: number | ArrayLike<number>): TypedArray {
  const arrayType = { float32: Float32Array, float64: Float64Array, int32: Int32Array }[dtype];
  return typeof source === "number" ? new arrayType(source) : arrayType.from(source);
}

const dtypesByName: Readonly<Record<string, DType>> = { Float32Array: "float32", Float64Array: "float64", Int32Array: "int32" };

/**
 * The dtype whose elements the array holds, also for a subclass and for an array of another realm (an iframe, Node's `vm`). It is undefined
 * for every other kind of array and for every other value. This is the one place that tells a dtype from an array.
 */
export function dtypeOf(array: unknown): DType | undefined {
  const name = typedArrayName(array);
  return name === undefined ? undefined : dtypesByName[name];
}

/**
 * A buffer of `length` elements. Several tensors may share one storage, because `reshape` copies nothing. So a storage counts its holders,
 * and the last `release` frees it. A kernel returns a storage with one holder: its caller.
 */
export interface Storage {
  readonly dtype: DType;
  readonly length: number;
  /** False once the last holder has released the storage. */
  readonly alive: boolean;
  /** Whether only one holder can see the elements, so that the holder may overwrite them. False where holders are not counted. */
  readonly exclusive: boolean;
  /** The elements as they are now, where JavaScript can read them at once; undefined on a device. */
  readonly view?: TypedArray;
  /** Adds a holder. */
  retain(): void;
  /** Removes a holder. The last one frees the storage. */
  release(): void;
  /** A copy of the elements. The promise resolves when the backend has finished all work that was queued before. */
  read(): Promise<TypedArray>;
}
