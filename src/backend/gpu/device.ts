/**
 * The device as the kernels use it: `run` a program on storages and get a storage. It checks storages and sizes at once and hands the work
 * to the device's stream. Nothing waits for the device and nothing is read back on the way.
 */

import { BackendError } from "../../core/errors.ts";
import { bytesPerElement, type DType, type Storage } from "../../tensor/storage.ts";
import { checkAlive } from "../counted-storage.ts";
import { StorageWatch } from "../storage-watch.ts";
import {
  type BufferOwner,
  type DeviceBuffer,
  type DeviceLease,
  DeviceMemory,
  DeviceStorage,
  emptyBuffer,
  type IndexSource,
} from "./device-storage.ts";
import { type DeviceCounters, DeviceStream, type StreamOptions } from "./device-stream.ts";
import type { OpenedGpu } from "./gpu-js.ts";
import type { GpuMode } from "./gpu-mode.ts";
import type { ProgramTime } from "./launch-profile.ts";
import type { Inputs, Program } from "./program.ts";

export interface DeviceOptions extends StreamOptions {
  /** The largest number of elements of a storage. */
  readonly maximumElements: number;
}

/** The largest number of tables that `Device.table` keeps. */
const maximumTables = 64;

export class Device implements BufferOwner {
  readonly mode: GpuMode;
  readonly memory = new DeviceMemory();
  readonly watch = new StorageWatch<DeviceLease>(
    () => this.memory.used,
    (lease) => lease.free(),
  );
  readonly #stream: DeviceStream;
  readonly #maximumElements: number;
  /** From the oldest to the newest. */
  readonly #tables = new Map<string, DeviceStorage>();
  /** The buffer that a program gets in place of a tensor without elements. gpu.js needs at least one. */
  readonly #placeholder = emptyBuffer();

  constructor(opened: OpenedGpu, mode: GpuMode, { maximumElements, ...options }: DeviceOptions) {
    this.mode = mode;
    this.#maximumElements = maximumElements;
    this.#stream = new DeviceStream(opened, mode, options);
    this.#stream.upload(this.#placeholder, new Float32Array(1));
  }

  get counters(): DeviceCounters {
    return this.#stream.counters;
  }

  /** Resolves when everything that was asked for so far has been submitted to the device. */
  fence(): Promise<void> {
    return this.#stream.fence();
  }

  /** Starts to time every launch. While a profile runs, launches do not overlap. */
  startProfile(): void {
    this.#stream.startProfile();
  }

  /** The programs launched since `startProfile`, the slowest first. */
  endProfile(): Promise<ProgramTime[]> {
    return this.#stream.endProfile();
  }

  /** Copies numbers of the host at once and uploads the copy when its turn comes. @throws BackendError as `run` does. */
  upload(dtype: DType, data: ArrayLike<number>): DeviceStorage {
    this.#collectIfDue(data.length);
    const storage = this.#allocate(dtype, data.length);
    this.#fill(storage, data);
    return storage;
  }

  /** Overwrites all elements of `target`. */
  write(target: Storage, data: ArrayLike<number>): void {
    this.#fill(this.own(target), data);
  }

  /**
   * Computes `length` elements by a program. The error of a program that fails on the device is thrown by the read of its result.
   * @throws BackendError for storages that are freed or of another backend, for float64, and for more elements than the adapter allows.
   */
  run<T extends string, I extends string, F extends string>(
    what: Program<T, I, F>,
    length: number,
    inputs: Inputs<T, I | F>,
    dtype: DType = "float32",
    indexSource?: IndexSource,
  ): DeviceStorage {
    this.#collectIfDue(length);
    const tensors = this.#buffersOf(what, inputs);
    const storage = this.#allocate(dtype, length, indexSource);
    this.#stream.launch(what, storage.buffer, length, tensors, numbersOf(what, inputs));
    return storage;
  }

  /** Runs a program and replaces the elements of `target` by its result. The program may read the old elements. */
  update<T extends string, I extends string, F extends string>(target: Storage, what: Program<T, I, F>, inputs: Inputs<T, I | F>): void {
    const { buffer, length } = this.own(target);
    this.#stream.launch(what, buffer, length, this.#buffersOf(what, inputs), numbersOf(what, inputs));
  }

  /** A constant table, uploaded at its first use and kept. When there are too many tables, the oldest is freed. */
  table(key: string, make: () => ArrayLike<number>): DeviceStorage {
    const found = this.#tables.get(key);
    if (found !== undefined) return found;
    const storage = this.upload("float32", make()).asTable();
    this.#tables.set(key, storage);
    if (this.#tables.size > maximumTables) {
      const [oldest, dropped] = this.#tables.entries().next().value!;
      this.#tables.delete(oldest);
      dropped.release();
    }
    return storage;
  }

  /** Tables computed from the elements of `source`, uploaded at their first use and kept until those elements change or are freed. */
  tablesOf<Name extends string>(
    source: Storage,
    key: string,
    make: () => Readonly<Record<Name, Int32Array>>,
  ): Readonly<Record<Name, DeviceStorage>> {
    const { tables } = this.own(source);
    const found =
      tables.get(key) ??
      Object.fromEntries(Object.entries<Int32Array>(make()).map(([name, data]) => [name, this.upload("int32", data).asTable()]));
    tables.set(key, found);
    return found as Readonly<Record<Name, DeviceStorage>>;
  }

  /** The storage as one of this device. @throws BackendError when it is freed or of another backend, or when the device is closed. */
  own(storage: Storage): DeviceStorage {
    this.#stream.checkOpen();
    checkAlive(storage);
    if (storage instanceof DeviceStorage && storage.owner === this) return storage;
    throw new BackendError("storage: belongs to another backend; tensors don't outlive initBackend()");
  }

  readBuffer(buffer: DeviceBuffer, length: number): Promise<Float32Array> {
    return length === 0 ? Promise.resolve(new Float32Array(0)) : this.#stream.read(buffer);
  }

  freeBuffer(buffer: DeviceBuffer): void {
    this.#stream.free(buffer);
  }

  /** Whether no work can succeed any more: the device is closed or lost, or has reported an error. */
  get ended(): boolean {
    return this.#stream.ended;
  }

  /** Frees every table and kernel. Storages can no longer be read. */
  close(): void {
    if (this.#stream.closed) return;
    for (const storage of this.#tables.values()) storage.release();
    this.#stream.free(this.#placeholder);
    this.#stream.close();
  }

  /** Must come before the first use of a buffer, because storages are held by the caller and buffers are not. */
  #collectIfDue(length: number): void {
    if (this.watch.isDue(length * bytesPerElement.float32) && this.watch.reachesCurrentJob) this.watch.collect();
  }

  #allocate(dtype: DType, length: number, indexSource?: IndexSource): DeviceStorage {
    this.#stream.checkOpen();
    if (dtype === "float64")
      throw new BackendError(`${this.mode.name}: devices compute in float32, got float64; use the wasm or reference backend for it`);
    if (length > this.#maximumElements)
      throw new BackendError(
        `${this.mode.name}: a tensor may have at most ${this.#maximumElements} elements on this adapter, got ${length}; ` +
          "use a smaller batch, or the wasm backend",
      );
    return new DeviceStorage(this, dtype, length, indexSource);
  }

  #fill(storage: DeviceStorage, data: ArrayLike<number>): void {
    const indices = storage.dtype === "int32" ? Int32Array.from(data) : undefined;
    storage.replaceIndices(indices && { kind: "host", values: indices });
    this.#stream.upload(storage.buffer, Float32Array.from(indices ?? data));
  }

  #buffersOf(what: Program, inputs: Readonly<Record<string, Storage | number>>): DeviceBuffer[] {
    return what.tensors.map((name) => {
      const storage = this.own(inputs[name] as Storage);
      return storage.length === 0 ? this.#placeholder : storage.buffer;
    });
  }
}

const numbersOf = ({ integers, floats }: Program, inputs: Readonly<Record<string, Storage | number>>): number[] =>
  [...integers, ...floats].map((name) => inputs[name] as number);
