/** Where the numbers of a tensor live: a flat, contiguous, reference-counted buffer that one backend owns. */

/** Element types. `int32` holds indices (argmax, gather); arithmetic is in float32 or float64. */
export type DType = "float32" | "float64" | "int32";

export type TypedArray = Float32Array | Float64Array | Int32Array;

export const bytesPerElement = { float32: 4, float64: 8, int32: 4 } as const satisfies Record<DType, number>;

/** A typed array of `length` zeros, or a copy of `values`, in the array type of `dtype`. */
export function typedArray(dtype: DType, source: number | ArrayLike<number>): TypedArray {
  const values = typeof source === "number" ? { length: source } : source;
  const make = { float32: Float32Array, float64: Float64Array, int32: Int32Array }[dtype];
  return typeof source === "number" ? new make(source) : make.from(values);
}

/**
 * A buffer of `length` elements. Tensors of different shapes may share one (reshape is free), so it counts its holders: the
 * last `release` frees it. Kernels return a storage with one holder, the caller.
 */
export interface Storage {
  readonly dtype: DType;
  readonly length: number;
  readonly alive: boolean;
  retain(): void;
  release(): void;
  /** A copy of the elements, once everything queued before has run. */
  read(): Promise<TypedArray>;
}
