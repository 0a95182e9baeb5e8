/**
 * The device as the kernels use it: `run` a program on storages and get a storage. It checks storages and sizes at once and hands the work
 * to the device's stream. Nothing waits for the device and nothing is read back on the way.
 */

import { BackendError } from "../../core/errors.ts";
import { bytesPerElement, type DType, type Storage, type TypedArray } from "../../tensor/storage.ts";
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
  type Window,
} from "./device-storage.ts";
import { type DeviceCounters, DeviceStream, type StreamOptions } from "./device-stream.ts";
import type { OpenedGpu } from "./gpu-js.ts";
import type { GpuMode } from "./gpu-mode.ts";
import { KeptStorages } from "./kept-storages.ts";
import type { ProgramTime } from "./launch-profile.ts";
import { copyProgram, fillProgram, type Inputs, type Program, windowed } from "./program.ts";

export interface DeviceOptions extends StreamOptions {
  /** The largest number of elements of a storage. */
  readonly maximumElements: number;
}

/** A window may keep a buffer of so many elements alive, however short the window is. */
const smallBuffer = 2 ** 14;

/** A window may keep a buffer alive that is so many times as long as the window. */
const largestShare = 4;

export class Device implements BufferOwner {
  readonly mode: GpuMode;
  readonly memory = new DeviceMemory();
  readonly watch = new StorageWatch<DeviceLease>(
    () => this.memory.used,
    (lease) => lease.free(),
  );
  readonly #stream: DeviceStream;
  readonly #maximumElements: number;
  readonly #kept = new KeptStorages((dtype, data) => this.upload(dtype, data));
  /** The buffer that a program gets in place of a tensor without elements. gpu.js needs at least one. */
  readonly #placeholder = emptyBuffer(1);

  constructor(opened: OpenedGpu, mode: GpuMode, { maximumElements, ...options }: DeviceOptions) {
    this.mode = mode;
    this.#maximumElements = maximumElements;
    this.#stream = new DeviceStream(opened, mode, options);
    this.#stream.upload(this.#placeholder, new Float32Array(1));
  }

  /** The handles leave out those of the backend's own tables. */
  get counters(): DeviceCounters {
    const counters = this.#stream.counters;
    return { ...counters, handles: counters.handles - this.memory.tableStorages };
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
    const operands = this.#operandsOf(what, inputs);
    const storage = this.#allocate(dtype, length, indexSource);
    this.#launch(what, [storage], operands, inputs);
    return storage;
  }

  /**
   * Computes several storages by one launch. The result of the program has their elements one storage after the other, in the order of
   * `lengths`.
   * @throws BackendError as `run` does, also where all of them together have more elements than the adapter allows.
   */
  runAll<T extends string, I extends string, F extends string, Name extends string>(
    what: Program<T, I, F>,
    lengths: Readonly<Record<Name, number>>,
    inputs: Inputs<T, I | F>,
  ): Readonly<Record<Name, DeviceStorage>> {
    const length = Object.values<number>(lengths).reduce((sum, each) => sum + each, 0);
    this.#collectIfDue(length);
    this.#checkLength(length);
    const operands = this.#operandsOf(what, inputs);
    const storages = Object.entries<number>(lengths).map(([name, each]) => [name, this.#allocate("float32", each)] as const);
    this.#launch(
      what,
      storages.map(([, storage]) => storage),
      operands,
      inputs,
    );
    return Object.fromEntries(storages) as Record<Name, DeviceStorage>;
  }

  /**
   * Runs a program and replaces the elements of the targets by its result, one target after the other. The program may read the old
   * elements.
   */
  update<T extends string, I extends string, F extends string>(
    targets: Storage | readonly Storage[],
    what: Program<T, I, F>,
    inputs: Inputs<T, I | F>,
  ): void {
    const own = [targets].flat().map((target) => this.own(target));
    this.#launch(what, own, this.#operandsOf(what, inputs), inputs);
  }

  /** Gives the elements of `source`, which is released, to `target`. */
  replace(target: Storage, source: DeviceStorage): void {
    this.own(target).moveTo(this.#windowOf(source));
    source.release();
  }

  /** A storage whose elements all have one value. It takes a launch only when a program reads it. */
  full(dtype: DType, length: number, value: number): DeviceStorage {
    const storage = this.#allocate(dtype, length);
    storage.becomeConstant(dtype === "int32" ? Math.trunc(value) : Math.fround(value));
    return storage;
  }

  /**
   * A storage with `length` elements of x from `offset` on, without a launch: a window on the buffer of x. Undefined where it would keep a
   * much larger buffer alive.
   */
  share(x: Storage, offset: number, length: number): DeviceStorage | undefined {
    const source = this.own(x);
    if (length === 0 || source.constant !== undefined) return undefined;
    const window = this.#windowOf(source);
    if (window.buffer.length > Math.max(smallBuffer, largestShare * length)) return undefined;
    const storage = this.#allocate(x.dtype, length);
    storage.moveTo({ buffer: window.buffer, offset: window.offset + offset });
    return storage;
  }

  /** Whether the storages are windows on one buffer, one after the other, that fill the buffer. */
  areTogether(storages: readonly Storage[]): boolean {
    const buffer = this.own(storages[0]!).window?.buffer;
    let offset = 0;
    for (const storage of storages) {
      const { window } = this.own(storage);
      if (window === undefined || window.buffer !== buffer || window.offset !== offset) return false;
      offset += storage.length;
    }
    return offset === buffer?.length;
  }

  /** The largest number of elements of a buffer. */
  get maximumElements(): number {
    return this.#maximumElements;
  }

  /** A constant table, uploaded at its first use and kept: see `KeptStorages`. */
  table(key: string, make: () => ArrayLike<number>): DeviceStorage {
    return this.#kept.table(key, make);
  }

  /** The storage of an array that never changes, uploaded at its first use and kept: see `KeptStorages`. */
  constant(dtype: DType, data: TypedArray): DeviceStorage {
    return this.#kept.constant(dtype, data);
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

  async readElements(storage: DeviceStorage): Promise<Float32Array> {
    const { length } = storage;
    if (length === 0) return new Float32Array(0);
    this.#stream.checkOpen();
    const { buffer, offset } = this.#windowOf(storage);
    if (offset === 0 && buffer.length === length) return this.#stream.read(buffer);
    // gpu.js reads whole buffers.
    const copy = this.run(copyProgram, length, { x: storage });
    try {
      return await this.#stream.read(copy.window!.buffer);
    } finally {
      copy.release();
    }
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
    this.#kept.release();
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
    this.#checkLength(length);
    return new DeviceStorage(this, dtype, length, indexSource);
  }

  #checkLength(length: number): void {
    if (length > this.#maximumElements)
      throw new BackendError(
        `${this.mode.name}: a tensor may have at most ${this.#maximumElements} elements on this adapter, got ${length}; ` +
          "use a smaller batch, or the wasm backend",
      );
  }

  /** Launches a program into a new buffer, to which the targets move. */
  #launch(what: Program, targets: readonly DeviceStorage[], operands: readonly Window[], inputs: AnyInputs): void {
    const buffer = emptyBuffer(targets.reduce((sum, { length }) => sum + length, 0));
    const numbers = numbersOf(what, inputs);
    const buffers = operands.map((operand) => operand.buffer);
    const shifted = operands.some(({ offset }) => offset !== 0);
    if (shifted) numbers.splice(what.integers.length, 0, ...operands.map(({ offset }) => offset));
    this.#stream.launch(shifted ? windowed(what) : what, buffer, buffer.length, buffers, numbers);
    moveAll(targets, buffer);
  }

  #fill(storage: DeviceStorage, data: ArrayLike<number>): void {
    const indices = storage.dtype === "int32" ? Int32Array.from(data) : undefined;
    storage.replaceIndices(indices && { kind: "host", values: indices });
    const buffer = emptyBuffer(storage.length);
    this.#stream.upload(buffer, Float32Array.from(indices ?? data));
    moveAll([storage], buffer);
  }

  #operandsOf(what: Program, inputs: AnyInputs): Window[] {
    return what.tensors.map((name) => {
      const storage = this.own(inputs[name] as Storage);
      return storage.length === 0 ? { buffer: this.#placeholder, offset: 0 } : this.#windowOf(storage);
    });
  }

  /** Where the elements are. Those of a constant are written first, if no program has read it before. */
  #windowOf(storage: DeviceStorage): Window {
    if (storage.window === undefined) {
      const buffer = emptyBuffer(storage.length);
      this.#stream.launch(fillProgram, buffer, storage.length, [], [storage.constant!]);
      storage.becomeConstant(storage.constant!, { buffer, offset: 0 });
    }
    return storage.window!;
  }
}

type AnyInputs = Readonly<Record<string, Storage | number>>;

const numbersOf = ({ integers, floats }: Program, inputs: AnyInputs): number[] =>
  [...integers, ...floats].map((name) => inputs[name] as number);

/** Moves the targets to windows on the buffer, one after the other. */
function moveAll(targets: readonly DeviceStorage[], buffer: DeviceBuffer): void {
  let offset = 0;
  for (const target of targets) {
    target.moveTo({ buffer, offset });
    offset += target.length;
  }
}
