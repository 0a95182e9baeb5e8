/**
 * Storage on the device. An op gets it at once; its buffer is filled when the queue reaches the launch.
 *
 * A buffer is written by one command and never changes. A storage is a window on a buffer, so one launch can compute several storages: they
 * are windows on its result. A storage whose elements are overwritten moves to another buffer. Where all elements are one known number, a
 * storage has no buffer until a program needs one.
 */

import type { ConvolutionGeometry } from "../../core/convolution-geometry.ts";
import type { BackendError } from "../../core/errors.ts";
import { bytesPerElement, type DType, type TypedArray } from "../../tensor/storage.ts";
import { CountedStorage, checkAlive } from "../counted-storage.ts";
import type { MemoryReport } from "../kernels.ts";
import type { StorageWatch } from "../storage-watch.ts";
import type { KernelResult } from "./gpu-js.ts";
import type { CountedKernel } from "./kernel-cache.ts";

/** Where a storage of indices comes from, which decides how `scatterAdd` finds the elements that add up. */
export type IndexSource =
  /** The host uploaded the indices, so it can check their bounds and list the positions of each index. */
  | { readonly kind: "host"; readonly values: Int32Array }
  /** A max pooling computed them, so the positions of an index are among the windows over that element. */
  | { readonly kind: "max-pool"; readonly geometry: ConvolutionGeometry };

/** Elements on the device. Only commands of the queue read or write `handle`, `kernel` and `failure`. */
export interface DeviceBuffer {
  readonly length: number;
  /** The number of storages with elements in the buffer. The last one frees it. */
  holders: number;
  /** Undefined until the launch has run, and after the buffer was freed. */
  handle: KernelResult | undefined;
  /** The kernel that computed it. */
  kernel: CountedKernel | undefined;
  /** Why there are no elements: the error of the first op that failed among those the buffer depends on. */
  failure: BackendError | undefined;
}

export const emptyBuffer = (length: number): DeviceBuffer => ({
  length,
  holders: 0,
  handle: undefined,
  kernel: undefined,
  failure: undefined,
});

/** Where the elements of a storage begin. */
export interface Window {
  readonly buffer: DeviceBuffer;
  readonly offset: number;
}

/** The part of a device that its storages use. */
export interface BufferOwner {
  readonly memory: DeviceMemory;
  readonly watch: StorageWatch<DeviceLease>;
  readElements(storage: DeviceStorage): Promise<Float32Array>;
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
  /** The number of these tables. */
  tableStorages = 0;

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

/** What a storage has on the device, and what must be freed with it. It does not refer to the storage, which may be collected before. */
export class DeviceLease {
  readonly owner: BufferOwner;
  /** Undefined before the first launch or upload. */
  window: Window | undefined;
  /** Tables that were computed from the elements, by their purpose. */
  readonly tables = new Map<string, Readonly<Record<string, DeviceStorage>>>();
  readonly #bytes: number;
  #isTable = false;

  constructor(owner: BufferOwner, bytes: number) {
    this.owner = owner;
    this.#bytes = bytes;
    owner.memory.add(bytes);
  }

  /** Counts the buffer as one of the backend's own tables from now on. */
  becomeTable(): void {
    this.#isTable = true;
    this.owner.memory.remove(this.#bytes);
    this.owner.memory.tables += this.#bytes;
    this.owner.memory.tableStorages++;
  }

  /** Leaves the window, whose buffer is freed if no other storage has elements in it, for another one. */
  moveTo(window: Window | undefined): void {
    const before = this.window?.buffer;
    if (window !== undefined) window.buffer.holders++;
    this.window = window;
    if (before !== undefined && --before.holders === 0) this.owner.freeBuffer(before);
  }

  releaseTables(): void {
    for (const tables of this.tables.values()) for (const table of Object.values(tables)) table.release();
    this.tables.clear();
  }

  free(): void {
    if (this.#isTable) {
      this.owner.memory.tables -= this.#bytes;
      this.owner.memory.tableStorages--;
    } else this.owner.memory.remove(this.#bytes);
    this.releaseTables();
    this.moveTo(undefined);
  }
}

export class DeviceStorage extends CountedStorage {
  readonly owner: BufferOwner;
  readonly #lease: DeviceLease;
  #indexSource: IndexSource | undefined;
  #constant: number | undefined;

  constructor(owner: BufferOwner, dtype: DType, length: number, indexSource?: IndexSource) {
    super(dtype, length);
    this.owner = owner;
    // On the device every element, of either dtype, is a float32.
    this.#lease = new DeviceLease(owner, length * bytesPerElement[dtype]);
    this.#indexSource = indexSource;
    owner.watch.add(this, this.#lease);
  }

  /** Undefined before the first launch or upload, and where the elements are a constant that no program has read. */
  get window(): Window | undefined {
    return this.#lease.window;
  }

  /** The value of all elements, where it is known to the host. */
  get constant(): number | undefined {
    return this.#constant;
  }

  /** The elements are those of this window from now on. */
  moveTo(window: Window): void {
    this.#constant = undefined;
    this.#lease.moveTo(window);
  }

  /** All elements are this value, which is also what the window holds, if one is given. */
  becomeConstant(value: number, window?: Window): void {
    this.#lease.moveTo(window);
    this.#constant = value;
  }

  /** Tables that were computed from the elements of this storage, by their purpose. They are freed with it. */
  get tables(): DeviceLease["tables"] {
    return this.#lease.tables;
  }

  /** Undefined for storages that do not hold indices, and for indices that an op computed. */
  get indexSource(): IndexSource | undefined {
    return this.#indexSource;
  }

  /** Records that the elements are overwritten: the tables computed from the old ones are freed. */
  replaceIndices(indexSource: IndexSource | undefined): void {
    this.#indexSource = indexSource;
    this.#lease.releaseTables();
  }

  /** Counts the storage as one of the backend's own tables from now on. */
  asTable(): this {
    this.#lease.becomeTable();
    return this;
  }

  async read(): Promise<TypedArray> {
    checkAlive(this);
    const values = await this.owner.readElements(this);
    if (!this.owner.watch.reachesCurrentJob) await this.owner.watch.collectIfDue();
    return this.dtype === "int32" ? Int32Array.from(values) : values;
  }

  protected free(): void {
    this.owner.watch.remove(this);
    this.#lease.free();
  }
}
