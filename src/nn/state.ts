/** What a module holds: the entries of its state dict. */

import { kernels } from "../backend/active.ts";
import { ShapeError } from "../core/errors.ts";
import { formatShape, type Shape, sameShape } from "../core/shape.ts";
import { keep } from "../tensor/scope.ts";
import { type DType, type TypedArray, typedArray } from "../tensor/storage.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { MatrixView } from "./matrix-view.ts";

/** One named entry of a state dict. */
export interface State {
  readonly shape: Shape;
  readonly dtype: DType;
  /** What every element becomes where a state dict lacks the entry. Default: none, the entry must be there. */
  readonly missingValue?: number;
  read(): Promise<TypedArray>;
  /** Overwrites the values. @throws ShapeError unless `values` has one value for each element. */
  write(values: ArrayLike<number>): void;
}

/** An entry whose values are those of a tensor. */
abstract class TensorState implements State {
  abstract readonly value: Tensor;

  get shape(): Shape {
    return this.value.shape;
  }

  get dtype(): DType {
    return this.value.dtype;
  }

  read(): Promise<TypedArray> {
    return this.value.data();
  }

  write(values: ArrayLike<number>): void {
    const { shape, size, storage } = this.value;
    if (values.length !== size) throw new ShapeError(`write: needs one value per element of ${formatShape(shape)}, got ${values.length}`);
    kernels().write(storage, values);
  }
}

/**
 * The weight-decay group of a parameter. `full` is the group of ordinary weights. `compressed` is the group of the weights of structured
 * maps: their decay is multiplied by the compression ratio.
 */
export type Decay = "full" | "compressed";

/**
 * What a parameter is for, where recipes train it in a way of its own. `norm`: the scale or the shift of a norm. `classifier`: the weight or
 * the bias of the last map, which gives the logits. `weight`: any other parameter.
 */
export type Role = "weight" | "norm" | "classifier";

/** The parameter that each value belongs to. */
const owners = new WeakMap<Tensor, Parameter>();

/** The parameter whose value is `tensor`; undefined for any other tensor. */
export const parameterOf = (tensor: Tensor): Parameter | undefined => owners.get(tensor);

/** A tensor that training changes. Its storage never changes, because optimisers update it in place. */
export class Parameter extends TensorState {
  readonly value: Tensor;
  readonly decay: Decay;
  /** Whether optimisers change the parameter. A frozen parameter gets no gradient and no weight decay (see `freeze`). Default: true. */
  trainable = true;
  /** Default: `weight`. */
  role: Role;
  /** The matrices of the weight, for optimisers that treat it as a map. Default: one matrix, whose rows are the first axis. */
  matrices: MatrixView | undefined;

  /** @param decay Default: `full`. @param role Default: `weight`. */
  constructor(value: Tensor, decay: Decay = "full", role: Role = "weight") {
    super();
    this.value = keep(value);
    this.decay = decay;
    this.role = role;
    owners.set(value, this);
  }
}

/** A tensor that belongs to the state but has no gradient, such as running statistics. */
export class Buffer extends TensorState {
  #value: Tensor;

  constructor(value: Tensor) {
    super();
    this.#value = keep(value);
  }

  get value(): Tensor {
    return this.#value;
  }

  /** The buffer takes over `next` and frees the tensor that it held. @throws ShapeError when the shape or the dtype would change. */
  set value(next: Tensor) {
    if (next === this.#value) return;
    if (!sameShape(next.shape, this.shape) || next.dtype !== this.dtype)
      throw new ShapeError(
        `Buffer: shape and dtype must stay ${this.dtype} ${formatShape(this.shape)}, got ${next.dtype} ${formatShape(next.shape)}`,
      );
    this.#value.dispose();
    this.#value = keep(next);
  }
}

/** A whole number, such as the number of batches that a norm has seen. The number is counted on the host, so no tensor holds it. */
export class Counter implements State {
  readonly shape: Shape = [];
  readonly dtype = "int32" satisfies DType;
  readonly missingValue = 0;
  count = 0;

  read(): Promise<TypedArray> {
    return Promise.resolve(typedArray("int32", [this.count]));
  }

  write(values: ArrayLike<number>): void {
    if (values.length !== 1) throw new ShapeError(`write: a counter is one number, got ${values.length}`);
    this.count = values[0]!;
  }
}

/** A list of whole numbers that starts at zeros and lives on the host, such as one counter for each parameter. */
export class Counters implements State {
  readonly shape: Shape;
  readonly dtype = "int32" satisfies DType;
  readonly missingValue = 0;
  readonly counts: number[];

  constructor(length: number) {
    this.shape = [length];
    this.counts = new Array<number>(length).fill(0);
  }

  read(): Promise<TypedArray> {
    return Promise.resolve(typedArray("int32", this.counts));
  }

  write(values: ArrayLike<number>): void {
    if (values.length !== this.counts.length)
      throw new ShapeError(`write: needs one value per element of ${formatShape(this.shape)}, got ${values.length}`);
    for (const i of this.counts.keys()) this.counts[i] = values[i]!;
  }
}

/** Every kind of entry that a module may declare as a field. */
export type ModuleState = Parameter | Buffer | Counter;

export const isState = (value: unknown): value is ModuleState =>
  value instanceof Parameter || value instanceof Buffer || value instanceof Counter;
