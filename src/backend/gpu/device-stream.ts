/**
 * The stream of work of a device: launches, uploads, reads and frees on buffers, run in order. An error does not interrupt the stream. The
 * buffer whose command failed keeps the error, every buffer computed from it takes the error over, and a read of any of them throws it.
 */

import { BackendError } from "../../core/errors.ts";
import type { AdapterControls } from "./adapter.ts";
import { CommandQueue } from "./command-queue.ts";
import type { DeviceBuffer } from "./device-storage.ts";
import { checkKernelClass, type DeviceHandle, type KernelResult, type OpenedGpu } from "./gpu-js.ts";
import type { GpuMode } from "./gpu-mode.ts";
import { CountedKernel, KernelCache, kernelSettings, sizesOf } from "./kernel-cache.ts";
import { LaunchProfile, type ProgramTime } from "./launch-profile.ts";
import { type Grid, gridOf, helpers, type Program, program, sourceOf } from "./program.ts";
import { WebGpuLauncher } from "./webgpu-launcher.ts";

/** What passed between host and device, and what the device was asked to do, since it was opened. */
export interface DeviceCounters {
  /** Kernels launched, those of uploads included. */
  readonly launches: number;
  readonly uploads: number;
  /** The bytes of all uploads together. */
  readonly uploadedBytes: number;
  /** Reads of a buffer by the host. */
  readonly readbacks: number;
  /** Compiled kernels in the cache. */
  readonly kernels: number;
  /** Results that the device holds: one for each buffer that has its elements. */
  readonly handles: number;
}

export interface StreamOptions {
  /** The largest number of compiled kernels to keep. Default: 512. */
  readonly kernels?: number;
  /** Default: the device is assumed to work. */
  readonly checkHealth?: AdapterControls["checkHealth"];
  /** Default: the device is assumed to complete work at once. */
  readonly finish?: AdapterControls["finish"];
  /** Is called when the stream is closed. Default: nothing. */
  readonly onClose?: AdapterControls["onClose"];
  /** Default: gpu.js launches every kernel. */
  readonly launcher?: WebGpuLauncher;
}

/** Sends an array of the host to the device. It is the only program with such an argument. */
const uploadProgram = program({ name: "upload", tensors: ["values"], body: "return values[this.thread.x];" });

/** The error's message in one line. gpu.js appends the source of whole programs. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const [first = "", second = ""] = error.message.split("\n", 2);
  return (first.endsWith(":") ? `${first} ${second.trim()}` : first) || error.name;
}

export class DeviceStream {
  readonly #opened: OpenedGpu;
  readonly #mode: GpuMode;
  readonly #queue = new CommandQueue((error) => {
    this.#failure ??= this.#failureOf("a command", error);
  });
  readonly #kernels: KernelCache;
  readonly #upload: CountedKernel;
  readonly #profile: LaunchProfile;
  readonly #checkAdapter: () => void;
  readonly #finish: () => Promise<unknown> | undefined;
  readonly #onClose: () => void;
  readonly #launcher: WebGpuLauncher | undefined;
  #counters = { launches: 0, uploads: 0, uploadedBytes: 0, readbacks: 0, handles: 0 };
  #closed = false;
  /** The error of a command that should not fail. Results since then may be wrong. */
  #failure: BackendError | undefined;

  constructor(
    opened: OpenedGpu,
    mode: GpuMode,
    { kernels = 512, checkHealth = () => {}, finish = () => undefined, onClose = () => {}, launcher }: StreamOptions,
  ) {
    const { gpu } = opened;
    this.#opened = opened;
    this.#mode = mode;
    this.#checkAdapter = checkHealth;
    this.#launcher = launcher;
    this.#finish = () => {
      launcher?.flush();
      return finish();
    };
    this.#onClose = onClose;
    this.#profile = new LaunchProfile(this.#finish);
    for (const { source, names } of helpers)
      gpu.addFunction(source, { returnType: "Integer", argumentTypes: Object.fromEntries(names.map((name) => [name, "Integer"])) });
    this.#kernels = new KernelCache(gpu, mode, kernels);
    this.#upload = new CountedKernel(
      gpu.createKernel(sourceOf(uploadProgram), { argumentTypes: { values: "Array" }, output: [1], ...kernelSettings }),
    );
  }

  get counters(): DeviceCounters {
    return { ...this.#counters, kernels: this.#kernels.size };
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Whether no work can succeed any more: the stream is closed, or the device is lost or has reported an error. */
  get ended(): boolean {
    try {
      this.#checkHealth();
      return this.#closed;
    } catch {
      return true;
    }
  }

  /** @throws BackendError when the stream is closed. */
  checkOpen(): void {
    if (this.#closed) throw new BackendError(`${this.#mode.name}: the backend was disposed; call initBackend() again`);
  }

  /** Resolves when every earlier command has been submitted to the device. */
  async fence(): Promise<void> {
    await this.#queue.fence();
    this.#launcher?.flush();
  }

  /** Starts to time every launch. While a profile runs, launches do not overlap. */
  startProfile(): void {
    this.#queue.push(() => this.#profile.start());
  }

  /** The programs launched since `startProfile`, the slowest first. */
  async endProfile(): Promise<ProgramTime[]> {
    await this.fence();
    return this.#profile.end();
  }

  /** Computes `length` elements of `target` by a program. The program may read the elements that `target` had before. */
  launch(what: Program, target: DeviceBuffer, length: number, tensors: readonly DeviceBuffer[], numbers: readonly number[]): void {
    if (length === 0) return;
    this.#counters.launches++;
    this.#queue.push((): Promise<void> | undefined => {
      const failure = tensors.find((tensor) => tensor.failure !== undefined)?.failure;
      if (failure !== undefined) {
        target.failure = failure;
        return undefined;
      }
      try {
        this.#checkHealth();
        const grid = gridOf(what, length, numbers);
        const kernel = this.#kernels.get(what, grid);
        const inputs = [...tensors.map(({ handle }) => handle!), ...numbers];
        const compiled = this.#launcher && !this.#profile.active && WebGpuLauncher.launchable(kernel.run.kernel);
        if (!compiled) return this.#launchByGpuJs(what, kernel, target, { length, grid, inputs });
        this.#replace(target, kernel, this.#launcher!.launch(compiled, length, grid, inputs as (DeviceHandle | number)[]));
        return undefined;
      } catch (error) {
        return this.#fail(what.name, target, error);
      }
    });
  }

  async #launchByGpuJs(
    what: Program,
    kernel: CountedKernel,
    target: DeviceBuffer,
    { length, grid, inputs }: { readonly length: number; readonly grid: Grid; readonly inputs: readonly (KernelResult | number)[] },
  ): Promise<void> {
    try {
      this.#launcher?.flush();
      kernel.run.setOutput(sizesOf(grid));
      const result = await this.#run(what.name, kernel, inputs);
      if ((what.lanes > 1 || grid.length > 1) && !(result instanceof Float32Array))
        Object.assign(result, { output: [length], componentCount: 1 });
      this.#replace(target, kernel, result);
    } catch (error) {
      await this.#fail(what.name, target, error);
    }
  }

  async #fail(name: string, target: DeviceBuffer, error: unknown): Promise<void> {
    target.failure = await this.#explain(name, error);
    this.#kernels.drop(name);
  }

  /** Copies `values` of the host to `target`. The caller must not change them afterwards. */
  upload(target: DeviceBuffer, values: Float32Array): void {
    if (values.length === 0) return;
    this.#counters.launches++;
    this.#counters.uploads++;
    this.#counters.uploadedBytes += values.byteLength;
    this.#queue.push(async () => {
      try {
        this.#checkHealth();
        if (this.#launcher !== undefined && !this.#profile.active) {
          this.#replace(target, this.#upload, this.#launcher.upload(values));
          return;
        }
        this.#upload.run.setOutput([values.length]);
        this.#replace(target, this.#upload, await this.#run("upload", this.#upload, [values]));
      } catch (error) {
        target.failure = await this.#explain("upload", error);
      }
    });
  }

  /** Copies the elements of a buffer to the host. Commands that are pushed later do not wait for the copy. */
  read(buffer: DeviceBuffer): Promise<Float32Array> {
    return new Promise((resolve, reject) => {
      this.#queue.push(() => void this.#copy(buffer).then(resolve, reject));
    });
  }

  free(buffer: DeviceBuffer): void {
    this.#queue.push(() => this.#replace(buffer));
  }

  /** Frees every kernel and the device. Buffers can no longer be read. */
  close(): void {
    this.#closed = true;
    this.#onClose();
    this.#queue.push(async () => {
      this.#launcher?.close();
      await this.#opened.gpu.destroy();
    });
  }

  async #run(name: string, kernel: CountedKernel, inputs: readonly unknown[]): Promise<KernelResult> {
    const result = await this.#profile.timed(name, () => kernel.run(...inputs));
    checkKernelClass(this.#opened, this.#mode, kernel.run);
    return result;
  }

  async #copy({ handle, kernel, failure }: DeviceBuffer): Promise<Float32Array> {
    this.checkOpen();
    if (failure !== undefined) throw failure;
    this.#checkHealth();
    this.#counters.readbacks++;
    if (handle instanceof Float32Array) return handle.slice();
    kernel?.retain();
    try {
      this.#launcher?.flush();
      const values = await handle!.toArray();
      this.checkOpen();
      this.#checkHealth(); // Reads of a lost context give zeros.
      return values;
    } catch (error) {
      throw await this.#explain("read", error);
    } finally {
      kernel?.release();
    }
  }

  /** Gives a buffer a new result, or none, and frees the old one. A result also removes an earlier failure. */
  #replace(buffer: DeviceBuffer, kernel?: CountedKernel, result?: KernelResult): void {
    const { handle: oldHandle, kernel: oldKernel } = buffer;
    Object.assign(buffer, { handle: result, kernel, failure: undefined } satisfies Partial<DeviceBuffer>);
    if (result !== undefined) {
      this.#counters.handles++;
      kernel?.retain();
    }
    if (oldHandle === undefined) return;
    this.#counters.handles--;
    if (!(oldHandle instanceof Float32Array)) {
      if (this.#launcher === undefined) oldHandle.delete();
      else this.#launcher.free(oldHandle);
    }
    oldKernel?.release();
  }

  #checkHealth(): void {
    this.#checkAdapter();
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** The adapter's own error where it has one, else that of the op. A lost device reports its loss only after work on it has failed. */
  async #explain(op: string, error: unknown): Promise<BackendError> {
    const failure = this.#failureOf(op, error);
    if (failure === error) return failure;
    try {
      await this.#finish();
      this.#checkHealth();
    } catch (reason) {
      if (reason instanceof BackendError) return reason;
    }
    return failure;
  }

  #failureOf(op: string, error: unknown): BackendError {
    if (error instanceof BackendError) return error;
    const message = messageOf(error);
    const rule = `${this.#mode.name}: ${op} failed on the device: ${message}`;
    // JavaScript throws a RangeError where the memory of an array cannot be had.
    const isExhausted = error instanceof RangeError || /memory|allocat/i.test(message);
    const advice = isExhausted ? "use a smaller batch or another backend" : "call initBackend() again or use another backend";
    return new BackendError(`${rule}; ${advice}`, { cause: error });
  }
}
