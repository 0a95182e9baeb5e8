/** A tensor is a shape, a storage, and a record of how the tensor was computed. It has no arithmetic of its own: that is in `ops`. */

import { ShapeError } from "../core/errors.ts";
import { inspectKey } from "../core/inspect.ts";
import { checkShape, formatShape, type Shape, sizeOf } from "../core/shape.ts";
import { formatTensor, type NestedNumbers, nestedNumbers } from "./format-tensor.ts";
import { Scoped, track, untrack } from "./scope.ts";
import type { DType, Storage, TypedArray } from "./storage.ts";

/** The vector–Jacobian product of one input: a function from the output's cotangent to the input's cotangent. */
export type Vjp = (cotangent: Tensor) => Tensor;

/** How a tensor was computed. The origins of all tensors make up the graph that `gradients` walks backwards. */
export interface Origin {
  /** The name of the op. */
  readonly op: string;
  /** The tensors that the op computed with. */
  readonly inputs: readonly Tensor[];
  /**
   * One VJP for each input, or undefined for an input in which the op is constant. If the VJPs share work, one function may give the
   * cotangents of all inputs at once. `needed` says for each input whether anyone asks for it.
   */
  readonly vjp: readonly (Vjp | undefined)[] | ((cotangent: Tensor, needed: readonly boolean[]) => readonly (Tensor | undefined)[]);
}

/** A shape on a storage, with the origin that differentiation needs. */
export class Tensor extends Scoped {
  readonly shape: Shape;
  readonly storage: Storage;
  /** How the tensor was computed. It is undefined for a leaf: data, parameters, and everything made under `noGrad`. */
  readonly origin: Origin | undefined;
  #held = true;

  /**
   * The tensor becomes one holder of `storage`, in place of the caller.
   * @throws ShapeError for a shape whose sizes are not integers ≥ 0, or whose size is not that of the storage; the storage is released.
   */
  constructor(shape: Shape, storage: Storage, origin?: Origin) {
    super();
    try {
      checkShape("Tensor", shape);
      if (sizeOf(shape) !== storage.length)
        throw new ShapeError(`Tensor: the shape must have as many elements as the storage, got ${formatShape(shape)} on ${storage.length}`);
    } catch (error) {
      storage.release();
      throw error;
    }
    this.shape = shape;
    this.storage = storage;
    this.origin = origin;
    track(this);
  }

  get dtype(): DType {
    return this.storage.dtype;
  }

  get rank(): number {
    return this.shape.length;
  }

  get size(): number {
    return this.storage.length;
  }

  /** A copy of the elements in row-major order. The promise resolves when the backend has computed them. */
  data(): Promise<TypedArray> {
    return this.storage.read();
  }

  /** The one element of a tensor of size 1. @throws ShapeError for any other size. */
  async item(): Promise<number> {
    if (this.size !== 1) throw new ShapeError(`item: needs exactly one element, got shape ${formatShape(this.shape)}; use data()`);
    return (await this.data())[0]!;
  }

  /** The elements as nested arrays, one level for each axis; a number for a scalar. */
  async toArray(): Promise<NestedNumbers> {
    return nestedNumbers(this.shape, await this.data());
  }

  /**
   * The dtype, the shape and the values, as NumPy prints them. `console.log` and template strings show this text too. It says how to read
   * the values where they are on a device.
   */
  override toString(): string {
    const unread = "on a device; read it with await tensor.data() or await tensor.toArray()";
    const values = this.#held && this.storage.alive ? (this.storage.view ?? unread) : "disposed";
    return formatTensor(this.shape, this.dtype, values);
  }

  /** What Node's `console.log` shows. */
  [inspectKey](): string {
    return this.toString();
  }

  /** Releases the storage now instead of at the end of the scope. Using the tensor afterwards is an error. */
  dispose(): void {
    if (!this.#held) return;
    this.#held = false;
    untrack(this);
    this.storage.release();
  }
}

/**
 * A tensor that shares the storage of x. By default it has the same shape and no origin.
 * @throws ShapeError when `shape` has another size.
 */
export function share(x: Tensor, shape: Shape = x.shape, origin?: Origin): Tensor {
  x.storage.retain();
  return new Tensor(shape, x.storage, origin);
}
