/**
 * Reference-counted storage. A subclass decides where the elements are, how they are read, and how they are freed.
 */

import { BackendError } from "../core/errors.ts";
import type { DType, Storage, TypedArray } from "../tensor/storage.ts";
import { Watchable } from "./storage-watch.ts";

export abstract class CountedStorage extends Watchable implements Storage {
  readonly dtype: DType;
  readonly length: number;
  #holders = 1;

  constructor(dtype: DType, length: number) {
    super();
    this.dtype = dtype;
    this.length = length;
  }

  abstract read(): Promise<TypedArray>;
  /** Frees the elements. `release` calls this method once, when the last holder has released the storage. */
  protected abstract free(): void;

  get alive(): boolean {
    return this.#holders > 0;
  }

  get exclusive(): boolean {
    return this.#holders === 1;
  }

  retain(): void {
    if (!this.alive) throw new BackendError("storage.retain: the storage was freed already, by the release of its last holder");
    this.#holders++;
  }

  release(): void {
    if (!this.alive) throw new BackendError("storage.release: the storage was freed already; each holder may release it once");
    if (--this.#holders === 0) this.free();
  }
}

/** @throws BackendError for storage that was freed. */
export function checkAlive({ alive }: Storage): void {
  if (!alive) throw new BackendError("storage: used after it was freed; return it from scope() or keep() it to use it outside");
}
