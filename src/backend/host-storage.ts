/** Storage that JavaScript can read directly. The reference kernels compute on it, and the storage of the WASM arena is of this kind. */

import { BackendError } from "../core/errors.ts";
import type { DType, Storage, TypedArray } from "../tensor/storage.ts";
import { CountedStorage, checkAlive } from "./counted-storage.ts";

/** A storage with a typed-array window on its elements. Take `view` anew at each use: an arena that grows may replace its buffer. */
export interface HostStorage extends Storage {
  readonly view: TypedArray;
}

/** Makes the host storage in which the reference kernels put their results. */
export interface HostMemory {
  /** A storage whose contents are undefined. */
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
