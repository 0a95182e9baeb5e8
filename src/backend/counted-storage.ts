/** Storage that counts its holders; where the elements are, how they are read and what freeing them means is the subclass's business. */

import { BackendError } from "../core/errors.ts";
import type { DType, Storage, TypedArray } from "../tensor/storage.ts";

export abstract class CountedStorage implements Storage {
  readonly dtype: DType;
  readonly length: number;
  #holders = 1;

  constructor(dtype: DType, length: number) {
    this.dtype = dtype;
    this.length = length;
  }

  abstract read(): Promise<TypedArray>;
  /** Called once, when the last holder has released. */
  protected abstract free(): void;

  get alive(): boolean {
    return this.#holders > 0;
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

/** @throws BackendError for storage that was freed. */
export function checkAlive({ alive }: Storage): void {
  if (!alive) throw new BackendError("storage: used after it was freed; return it from scope() or keep() it to use it outside");
}
