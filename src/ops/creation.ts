/** Making tensors: from arrays, from a rule, from a seeded random stream. All are leaves. */

import { kernels } from "../backend/active.ts";
import { ShapeError } from "../core/errors.ts";
import type { Random } from "../core/random.ts";
import { checkShape, formatShape, type Shape, sizeOf } from "../core/shape.ts";
import { type DType, typedArray } from "../tensor/storage.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { output } from "./output.ts";

export interface CreationOptions {
  readonly dtype?: DType;
}

export type NestedArray = number | readonly NestedArray[];

const isTyped = (values: unknown): values is Float32Array | Float64Array | Int32Array | Uint8Array => ArrayBuffer.isView(values);

function shapeOfNested(values: NestedArray): number[] {
  const shape: number[] = [];
  for (let level: NestedArray | undefined = values; typeof level === "object"; level = level[0]) shape.push(level.length);
  return shape;
}

function flatten(values: NestedArray, shape: Shape, depth: number, into: number[]): void {
  if (typeof values === "number" ? depth !== shape.length : values.length !== shape[depth])
    throw new ShapeError(`tensor: nested arrays must be rectangular, got a part that doesn't fit ${formatShape(shape)} at depth ${depth}`);
  if (typeof values === "number") into.push(values);
  else for (const part of values) flatten(part, shape, depth + 1, into);
}

/**
 * A tensor of the given numbers: nested arrays carry their shape; a typed array is a vector, or takes the `shape` given.
 * The dtype is the typed array's own (float32 otherwise), unless told. @throws ShapeError for ragged nesting or a shape of another size.
 */
export function tensor(
  values: NestedArray | Float32Array | Float64Array | Int32Array | Uint8Array,
  options: CreationOptions & { readonly shape?: Shape } = {},
): Tensor {
  const natural = isTyped(values) ? [values.length] : shapeOfNested(values);
  const flat: number[] = [];
  if (!isTyped(values)) flatten(values, natural, 0, flat);
  const shape = options.shape ?? natural;
  checkShape("tensor", shape);
  if (sizeOf(shape) !== sizeOf(natural))
    throw new ShapeError(`tensor: shape must hold exactly the values, got ${formatShape(shape)} for ${sizeOf(natural)} values`);
  const own = values instanceof Float64Array ? "float64" : values instanceof Int32Array ? "int32" : "float32";
  return output(shape, kernels().upload(options.dtype ?? own, isTyped(values) ? values : flat));
}

export function full(shape: Shape, value: number, { dtype = "float32" }: CreationOptions = {}): Tensor {
  checkShape("full", shape);
  return output(shape, kernels().full(dtype, sizeOf(shape), value));
}

export const zeros = (shape: Shape, options?: CreationOptions): Tensor => full(shape, 0, options);
export const ones = (shape: Shape, options?: CreationOptions): Tensor => full(shape, 1, options);

/** start, start + step, … below stop (above it, for a negative step). @throws ShapeError for step 0 or bounds that are not finite. */
export function arange(start: number, stop: number, step = 1, { dtype = "float32" }: CreationOptions = {}): Tensor {
  if (step === 0 || ![start, stop, step].every(Number.isFinite))
    throw new ShapeError(`arange: bounds must be finite and the step not 0, got ${start}, ${stop}, ${step}`);
  const values = Array.from({ length: Math.max(0, Math.ceil((stop - start) / step)) }, (_, i) => start + i * step);
  return tensor(typedArray(dtype, values));
}

/** The identity: ones on the diagonal of [rows, columns]. */
export function eye(rows: number, columns: number = rows, { dtype = "float32" }: CreationOptions = {}): Tensor {
  checkShape("eye", [rows, columns]);
  const values = typedArray(dtype, rows * columns);
  for (let i = 0; i < Math.min(rows, columns); i++) values[i * columns + i] = 1;
  return tensor(values, { shape: [rows, columns] });
}

/** Independent draws from [low, high). */
export function uniform(
  shape: Shape,
  random: Random,
  { low = 0, high = 1, dtype = "float32" }: CreationOptions & { low?: number; high?: number } = {},
): Tensor {
  checkShape("uniform", shape);
  const values = typedArray(dtype, sizeOf(shape)).map(() => low + (high - low) * random.uniform());
  return tensor(values, { shape });
}

/** Independent draws from N(mean, deviation²). */
export function normal(
  shape: Shape,
  random: Random,
  { mean = 0, deviation = 1, dtype = "float32" }: CreationOptions & { mean?: number; deviation?: number } = {},
): Tensor {
  checkShape("normal", shape);
  const values = typedArray(dtype, sizeOf(shape)).map(() => mean + deviation * random.normal());
  return tensor(values, { shape });
}
