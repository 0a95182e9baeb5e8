/** Storage that JavaScript can read directly: what the reference kernels, and the WASM arena through its views, compute on. */

import { BackendError } from "../core/errors.ts";
import type { DType, Storage, TypedArray } from "../tensor/storage.ts";

/** A storage with a typed-array window on its elements. `view` is fetched anew at each use: growing an arena may replace its buffer. */
export interface HostStorage extends Storage {
  readonly view: TypedArray;
}

/** Makes host storage: where the reference kernels put their results. */
export interface HostMemory {
  /** Contents undefined. */
  allocate(dtype: DType, length: number): HostStorage;
}

/** The typed arrays behind a kernel's operands. @throws BackendError for storage of another backend, or freed already. */
export function viewOf(storage: Storage): TypedArray {
  if (!storage.alive) throw new BackendError("storage: used after it was freed; return it from scope() or keep() it to use it outside");
  if (!("view" in storage)) throw new BackendError("storage: belongs to another backend; tensors don't outlive initBackend()");
  return (storage as HostStorage).view;
}

/** Host storage that counts its holders; where the elements are, and what freeing them means, is the subclass's business. */
export abstract class CountedStorage implements HostStorage {
  readonly dtype: DType;
  readonly length: number;
  #holders = 1;

  constructor(dtype: DType, length: number) {
    this.dtype = dtype;
    this.length = length;
  }

  abstract get view(): TypedArray;
  /** Called once, when the last holder has released. */
  protected abstract free(): void;

  get alive(): boolean {
    return this.#holders > 0;
  }

  async read(): Promise<TypedArray> {
    return viewOf(this).slice();
  }

  retain(): void {
    if (!this.alive) throw new BackendError("storage.retain: it was freed already; its last holder released it");
    this.#holders++;
  }

  release(): void {
    if (!this.alive) throw new BackendError("storage.release: it was freed already; each holder releases once");
    if (--this.#holders === 0) this.free();
  }
}
