/**
 * The device as the kernels see it: `run` a program on storages and get a storage. Nothing is awaited and nothing is read back on the way;
 * what goes wrong is kept by the storage it happened to, passes on to what is computed from it, and surfaces at the read, naming its op.
 */

import { BackendError } from "../../core/errors.ts";
import type { DType, Storage } from "../../tensor/storage.ts";
import { checkAlive } from "../counted-storage.ts";
import { CommandQueue } from "./command-queue.ts";
import { type Cell, type CellOwner, DeviceMemory, DeviceStorage, type IndexKnowledge } from "./device-storage.ts";
import type { GpuKernel, KernelResult, OpenedGpu } from "./gpu-js.ts";
import type { GpuMode } from "./gpu-mode.ts";
import { KernelCache, kernelSettings } from "./kernel-cache.ts";
import { helpers, type Program, program, sourceOf } from "./program.ts";

/** What passed between host and device, and what the device was asked to do, since it was opened. */
export interface DeviceCounters {
  /** Kernels run, those of uploads included. */
  readonly launches: number;
  readonly uploads: number;
  /** Bytes of all uploads. */
  readonly uploadedBytes: number;
  /** Times that numbers came back to the host. */
  readonly readbacks: number;
  /** Kernels compiled and kept. */
  readonly kernels: number;
  /** Results the device holds: one for each storage that has its numbers. */
  readonly handles: number;
}

/** The inputs of a program by name: a storage for each tensor, a number for each size and scalar. */
export type Inputs<Tensors extends string, Numbers extends string> = string extends Tensors | Numbers
  ? Readonly<Record<string, Storage | number>> // names that are made up as the program is
  : Readonly<Record<Tensors, Storage> & Record<Numbers, number>>;

export interface DeviceOptions {
  /** Elements of the largest storage the adapter takes. */
  readonly maximumElements: number;
  /** Kernels kept compiled. */
  readonly kernels?: number;
  /** Throws once the device is lost. */
  readonly checkHealth?: () => void;
  /** Resolves when the device has computed all it was handed. */
  readonly finish?: () => Promise<unknown> | undefined;
}

/** What a program took while a profile was kept. */
export interface ProgramTime {
  readonly name: string;
  readonly launches: number;
  readonly milliseconds: number;
}

/** Its argument is an array of the host: the one way numbers go to the device. */
const uploadProgram = program({ name: "upload", tensors: ["values"], body: "return values[this.thread.x];" });

const messageOf = (error: unknown): string => (error instanceof Error ? error.message.split("\n", 1)[0]! : String(error));

export class Device implements CellOwner {
  readonly mode: GpuMode;
  readonly memory = new DeviceMemory();
  readonly #opened: OpenedGpu;
  readonly #queue = new CommandQueue();
  readonly #kernels: KernelCache;
  readonly #upload: GpuKernel;
  readonly #maximumElements: number;
  readonly #checkHealth: () => void;
  readonly #finish: () => Promise<unknown> | undefined;
  /** Launches and milliseconds by program, while somebody asks. */
  #profile: Map<string, { launches: number; milliseconds: number }> | undefined;
  readonly #constants = new Map<string, DeviceStorage>();
  /** What an argument of no elements is given in place of nothing. */
  readonly #empty: Cell = { handle: undefined, failure: undefined };
  #counters = { launches: 0, uploads: 0, uploadedBytes: 0, readbacks: 0, handles: 0 };
  #closed = false;

  constructor(
    opened: OpenedGpu,
    mode: GpuMode,
    { maximumElements, kernels = 512, checkHealth = () => {}, finish = () => undefined }: DeviceOptions,
  ) {
    const { gpu } = opened;
    this.mode = mode;
    this.#opened = opened;
    this.#maximumElements = maximumElements;
    this.#checkHealth = checkHealth;
    this.#finish = finish;
    for (const { source, names } of helpers)
      gpu.addFunction(source, { returnType: "Integer", argumentTypes: Object.fromEntries(names.map((name) => [name, "Integer"])) });
    this.#kernels = new KernelCache(gpu, mode, kernels);
    this.#upload = gpu.createKernel(sourceOf(uploadProgram), {
      argumentTypes: { values: "Array" },
      output: [1],
      ...kernelSettings,
    });
    this.#send(this.#empty, new Float32Array(1));
  }

  get counters(): DeviceCounters {
    return { ...this.#counters, kernels: this.#kernels.size };
  }

  /** Resolves when all that was asked for so far has been handed to the device. */
  fence(): Promise<void> {
    return this.#queue.fence();
  }

  /** From now on every launch is waited for and timed, which is slower than letting them overlap. */
  startProfile(): void {
    this.#queue.push(() => {
      this.#profile = new Map();
    });
  }

  /** What was launched since `startProfile`, the costliest program first. */
  async endProfile(): Promise<ProgramTime[]> {
    await this.fence();
    const times = [...(this.#profile ?? [])].map(([name, time]) => ({ name, ...time }));
    this.#profile = undefined;
    return times.sort((a, b) => b.milliseconds - a.milliseconds);
  }

  async #timed<T>(name: string, work: () => T | Promise<T>): Promise<T> {
    if (this.#profile === undefined) return work();
    await this.#finish();
    const start = performance.now();
    const result = await work();
    await this.#finish();
    const time = this.#profile.get(name) ?? { launches: 0, milliseconds: 0 };
    time.launches++;
    time.milliseconds += performance.now() - start;
    this.#profile.set(name, time);
    return result;
  }

  /** A storage whose numbers the caller sees to. @throws BackendError for float64, and for more elements than the adapter takes. */
  allocate(dtype: DType, length: number, knowledge?: IndexKnowledge): DeviceStorage {
    this.#checkOpen();
    if (dtype === "float64")
      throw new BackendError(`${this.mode.name}: devices compute in float32, got float64; use the wasm or reference backend for it`);
    if (length > this.#maximumElements)
      throw new BackendError(
        `${this.mode.name}: a tensor may have at most ${this.#maximumElements} elements on this adapter, got ${length}; ` +
          "use a smaller batch, or the wasm backend",
      );
    return new DeviceStorage(this, dtype, length, knowledge);
  }

  /** Numbers of the host, copied now and sent when their turn comes. */
  upload(dtype: DType, data: ArrayLike<number>): DeviceStorage {
    const indices = dtype === "int32" ? Int32Array.from(data) : undefined;
    const storage = this.allocate(dtype, data.length, indices && { kind: "listed", values: indices });
    this.#send(storage.cell, Float32Array.from(indices ?? data));
    return storage;
  }

  /** Overwrites all of `target`. */
  write(target: Storage, data: ArrayLike<number>): void {
    this.#send(this.own(target).cell, Float32Array.from(data));
  }

  /**
   * Runs a program over `length` elements and returns its result, in time.
   * @throws BackendError for storages freed or of another backend; whatever the device says comes at the read.
   */
  run<T extends string, I extends string, F extends string>(
    what: Program<T, I, F>,
    length: number,
    inputs: Inputs<T, I | F>,
    dtype: DType = "float32",
    knowledge?: IndexKnowledge,
  ): DeviceStorage {
    const sources = this.#sources(what, inputs);
    const storage = this.allocate(dtype, length, knowledge);
    this.#launch(what, storage.cell, length, sources, inputs);
    return storage;
  }

  /** Runs a program and puts the result in `target`'s place: the program reads the old numbers and returns the new. */
  update<T extends string, I extends string, F extends string>(target: Storage, what: Program<T, I, F>, inputs: Inputs<T, I | F>): void {
    const { cell, length } = this.own(target);
    this.#launch(what, cell, length, this.#sources(what, inputs), inputs);
  }

  /** A table that is made once and kept, the oldest let go of when there are too many. It counts as reserved, not as used. */
  constant(key: string, make: () => ArrayLike<number>): DeviceStorage {
    const found = this.#constants.get(key);
    if (found !== undefined) return found;
    const storage = this.upload("float32", make());
    this.#reserve(storage, 1);
    this.#constants.set(key, storage);
    if (this.#constants.size > 64) {
      const [oldest, dropped] = this.#constants.entries().next().value!;
      this.#constants.delete(oldest);
      this.#reserve(dropped, -1);
      dropped.release();
    }
    return storage;
  }

  /** The storage as this device's own. @throws BackendError when it is freed, or another's. */
  own(storage: Storage): DeviceStorage {
    checkAlive(storage);
    if (storage instanceof DeviceStorage && storage.owner === this) return storage;
    throw new BackendError("storage: belongs to another backend; tensors don't outlive initBackend()");
  }

  readCell(cell: Cell, length: number): Promise<Float32Array> {
    if (length === 0) return Promise.resolve(new Float32Array(0));
    return new Promise((resolve, reject) => {
      this.#queue.push(() => {
        try {
          this.#checkOpen();
          if (cell.failure !== undefined) throw cell.failure;
          this.#checkHealth();
          this.#counters.readbacks++;
          const handle = cell.handle!;
          // The copy is under way when toArray returns: what follows need not wait for it.
          const values = handle instanceof Float32Array ? handle.slice() : handle.toArray();
          if (values instanceof Float32Array) resolve(values);
          else values.then(resolve, (error: unknown) => reject(this.#failure("read", error)));
        } catch (error) {
          reject(error instanceof BackendError ? error : this.#failure("read", error));
        }
      });
    });
  }

  freeCell(cell: Cell): void {
    this.#queue.push(() => this.#settle(cell, undefined));
  }

  /** Frees every kernel. Storages can no longer be read. */
  close(): void {
    if (this.#closed) return;
    for (const storage of this.#constants.values()) storage.release();
    this.#closed = true;
    this.#queue.push(() => {
      this.#settle(this.#empty, undefined);
      this.#opened.gpu.destroy();
    });
  }

  #checkOpen(): void {
    if (this.#closed) throw new BackendError(`${this.mode.name}: the backend was disposed; call initBackend() again`);
  }

  #reserve(storage: DeviceStorage, sign: 1 | -1): void {
    const bytes = storage.length * 4;
    this.memory.constants += sign * bytes;
    if (sign === 1) this.memory.remove(bytes);
    else this.memory.add(bytes);
  }

  #sources(what: Program, inputs: Readonly<Record<string, Storage | number>>): Cell[] {
    return what.tensors.map((name) => {
      const storage = this.own(inputs[name] as Storage);
      return storage.length === 0 ? this.#empty : storage.cell;
    });
  }

  #launch(what: Program, target: Cell, length: number, sources: readonly Cell[], inputs: Readonly<Record<string, Storage | number>>): void {
    if (length === 0) return;
    const numbers = [...what.integers, ...what.floats].map((name) => inputs[name] as number);
    this.#counters.launches++;
    this.#queue.push(async () => {
      const failure = sources.find((source) => source.failure !== undefined)?.failure;
      if (failure !== undefined) {
        target.failure = failure;
        return;
      }
      try {
        this.#checkHealth();
        const kernel = this.#kernels.get(what, length / what.lanes);
        const result = await this.#timed(what.name, () => kernel(...sources.map(({ handle }) => handle), ...numbers));
        this.#checkClass(kernel);
        if (what.lanes > 1 && !(result instanceof Float32Array)) Object.assign(result, { output: [length], componentCount: 1 });
        this.#settle(target, result);
      } catch (error) {
        this.#kernels.drop(what.name);
        target.failure = this.#failure(what.name, error);
      }
    });
  }

  #send(target: Cell, values: Float32Array): void {
    if (values.length === 0) return;
    this.#counters.launches++;
    this.#counters.uploads++;
    this.#counters.uploadedBytes += values.byteLength;
    this.#queue.push(async () => {
      try {
        this.#checkHealth();
        this.#upload.setOutput([values.length]);
        const result = await this.#timed("upload", () => this.#upload(values));
        this.#checkClass(this.#upload);
        this.#settle(target, result);
      } catch (error) {
        target.failure = this.#failure("upload", error);
      }
    });
  }

  /** Puts a result into a cell and lets go of the one before. */
  #settle(cell: Cell, result: KernelResult | undefined): void {
    if (cell.handle !== undefined) {
      if (!(cell.handle instanceof Float32Array)) cell.handle.delete();
      this.#counters.handles--;
    }
    cell.handle = result;
    if (result !== undefined) this.#counters.handles++;
  }

  /** gpu.js may run a kernel elsewhere than it was told to, and only the class of what ran says so. */
  #checkClass({ kernel, fallbackReason }: GpuKernel): void {
    if (this.#opened.isOurs(kernel)) return;
    const reason = fallbackReason ? ` (${fallbackReason})` : "";
    throw new BackendError(
      `${this.mode.name}: gpu.js must run a ${this.mode.kernelClass}, got a ${kernel.constructor.name}${reason}; this mode does not work here, use another backend`,
    );
  }

  #failure(op: string, error: unknown): BackendError {
    return new BackendError(`${this.mode.name}: ${op} failed on the device: ${messageOf(error)}`, { cause: error });
  }
}
