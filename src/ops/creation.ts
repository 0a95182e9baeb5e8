/** New tensors from arrays, from a formula, or from a random stream. All of them are leaves: they have no origin. */

import { kernels } from "../backend/active.ts";
import { BackendError, ConfigError, ShapeError } from "../core/errors.ts";
import { checkNumbers } from "../core/numbers.ts";
import { checkOptions, kindOf, type OptionNames, optionNames } from "../core/options.ts";
import type { Random } from "../core/random.ts";
import { checkShape, formatShape, type Shape, sizeOf } from "../core/shape.ts";
import { typedArrayName } from "../core/typed-arrays.ts";
import { type DType, dtypeOf, type TypedArray, typedArray } from "../tensor/storage.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkDType, output } from "./output.ts";

/** The option of every function that makes a tensor. */
export interface CreationOptions {
  /** The element type. Default: float32. */
  readonly dtype?: DType;
}

/** The names of `CreationOptions`. */
export const creationOptions: OptionNames = optionNames<CreationOptions>({ dtype: true });

/** The options of `tensor`. */
export interface TensorOptions {
  /** The element type. Default: that of a typed array, and float32 for numbers, for integers of 8 or 16 bits, and for Float16Array. */
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

/**
 * The typed arrays whose numbers float32 or a dtype of their own holds exactly. The canvas of a browser gives Uint8ClampedArray, and a
 * Float16Array belongs to this list too, where the engine has it.
 */
export type NumberArray = TypedArray | Int8Array | Uint8Array | Uint8ClampedArray | Int16Array | Uint16Array;

/** The names of the types whose numbers float32 holds exactly. */
const exactInFloat32 = new Set(["Int8Array", "Uint8Array", "Uint8ClampedArray", "Int16Array", "Uint16Array", "Float16Array"]);

/**
 * The dtype of a tensor of a typed array of type `name`, unless the options name one.
 * @throws ShapeError for a type whose numbers fit no dtype.
 */
function ownDType(values: unknown, name: string, chosen: DType | undefined): DType {
  const own = dtypeOf(values) ?? (exactInFloat32.has(name) ? "float32" : undefined);
  if (own === undefined && (name !== "Uint32Array" || chosen === undefined))
    throw new ShapeError(
      name === "Uint32Array"
        ? "tensor: neither float32 nor int32 holds every number of a Uint32Array; choose with { dtype }"
        : `tensor: no dtype holds the numbers of a ${name}; convert it first: Float64Array.from(values, Number)`,
    );
  return chosen ?? own ?? "float64";
}

/** The numbers of nested arrays in one list, and the shape of the nesting, read from the first element of each level. */
function flatten(values: NestedArray): { shape: number[]; flat: number[] } {
  const shape: number[] = [];
  for (let level: unknown = values; Array.isArray(level); level = level[0]) {
    if (shape.length > maximumDepth)
      throw new ShapeError(`tensor: arrays may be nested ${maximumDepth} deep; does an array contain itself?`);
    shape.push(level.length);
  }
  const flat: number[] = [];
  const place: number[] = [];
  const visit = (part: unknown, depth: number): void => {
    const isArray = Array.isArray(part);
    if (!isArray && typeof part !== "number")
      throw new ShapeError(
        `tensor: needs numbers or arrays of numbers, got ${typedArrayName(part) ?? String(part)}` +
          `${depth === 0 ? "" : ` at index [${place.slice(0, depth)}]`}`,
      );
    if (isArray ? part.length !== shape[depth] : depth !== shape.length)
      throw new ShapeError(
        `tensor: nested arrays must be rectangular, got a part that doesn't fit ${formatShape(shape)} at depth ${depth}`,
      );
    if (!isArray) flat.push(part as number);
    else
      for (let i = 0; i < part.length; i++) {
        place[depth] = i;
        visit(part[i], depth + 1);
      }
  };
  visit(values, 0);
  return { shape, flat };
}

/** No tensor has more axes. The limit ends the search in an array that contains itself. */
const maximumDepth = 64;

/**
 * A tensor of the given numbers: `tensor([[1, 2], [3, 4]])` has the shape [2,2]. The numbers are copied. Typed arrays may come from another
 * realm, such as an iframe, and may be of a subclass.
 * @throws ShapeError for nested arrays that are not rectangular or hold anything but numbers, for a typed array whose numbers fit no dtype,
 * or for a shape with another number of elements.
 */
export function tensor(values: NestedArray | NumberArray, options: TensorOptions = {}): Tensor {
  checkOptions("tensor", options, tensorOptions);
  const name = typedArrayName(values);
  const { shape: natural, flat } =
    name === undefined ? flatten(values as NestedArray) : { shape: [(values as NumberArray).length], flat: values as NumberArray };
  const dtype = name === undefined ? (options.dtype ?? "float32") : ownDType(values, name, options.dtype);
  checkDType("tensor", dtype);
  const shape = options.shape ?? natural;
  checkShape("tensor", shape);
  if (sizeOf(shape) !== flat.length)
    throw new ShapeError(
      `tensor: the shape must have as many elements as there are values, got ${formatShape(shape)} for ${flat.length} values`,
    );
  return output(shape, kernels().upload(dtype, flat));
}

/**
 * A tensor of numbers that nobody ever changes. A device uploads them once and keeps them for later calls with the same array.
 * @throws ShapeError for a shape with another number of elements.
 */
export function constantTensor(values: TypedArray, shape: Shape): Tensor {
  const dtype = dtypeOf(values)!;
  if (sizeOf(shape) !== values.length)
    throw new ShapeError(`constantTensor: ${formatShape(shape)} must have as many elements as there are values, got ${values.length}`);
  const backend = kernels();
  return output(shape, backend.constant === undefined ? backend.upload(dtype, values) : backend.constant(dtype, values));
}

/** A tensor of `shape` whose elements are all `value`. @throws ShapeError unless the sizes are integers ≥ 0. */
export function full(shape: Shape, value: number, options: CreationOptions = {}): Tensor {
  checkOptions("full", options, creationOptions);
  const { dtype = "float32" } = options;
  checkShape("full", shape);
  checkDType("full", dtype);
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
  checkDType("arange", dtype);
  const values = hostArray("arange", dtype, [Math.max(0, Math.ceil((stop - start) / step))]);
  for (let i = 0; i < values.length; i++) values[i] = start + i * step;
  return tensor(values);
}

/**
 * The matrix [rows, columns] with ones on the diagonal and zeros elsewhere, by default square.
 * @throws ShapeError unless the sizes are integers ≥ 0.
 */
export function eye(rows: number, columns: number = rows, options: CreationOptions = {}): Tensor {
  checkOptions("eye", options, creationOptions);
  const { dtype = "float32" } = options;
  checkShape("eye", [rows, columns]);
  checkDType("eye", dtype);
  const values = hostArray("eye", dtype, [rows, columns]);
  for (let i = 0; i < Math.min(rows, columns); i++) values[i * columns + i] = 1;
  return tensor(values, { shape: [rows, columns] });
}

/**
 * The array of a new tensor's elements, all 0.
 * @throws BackendError for more elements than JavaScript can allocate.
 */
function hostArray(op: string, dtype: DType, shape: Shape): TypedArray {
  try {
    return typedArray(dtype, sizeOf(shape));
  } catch (cause) {
    throw new BackendError(
      `${op}: the host has no memory for ${sizeOf(shape)} elements of ${dtype}, got ${formatShape(shape)}; use smaller sizes`,
      {
        cause,
      },
    );
  }
}

/**
 * A tensor whose elements are drawn one after the other. A stream that draws nothing gives `usual`, for which the host needs no memory.
 * @throws BackendError for more elements than JavaScript can allocate.
 */
export const drawn = (op: string, shape: Shape, dtype: DType, random: Random, draw: () => number, usual = 0): Tensor =>
  random.isRandom === false ? full(shape, usual, { dtype }) : tensor(hostArray(op, dtype, shape).map(draw), { shape });

/** @throws ConfigError unless `random` is a stream, for programs in plain JavaScript. */
function checkRandom(op: "uniform" | "normal", random: Random): void {
  if (typeof random?.[op] !== "function")
    throw new ConfigError(`${op}: random must be a stream, got ${kindOf(random)}; pass new Random(0)`);
}

/**
 * Independent draws from the uniform distribution on [low, high).
 * @throws ShapeError unless the sizes are integers ≥ 0, ConfigError unless the bounds are finite.
 */
export function uniform(shape: Shape, random: Random, options: UniformOptions = {}): Tensor {
  checkOptions("uniform", options, uniformOptions);
  checkRandom("uniform", random);
  const { low = 0, high = 1, dtype = "float32" } = options;
  checkNumbers("uniform", { low, high }, {});
  checkShape("uniform", shape);
  checkDType("uniform", dtype);
  return drawn("uniform", shape, dtype, random, () => low + (high - low) * random.uniform(), low);
}

/**
 * Independent draws from the normal distribution N(mean, std²).
 * @throws ShapeError unless the sizes are integers ≥ 0, ConfigError unless std ≥ 0.
 */
export function normal(shape: Shape, random: Random, options: NormalOptions = {}): Tensor {
  checkOptions("normal", options, normalOptions);
  checkRandom("normal", random);
  const { mean = 0, std = 1, dtype = "float32" } = options;
  checkNumbers("normal", { mean }, {});
  checkNumbers("normal", { std }, { least: 0 });
  checkShape("normal", shape);
  checkDType("normal", dtype);
  return drawn("normal", shape, dtype, random, () => mean + std * random.normal(), mean);
}
