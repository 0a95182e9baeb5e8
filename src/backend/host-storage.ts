/** Storage that JavaScript can read directly: what the reference kernels, and the WASM arena through its views, compute on. */

import { BackendError } from "../core/errors.ts";
import type { DType, Storage, TypedArray } from "../tensor/storage.ts";
import { CountedStorage, checkAlive } from "./counted-storage.ts";

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
  checkAlive(storage);
  if (!("view" in storage)) throw new BackendError("storage: belongs to another backend; tensors don't outlive initBackend()");
  return (storage as HostStorage).view;
}

/** Counted storage whose elements JavaScript can read at once. */
export abstract class CountedHostStorage extends CountedStorage implements HostStorage {
  abstract get view(): TypedArray;

  async read(): Promise<TypedArray> {
    return viewOf(this).slice();
  }
}
