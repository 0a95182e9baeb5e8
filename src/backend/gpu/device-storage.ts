/** Storage on the device. An op gets it at once; its buffer is filled when the queue reaches the launch. */

import type { ConvolutionGeometry } from "../../core/convolution-geometry.ts";
import type { BackendError } from "../../core/errors.ts";
import { bytesPerElement, type DType, type TypedArray } from "../../tensor/storage.ts";
import { CountedStorage, checkAlive } from "../counted-storage.ts";
import type { MemoryReport } from "../kernels.ts";
import type { KernelResult } from "./gpu-js.ts";
import type { CountedKernel } from "./kernel-cache.ts";

/** Where a storage of indices comes from, which decides how `scatterAdd` finds the elements that add up. */
export type IndexSource =
  /** The host uploaded the indices, so it can check their bounds and list the positions of each index. */
  | { readonly kind: "host"; readonly values: Int32Array }
  /** A max pooling computed them, so the positions of an index are among the windows over that element. */
  | { readonly kind: "max-pool"; readonly geometry: ConvolutionGeometry };

/** The elements of a storage on the device. Only commands of the queue read or write it. */
export interface DeviceBuffer {
  /** Undefined until the launch has run, and after the buffer was freed. */
  handle: KernelResult | undefined;
  /** The kernel that computed it. */
  kernel: CountedKernel | undefined;
  /** Why there are no elements: the error of the first op that failed among those the buffer depends on. */
  failure: BackendError | undefined;
}

export const emptyBuffer = (): DeviceBuffer => ({ handle: undefined, kernel: undefined, failure: undefined });

/** The part of a device that its storages use. */
export interface BufferOwner {
  readonly memory: DeviceMemory;
  readBuffer(buffer: DeviceBuffer, length: number): Promise<Float32Array>;
  freeBuffer(buffer: DeviceBuffer): void;
}

/** Counts the storages of a device and their bytes. */
export class DeviceMemory {
  storages = 0;
  /** Bytes of the storages that are alive, without the backend's own tables. */
  used = 0;
  /** The largest value of `used` since `resetPeak`. */
  peak = 0;
  /** Bytes of the tables that the backend keeps for itself. */
  tables = 0;

  add(bytes: number): void {
    this.storages++;
    this.used += bytes;
    this.peak = Math.max(this.peak, this.used);
  }

  remove(bytes: number): void {
    this.storages--;
    this.used -= bytes;
  }

  resetPeak(): void {
    this.peak = this.used;
  }

  report(backend: string): MemoryReport {
    const { storages, used, peak, tables } = this;
    return { backend, storages, used, peak, reserved: used + tables };
  }
}

export class DeviceStorage extends CountedStorage {
  readonly owner: BufferOwner;
  readonly buffer: DeviceBuffer = emptyBuffer();
  /** Tables that were computed from the elements of this storage, by their purpose. They are freed with it. */
  readonly tables = new Map<string, Readonly<Record<string, DeviceStorage>>>();
  #indexSource: IndexSource | undefined;
  #isTable = false;

  constructor(owner: BufferOwner, dtype: DType, length: number, indexSource?: IndexSource) {
    super(dtype, length);
    this.owner = owner;
    this.#indexSource = indexSource;
    owner.memory.add(this.#bytes);
  }

  /** Undefined for storages that do not hold indices, and for indices that an op computed. */
  get indexSource(): IndexSource | undefined {
    return this.#indexSource;
  }

  /** On the device every element, of either dtype, is a float32. */
  get #bytes(): number {
    return this.length * bytesPerElement[this.dtype];
  }

  /** Records that the elements are overwritten: the tables computed from the old ones are freed. */
  replaceIndices(indexSource: IndexSource | undefined): void {
    this.#indexSource = indexSource;
    for (const tables of this.tables.values()) for (const table of Object.values(tables)) table.release();
    this.tables.clear();
  }

  /** Counts the storage as one of the backend's own tables from now on. */
  asTable(): this {
    this.#isTable = true;
    this.owner.memory.remove(this.#bytes);
    this.owner.memory.tables += this.#bytes;
    return this;
  }

  async read(): Promise<TypedArray> {
    checkAlive(this);
    const values = await this.owner.readBuffer(this.buffer, this.length);
    return this.dtype === "int32" ? Int32Array.from(values) : values;
  }

  protected free(): void {
    if (this.#isTable) this.owner.memory.tables -= this.#bytes;
    else this.owner.memory.remove(this.#bytes);
    this.replaceIndices(undefined);
    this.owner.freeBuffer(this.buffer);
  }
}
