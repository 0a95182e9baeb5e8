/**
 * Storage in ordinary JavaScript memory. This file teaches what the memory of a backend must do. It hands out buffers, it counts their
 * holders, and it reports how much is held, so that a leak shows as a number.
 */

import { BackendError } from "../../core/errors.ts";
import { bytesPerElement, type DType, type TypedArray, typedArray } from "../../tensor/storage.ts";
import { CountedHostStorage, type HostMemory, type HostStorage } from "../host-storage.ts";
import type { MemoryReport } from "../kernels.ts";

/** Storage as JavaScript typed arrays, with the counts that `memory()` reports. */
export class HeapMemory implements HostMemory {
  readonly #backend: string;
  /** Takes storages that nobody released out of the counts. Their elements are ordinary garbage. */
  readonly #finalizers = new FinalizationRegistry<number>((bytes) => this.#discount(bytes));
  #storages = 0;
  #used = 0;
  #peak = 0;

  constructor(backend: string) {
    this.#backend = backend;
  }

  /** A storage of zeros with one holder. @throws BackendError when JavaScript cannot allocate the buffer. */
  allocate(dtype: DType, length: number): HostStorage {
    const bytes = length * bytesPerElement[dtype];
    const storage = new HeapStorage(this.#typedArray(dtype, length), dtype, length, () => {
      this.#finalizers.unregister(storage);
      this.#discount(bytes);
    });
    this.#finalizers.register(storage, bytes, storage);
    this.#storages++;
    this.#used += bytes;
    this.#peak = Math.max(this.#peak, this.#used);
    return storage;
  }

  report(): MemoryReport {
    return { backend: this.#backend, storages: this.#storages, used: this.#used, peak: this.#peak, reserved: this.#used };
  }

  resetPeak(): void {
    this.#peak = this.#used;
  }

  #discount(bytes: number): void {
    this.#storages--;
    this.#used -= bytes;
  }

  #typedArray(dtype: DType, length: number): TypedArray {
    try {
      return typedArray(dtype, length);
    } catch (cause) {
      throw new BackendError(
        `${this.#backend}: no memory for ${length} elements of ${dtype} (${this.#used} bytes are held); free tensors with scope()`,
        { cause },
      );
    }
  }
}

class HeapStorage extends CountedHostStorage {
  readonly #onFree: () => void;
  #view: TypedArray;

  constructor(view: TypedArray, dtype: DType, length: number, onFree: () => void) {
    super(dtype, length);
    this.#view = view;
    this.#onFree = onFree;
  }

  get view(): TypedArray {
    return this.#view;
  }

  protected free(): void {
    this.#view = typedArray(this.dtype, 0); // The elements can be collected now, even if something still refers to this object.
    this.#onFree();
  }
}
