/** New tensors from arrays, from a formula, or from a random stream. All of them are leaves: they have no origin. */

import { kernels } from "../backend/active.ts";
import { ShapeError } from "../core/errors.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import type { Random } from "../core/random.ts";
import { checkShape, formatShape, type Shape, sizeOf } from "../core/shape.ts";
import { type DType, typedArray } from "../tensor/storage.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { output } from "./output.ts";

/** The option of every function that makes a tensor. */
export interface CreationOptions {
  /** The element type. Default: float32. */
  readonly dtype?: DType;
}

/** The names of `CreationOptions`. */
export const creationOptions: OptionNames = optionNames<CreationOptions>({ dtype: true });

/** The options of `tensor`. */
export interface TensorOptions {
  /** The element type. Default: that of a typed array, and float32 for numbers and bytes. */
  readonly dtype?: DType;
  /** The shape. Default: the shape of the nesting, or one axis for a typed array. */
  readonly shape?: Shape;
}

/** The names of `TensorOptions`. */
export const tensorOptions: OptionNames = optionNames<TensorOptions>({ dtype: true, shape: true });

/** The options of `uniform`. */
export interface UniformOptions extends CreationOptions {
  /** The lower end of the interval. Default: 0. */
  readonly low?: number;
  /** The upper end of the interval, which is never drawn. Default: 1. */
  readonly high?: number;
}

/** The names of `UniformOptions`. */
export const uniformOptions: OptionNames = optionNames<UniformOptions>({ dtype: true, low: true, high: true });

/** The options of `normal`. */
export interface NormalOptions extends CreationOptions {
  /** The mean of the distribution. Default: 0. */
  readonly mean?: number;
  /** The standard deviation of the distribution. Default: 1. */
  readonly std?: number;
}

/** The names of `NormalOptions`. */
export const normalOptions: OptionNames = optionNames<NormalOptions>({ dtype: true, mean: true, std: true });

/** A number, or arrays of numbers nested to any depth. */
export type NestedArray = number | readonly NestedArray[];

const isTyped = (values: unknown): values is Float32Array | Float64Array | Int32Array | Uint8Array => ArrayBuffer.isView(values);

/** The shape of nested arrays, read from the first element of each level. */
function shapeOfNested(values: NestedArray): number[] {
  const shape: number[] = [];
  for (let level: NestedArray | undefined = values; typeof level === "object"; level = level[0]) shape.push(level.length);
  return shape;
}

/** Appends the numbers of nested arrays to `into`. @throws ShapeError when a part does not have the size that `shape` says. */
function flatten(values: NestedArray, shape: Shape, depth: number, into: number[]): void {
  if (typeof values === "number" ? depth !== shape.length : values.length !== shape[depth])
    throw new ShapeError(`tensor: nested arrays must be rectangular, got a part that doesn't fit ${formatShape(shape)} at depth ${depth}`);
  if (typeof values === "number") into.push(values);
  else for (const part of values) flatten(part, shape, depth + 1, into);
}

/**
 * A tensor of the given numbers: `tensor([[1, 2], [3, 4]])` has the shape [2,2]. The numbers are copied.
 * @throws ShapeError for nested arrays that are not rectangular, or a shape with another number of elements.
 */
export function tensor(values: NestedArray | Float32Array | Float64Array | Int32Array | Uint8Array, options: TensorOptions = {}): Tensor {
  checkOptions("tensor", options, tensorOptions);
  const natural = isTyped(values) ? [values.length] : shapeOfNested(values);
  const flat: number[] = [];
  if (!isTyped(values)) flatten(values, natural, 0, flat);
  const shape = options.shape ?? natural;
  checkShape("tensor", shape);
  if (sizeOf(shape) !== sizeOf(natural))
    throw new ShapeError(
      `tensor: the shape must have as many elements as there are values, got ${formatShape(shape)} for ${sizeOf(natural)} values`,
    );
  const own = values instanceof Float64Array ? "float64" : values instanceof Int32Array ? "int32" : "float32";
  return output(shape, kernels().upload(options.dtype ?? own, isTyped(values) ? values : flat));
}

/** A tensor of `shape` whose elements are all `value`. @throws ShapeError unless the sizes are integers ≥ 0. */
export function full(shape: Shape, value: number, options: CreationOptions = {}): Tensor {
  checkOptions("full", options, creationOptions);
  const { dtype = "float32" } = options;
  checkShape("full", shape);
  return output(shape, kernels().full(dtype, sizeOf(shape), value));
}

/** A tensor of zeros. @throws ShapeError unless the sizes are integers ≥ 0. */
export const zeros = (shape: Shape, options?: CreationOptions): Tensor => full(shape, 0, options);
/** A tensor of ones. @throws ShapeError unless the sizes are integers ≥ 0. */
export const ones = (shape: Shape, options?: CreationOptions): Tensor => full(shape, 1, options);

/**
 * The vector start, start + step, start + 2·step, …, as long as the numbers are below `stop`, or above it for a negative step. The default
 * step is 1.
 * @throws ShapeError for a step of 0, or numbers that are not finite.
 */
export function arange(start: number, stop: number, step = 1, options: CreationOptions = {}): Tensor {
  checkOptions("arange", options, creationOptions);
  const { dtype = "float32" } = options;
  if (step === 0 || ![start, stop, step].every(Number.isFinite))
    throw new ShapeError(`arange: start, stop and step must be finite and step not 0, got ${start}, ${stop}, ${step}`);
  const values = Array.from({ length: Math.max(0, Math.ceil((stop - start) / step)) }, (_, i) => start + i * step);
  return tensor(typedArray(dtype, values));
}

/**
 * The matrix [rows, columns] with ones on the diagonal and zeros elsewhere, by default square.
 * @throws ShapeError unless the sizes are integers ≥ 0.
 */
export function eye(rows: number, columns: number = rows, options: CreationOptions = {}): Tensor {
  checkOptions("eye", options, creationOptions);
  const { dtype = "float32" } = options;
  checkShape("eye", [rows, columns]);
  const values = typedArray(dtype, rows * columns);
  for (let i = 0; i < Math.min(rows, columns); i++) values[i * columns + i] = 1;
  return tensor(values, { shape: [rows, columns] });
}

/** Independent draws from the uniform distribution on [low, high). @throws ShapeError unless the sizes are integers ≥ 0. */
export function uniform(shape: Shape, random: Random, options: UniformOptions = {}): Tensor {
  checkOptions("uniform", options, uniformOptions);
  const { low = 0, high = 1, dtype = "float32" } = options;
  checkShape("uniform", shape);
  const values = typedArray(dtype, sizeOf(shape)).map(() => low + (high - low) * random.uniform());
  return tensor(values, { shape });
}

/** Independent draws from the normal distribution N(mean, std²). @throws ShapeError unless the sizes are integers ≥ 0. */
export function normal(shape: Shape, random: Random, options: NormalOptions = {}): Tensor {
  checkOptions("normal", options, normalOptions);
  const { mean = 0, std = 1, dtype = "float32" } = options;
  checkShape("normal", shape);
  const values = typedArray(dtype, sizeOf(shape)).map(() => mean + std * random.normal());
  return tensor(values, { shape });
}
