/** Storages that a device uploads once and keeps: tables by their key, and arrays that never change by their identity. */

import type { DType, TypedArray } from "../../tensor/storage.ts";
import type { DeviceStorage } from "./device-storage.ts";

/** The largest number of tables. */
const maximumTables = 64;

/** The largest number of elements of an array that is kept, and of all of them together. */
const longestConstant = 2 ** 16;
const longestConstants = 2 ** 22;

export class KeptStorages {
  readonly #upload: (dtype: DType, data: ArrayLike<number>) => DeviceStorage;
  /** From the oldest to the newest. */
  readonly #tables = new Map<string, DeviceStorage>();
  /** From the least to the most recently used. */
  readonly #constants = new Map<TypedArray, DeviceStorage>();

  constructor(upload: (dtype: DType, data: ArrayLike<number>) => DeviceStorage) {
    this.#upload = upload;
  }

  /** The table of this key. `make` computes it at its first use. When there are too many tables, the oldest is freed. */
  table(key: string, make: () => ArrayLike<number>): DeviceStorage {
    const found = this.#tables.get(key);
    if (found !== undefined) return found;
    const storage = this.#upload("float32", make()).asTable();
    this.#tables.set(key, storage);
    if (this.#tables.size > maximumTables) {
      const [oldest, dropped] = this.#tables.entries().next().value!;
      this.#tables.delete(oldest);
      dropped.release();
    }
    return storage;
  }

  /**
   * The storage of an array that never changes, which the caller releases. A long array is not kept. When all arrays together are too long,
   * those that were not used for the longest time are freed.
   */
  constant(dtype: DType, data: TypedArray): DeviceStorage {
    if (data.length > longestConstant) return this.#upload(dtype, data);
    const storage = this.#constants.get(data) ?? this.#upload(dtype, data).asTable();
    this.#constants.delete(data);
    this.#constants.set(data, storage);
    let elements = [...this.#constants.keys()].reduce((sum, { length }) => sum + length, 0);
    for (const [oldest, dropped] of this.#constants) {
      if (elements <= longestConstants) break;
      elements -= oldest.length;
      this.#constants.delete(oldest);
      dropped.release();
    }
    storage.retain();
    return storage;
  }

  release(): void {
    for (const storage of [...this.#tables.values(), ...this.#constants.values()]) storage.release();
  }
}
