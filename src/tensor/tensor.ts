/** A tensor is a shape on a storage, and the memory of how it came to be. It has no arithmetic: that is in `ops`. */

import { ShapeError } from "../core/errors.ts";
import { formatShape, type Shape, sizeOf } from "../core/shape.ts";
import { track, untrack } from "./scope.ts";
import type { DType, Storage, TypedArray } from "./storage.ts";

/** The vector–Jacobian product of one input: the output's cotangent → the input's. */
export type Vjp = (g: Tensor) => Tensor;

/** How a tensor came to be: the edge of the graph that `gradients` walks backwards. */
export interface Origin {
  readonly op: string;
  readonly inputs: readonly Tensor[];
  /** One VJP per input, undefined where the op is constant in it; or one function for all of them, where they share work. */
  readonly vjp: readonly (Vjp | undefined)[] | ((g: Tensor) => readonly (Tensor | undefined)[]);
}

/** The net under `scope` and `dispose`: storage whose tensor was collected unfreed is released then, at the collector's leisure. */
const forgotten = new FinalizationRegistry<Storage>((storage) => storage.release());

export class Tensor {
  readonly shape: Shape;
  readonly storage: Storage;
  /** Undefined for a leaf: data, parameters, and everything made under `noGrad`. */
  readonly origin: Origin | undefined;
  #held = true;

  /** Takes over one hold on `storage`, and lets go of it when it throws. @throws ShapeError when shape and storage differ in size. */
  constructor(shape: Shape, storage: Storage, origin?: Origin) {
    if (sizeOf(shape) !== storage.length) {
      storage.release();
      throw new ShapeError(`Tensor: the shape must have as many elements as the storage, got ${formatShape(shape)} on ${storage.length}`);
    }
    this.shape = shape;
    this.storage = storage;
    this.origin = origin;
    forgotten.register(this, storage, this);
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

  /** The elements in row-major order, copied out once they are computed. */
  data(): Promise<TypedArray> {
    return this.storage.read();
  }

  /** The one element of a tensor of size 1. @throws ShapeError for any other size. */
  async item(): Promise<number> {
    if (this.size !== 1) throw new ShapeError(`item: needs exactly one element, got ${formatShape(this.shape)}; use data()`);
    return (await this.data())[0]!;
  }

  /** Gives up the storage now instead of at the end of its scope. Using the tensor afterwards is an error. */
  dispose(): void {
    if (!this.#held) return;
    this.#held = false;
    forgotten.unregister(this);
    untrack(this);
    this.storage.release();
  }
}

/** The same elements under another shape of the same size, or the same shape without its origin: storage is shared, not copied. */
export function share(x: Tensor, shape: Shape = x.shape, origin?: Origin): Tensor {
  x.storage.retain();
  return new Tensor(shape, x.storage, origin);
}
