/**
 * Storage inside the WebAssembly memory, where the kernels compute. A storage is an address and a length, so no kernel copies its operands
 * in or its results out. The garbage collector cannot see these bytes, so every storage counts its holders, and the last release frees it.
 */

import { BackendError } from "../../../core/errors.ts";
import type { Storage } from "../../../tensor/storage.ts";
import { bytesPerElement, type DType, type TypedArray } from "../../../tensor/storage.ts";
import { CountedHostStorage, type HostMemory, viewOf } from "../../host-storage.ts";
import type { MemoryReport } from "../../kernels.ts";
import { StorageWatch } from "../../storage-watch.ts";
import { Arena } from "./arena.ts";
import type { Block } from "./free-blocks.ts";

const page = 65536;
/** The kernels use the first page themselves: for the counters of the thread team, arguments and constants. */
const firstByte = page;
/** Bytes kept free behind the last block: vector loads may read up to 28 bytes past the end of a row, and must find memory there. */
const guard = 64;
const growthStep = 16 * 2 ** 20;

const arrays = { float32: Float32Array, float64: Float64Array, int32: Int32Array } as const;

const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

/** No free block is large enough. `retryWhenExhausted` catches this error once, collects, and calls the kernel again. */
class ExhaustedError extends BackendError {}

export class ArenaMemory implements HostMemory {
  readonly wasm: WebAssembly.Memory;
  readonly maximumBytes: number;
  readonly #arena: Arena;
  readonly #watch: StorageWatch<Block>;
  #storages = 0;
  /** The storages that the current call of a kernel has made. */
  #made: ArenaStorage[] = [];
  #integers = new Int32Array(0);
  #floats = new Float32Array(0);

  constructor(wasm: WebAssembly.Memory, maximumBytes: number) {
    this.wasm = wasm;
    this.maximumBytes = maximumBytes;
    this.#arena = new Arena(firstByte, this.#reserved - guard, (end) => this.#grow(end));
    this.#watch = new StorageWatch(
      () => this.#arena.used,
      (block) => this.#reclaim(block),
      maximumBytes,
    );
  }

  get #reserved(): number {
    return this.wasm.buffer.byteLength;
  }

  /**
   * All of the memory as integers, for small tables: element i is at the address 4·i.
   * Take it anew after an allocation, which may replace the buffer.
   */
  get integers(): Int32Array {
    const { buffer } = this.wasm;
    if (this.#integers.buffer !== buffer) this.#integers = new Int32Array(buffer);
    return this.#integers;
  }

  /** The same as float32 numbers. */
  get floats(): Float32Array {
    const { buffer } = this.wasm;
    if (this.#floats.buffer !== buffer) this.#floats = new Float32Array(buffer);
    return this.#floats;
  }

  #grow(end: number): number | undefined {
    const needed = end + guard - this.#reserved;
    if (this.#watch.reachesCurrentJob && this.#watch.isDue(needed)) return undefined; // `collect` comes first.
    // Large steps keep growth rare. When the limit is near, the exact amount may still fit.
    for (const bytes of [Math.max(needed, growthStep, this.#reserved / 4), needed]) {
      const pages = Math.ceil(bytes / page);
      if (this.#reserved + pages * page > this.maximumBytes) continue;
      try {
        this.wasm.grow(pages);
        return this.#reserved - guard;
      } catch {
        // The system refused this amount. The loop tries the smaller amount, and the caller reports the failure.
      }
    }
    return undefined;
  }

  /** A storage with one holder whose contents are undefined. @throws BackendError when the arena is exhausted. */
  allocate(dtype: DType, length: number): ArenaStorage {
    const block = this.#take(length * bytesPerElement[dtype]);
    const storage = new ArenaStorage(this, block, dtype, length);
    this.#storages++;
    this.#watch.add(storage, block);
    this.#made.push(storage);
    return storage;
  }

  /** Calls a kernel. If the kernel throws, the storages that it has made are freed, because nothing else refers to them. */
  attempt(kernel: (...operands: unknown[]) => unknown, operands: readonly unknown[]): unknown {
    try {
      return kernel(...operands);
    } catch (error) {
      for (const storage of this.#made) if (storage.alive) storage.release();
      throw error;
    } finally {
      this.#made.length = 0;
    }
  }

  /** Frees the block of a storage. The storage calls this when its last holder releases it. */
  release(storage: ArenaStorage, block: Block): void {
    this.#watch.remove(storage);
    this.#reclaim(block);
  }

  /**
   * Frees the blocks of storages that no program can reach any more. It must not run inside a kernel, which computes on addresses.
   */
  collect(): void {
    this.#watch.collect();
  }

  /** Where `collect` misses what the current job dropped, waits for the next job and collects there, if that is due. */
  async collectLater(): Promise<void> {
    if (!this.#watch.reachesCurrentJob) await this.#watch.collectIfDue();
  }

  #reclaim(block: Block): void {
    this.#storages--;
    this.#arena.free(block);
  }

  /** Runs `use` with the address of `bytes` bytes, and frees them afterwards. */
  withScratch<T>(bytes: number, use: (pointer: number) => T): T {
    const block = this.#take(bytes);
    try {
      return use(block.start);
    } finally {
      this.#arena.free(block);
    }
  }

  /** @throws ExhaustedError when the arena must be collected before it may grow, or can't grow. */
  #take(bytes: number): Block {
    const block = this.#arena.allocate(bytes);
    if (block === undefined)
      throw new ExhaustedError(
        `wasm: the arena is exhausted: asked for ${mebibytes(bytes)} (${bytes} bytes), ${mebibytes(this.#arena.used)} in use, ` +
          `limit ${mebibytes(this.maximumBytes)}; use a smaller batch, free tensors with scope(), or raise maximumBytes`,
      );
    return block;
  }

  /** The address behind a kernel's operand. @throws BackendError for freed storage, or storage of another arena. */
  pointerOf(storage: Storage): number {
    if (storage instanceof ArenaStorage && storage.owner === this && storage.alive) return storage.pointer;
    viewOf(storage); // throws for the faults that the reference kernels know too
    throw new BackendError("storage: belongs to another backend; tensors don't outlive initBackend()");
  }

  report(): MemoryReport {
    return {
      backend: "wasm",
      storages: this.#storages,
      used: this.#arena.used,
      peak: this.#arena.peak,
      reserved: this.#reserved,
    };
  }

  resetPeak(): void {
    this.#arena.resetPeak();
  }
}

export class ArenaStorage extends CountedHostStorage {
  readonly owner: ArenaMemory;
  readonly #block: Block;

  constructor(owner: ArenaMemory, block: Block, dtype: DType, length: number) {
    super(dtype, length);
    this.owner = owner;
    this.#block = block;
  }

  /** The address of the first element. */
  get pointer(): number {
    return this.#block.start;
  }

  /** The view is made anew at each use, because growing the memory may replace its buffer. */
  get view(): TypedArray {
    return new arrays[this.dtype](this.owner.wasm.buffer, this.pointer, this.length);
  }

  override async read(): Promise<TypedArray> {
    const elements = await super.read();
    await this.owner.collectLater();
    return elements;
  }

  protected free(): void {
    this.owner.release(this, this.#block);
  }
}

/**
 * The functions of `kernels`. One that fails leaves no storage behind. One that exhausts the memory is called again after a collection. The
 * operands of the call are in use until it returns, so the collection leaves them alone.
 */
export function retryWhenExhausted<K extends object>(kernels: K, memory: ArenaMemory): K {
  const retrying =
    (kernel: (...operands: unknown[]) => unknown) =>
    (...operands: unknown[]): unknown => {
      try {
        return memory.attempt(kernel, operands);
      } catch (error) {
        if (!(error instanceof ExhaustedError)) throw error;
        memory.collect();
        return memory.attempt(kernel, operands);
      }
    };
  return Object.fromEntries(Object.entries(kernels).map(([name, kernel]) => [name, retrying(kernel)])) as K;
}
