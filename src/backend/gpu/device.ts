/**
 * The device as the kernels see it: `run` a program on storages and get a storage. Nothing is awaited and nothing is read back on the way;
 * what goes wrong is kept by the storage it happened to, passes on to what is computed from it, and surfaces at the read, naming its op.
 */

import { BackendError } from "../../core/errors.ts";
import type { DType, Storage } from "../../tensor/storage.ts";
import { checkAlive } from "../counted-storage.ts";
import { CommandQueue } from "./command-queue.ts";
import { type Cell, type CellOwner, DeviceMemory, DeviceStorage, emptyCell, type IndexKnowledge } from "./device-storage.ts";
import type { GpuKernel, KernelResult, OpenedGpu } from "./gpu-js.ts";
import type { GpuMode } from "./gpu-mode.ts";
import { HeldKernel, KernelCache, kernelSettings } from "./kernel-cache.ts";
import { LaunchProfile, type ProgramTime } from "./launch-profile.ts";
import { helpers, type Inputs, type Program, program, sourceOf } from "./program.ts";

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

export interface DeviceOptions {
  /** Elements of the largest storage the adapter takes. */
  readonly maximumElements: number;
  /** Kernels kept compiled. */
  readonly kernels?: number;
  /** Throws once the device is lost, or has said that it could not do what it was asked to. */
  readonly checkHealth?: () => void;
  /** Resolves when the device has computed all it was handed. */
  readonly finish?: () => Promise<unknown> | undefined;
  /** Called when it is closed. */
  readonly onClose?: () => void;
}

/** Its argument is an array of the host: the one way numbers go to the device. */
const uploadProgram = program({ name: "upload", tensors: ["values"], body: "return values[this.thread.x];" });

/** One line: gpu.js appends whole programs. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const [first = "", second = ""] = error.message.split("\n", 2);
  return (first.endsWith(":") ? `${first} ${second.trim()}` : first) || error.name;
}

export class Device implements CellOwner {
  readonly mode: GpuMode;
  readonly memory = new DeviceMemory();
  readonly #opened: OpenedGpu;
  readonly #queue = new CommandQueue((error) => {
    this.#fault ??= this.#failure("a command", error);
  });
  readonly #kernels: KernelCache;
  readonly #upload: HeldKernel;
  readonly #maximumElements: number;
  readonly #checkDevice: () => void;
  readonly #onClose: () => void;
  readonly #finish: () => Promise<unknown> | undefined;
  readonly #profile: LaunchProfile;
  readonly #constants = new Map<string, DeviceStorage>();
  /** What an argument of no elements is given in place of nothing. */
  readonly #empty = emptyCell();
  #counters = { launches: 0, uploads: 0, uploadedBytes: 0, readbacks: 0, handles: 0 };
  #closed = false;
  /** What should not have happened: nothing is trusted since. */
  #fault: BackendError | undefined;

  constructor(
    opened: OpenedGpu,
    mode: GpuMode,
    { maximumElements, kernels = 512, checkHealth = () => {}, finish = () => undefined, onClose = () => {} }: DeviceOptions,
  ) {
    const { gpu } = opened;
    this.mode = mode;
    this.#opened = opened;
    this.#maximumElements = maximumElements;
    this.#checkDevice = checkHealth;
    this.#finish = finish;
    this.#profile = new LaunchProfile(finish);
    this.#onClose = onClose;
    for (const { source, names } of helpers)
      gpu.addFunction(source, { returnType: "Integer", argumentTypes: Object.fromEntries(names.map((name) => [name, "Integer"])) });
    this.#kernels = new KernelCache(gpu, mode, kernels);
    this.#upload = new HeldKernel(
      gpu.createKernel(sourceOf(uploadProgram), { argumentTypes: { values: "Array" }, output: [1], ...kernelSettings }),
    );
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
    this.#queue.push(() => this.#profile.start());
  }

  /** What was launched since `startProfile`, the costliest program first. */
  async endProfile(): Promise<ProgramTime[]> {
    await this.fence();
    return this.#profile.end();
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
    const storage = this.own(target);
    const indices = target.dtype === "int32" ? Int32Array.from(data) : undefined;
    storage.relearn(indices && { kind: "listed", values: indices });
    this.#send(storage.cell, Float32Array.from(indices ?? data));
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
    const storage = this.upload("float32", make()).reserve();
    this.#constants.set(key, storage);
    if (this.#constants.size > 64) {
      const [oldest, dropped] = this.#constants.entries().next().value!;
      this.#constants.delete(oldest);
      dropped.release();
    }
    return storage;
  }

  /** Tables that follow from the numbers of `source`, made once and kept until those change or are freed. They count as reserved. */
  tables<Name extends string>(
    source: Storage,
    key: string,
    make: () => Readonly<Record<Name, Int32Array>>,
  ): Readonly<Record<Name, DeviceStorage>> {
    const { tables } = this.own(source);
    const made =
      tables.get(key) ??
      Object.fromEntries(Object.entries<Int32Array>(make()).map(([name, data]) => [name, this.upload("int32", data).reserve()]));
    tables.set(key, made);
    return made as Readonly<Record<Name, DeviceStorage>>;
  }

  /** The storage as this device's own. @throws BackendError when it is freed, or another's, or the device is closed. */
  own(storage: Storage): DeviceStorage {
    this.#checkOpen();
    checkAlive(storage);
    if (storage instanceof DeviceStorage && storage.owner === this) return storage;
    throw new BackendError("storage: belongs to another backend; tensors don't outlive initBackend()");
  }

  readCell(cell: Cell, length: number): Promise<Float32Array> {
    if (length === 0) return Promise.resolve(new Float32Array(0));
    return new Promise((resolve, reject) => {
      // The copy is under way when the command returns: what follows need not wait for it.
      this.#queue.push(() => void this.#read(cell).then(resolve, reject));
    });
  }

  async #read({ handle, maker, failure }: Cell): Promise<Float32Array> {
    this.#checkOpen();
    if (failure !== undefined) throw failure;
    this.#checkHealth();
    this.#counters.readbacks++;
    if (handle instanceof Float32Array) return handle.slice();
    maker?.retain();
    try {
      const values = await handle!.toArray();
      this.#checkHealth(); // a lost context reads as zeros
      return values;
    } catch (error) {
      throw await this.#explain("read", error);
    } finally {
      maker?.release();
    }
  }

  freeCell(cell: Cell): void {
    this.#queue.push(() => this.#settle(cell));
  }

  /** Frees every kernel. Storages can no longer be read. */
  close(): void {
    if (this.#closed) return;
    for (const storage of this.#constants.values()) storage.release();
    this.#closed = true;
    this.#onClose();
    this.#queue.push(async () => {
      this.#settle(this.#empty);
      await this.#opened.gpu.destroy();
    });
  }

  #checkOpen(): void {
    if (this.#closed) throw new BackendError(`${this.mode.name}: the backend was disposed; call initBackend() again`);
  }

  #checkHealth(): void {
    this.#checkDevice();
    if (this.#fault !== undefined) throw this.#fault;
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
        const result = await this.#profile.timed(what.name, () => kernel.run(...sources.map(({ handle }) => handle), ...numbers));
        this.#checkClass(kernel.run);
        if (what.lanes > 1 && !(result instanceof Float32Array)) Object.assign(result, { output: [length], componentCount: 1 });
        this.#settle(target, kernel, result);
      } catch (error) {
        target.failure = await this.#explain(what.name, error);
        this.#kernels.drop(what.name);
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
        this.#upload.run.setOutput([values.length]);
        const result = await this.#profile.timed("upload", () => this.#upload.run(values));
        this.#checkClass(this.#upload.run);
        this.#settle(target, this.#upload, result);
      } catch (error) {
        target.failure = await this.#explain("upload", error);
      }
    });
  }

  /** Puts a result into a cell and lets go of the one before. Numbers that arrive take the place of a failure. */
  #settle(cell: Cell, maker?: HeldKernel, result?: KernelResult): void {
    const { handle: old, maker: oldMaker } = cell;
    Object.assign(cell, { handle: result, maker, failure: undefined } satisfies Cell);
    if (result !== undefined) {
      this.#counters.handles++;
      maker?.retain();
    }
    if (old === undefined) return;
    this.#counters.handles--;
    if (!(old instanceof Float32Array)) old.delete();
    oldMaker?.release();
  }

  /** gpu.js may run a kernel elsewhere than it was told to, and only the class of what ran says so. */
  #checkClass({ kernel, fallbackReason }: GpuKernel): void {
    if (this.#opened.isOurs(kernel)) return;
    const reason = fallbackReason ? ` (${fallbackReason})` : "";
    throw new BackendError(
      `${this.mode.name}: gpu.js must run a ${this.mode.kernelClass}, got a ${kernel.constructor.name}${reason}; this mode does not work here, use another backend`,
    );
  }

  /** The failure, or what the device has to say: one that is lost says so later than the work it takes with it. */
  async #explain(op: string, error: unknown): Promise<BackendError> {
    const failure = this.#failure(op, error);
    if (failure === error) return failure;
    try {
      await this.#finish();
      this.#checkHealth();
    } catch (reason) {
      if (reason instanceof BackendError) return reason;
    }
    return failure;
  }

  #failure(op: string, error: unknown): BackendError {
    if (error instanceof BackendError) return error;
    return new BackendError(`${this.mode.name}: ${op} failed on the device: ${messageOf(error)}`, { cause: error });
  }
}
