/** Storage on the device. It exists from the moment an op asks for it; its numbers come when the queue gets there. */

import type { ConvolutionGeometry } from "../../core/convolution-geometry.ts";
import type { BackendError } from "../../core/errors.ts";
import { bytesPerElement, type DType, type TypedArray } from "../../tensor/storage.ts";
import { CountedStorage, checkAlive } from "../counted-storage.ts";
import type { MemoryReport } from "../kernels.ts";
import type { KernelResult } from "./gpu-js.ts";
import type { HeldKernel } from "./kernel-cache.ts";

/** What the host knows about indices, beyond their numbers on the device. */
export type IndexKnowledge =
  /** They came from the host: bounds can be checked, and who adds to which element can be listed. */
  | { readonly kind: "listed"; readonly values: Int32Array }
  /** They came from a max pooling: who adds to an element stands in the windows over it. */
  | { readonly kind: "windows"; readonly geometry: ConvolutionGeometry };

/** The device's side of a storage: only commands of the queue touch it. */
export interface Cell {
  handle: KernelResult | undefined;
  /** What computed it. */
  maker: HeldKernel | undefined;
  /** Why there are no numbers: the first op that failed on the way here. */
  failure: BackendError | undefined;
}

export const emptyCell = (): Cell => ({ handle: undefined, maker: undefined, failure: undefined });

/** What storages need of the device that owns them. */
export interface CellOwner {
  readonly memory: DeviceMemory;
  readCell(cell: Cell, length: number): Promise<Float32Array>;
  freeCell(cell: Cell): void;
}

/** Counts what is held. Every element is a float32 on the device, so each takes 4 bytes. */
export class DeviceMemory {
  storages = 0;
  used = 0;
  peak = 0;
  /** Tables the backend keeps for itself. */
  constants = 0;

  add(bytes: number): void {
    this.storages++;
    this.used += bytes;
    this.peak = Math.max(this.peak, this.used);
  }

  remove(bytes: number): void {
    this.storages--;
    this.used -= bytes;
  }

  report(backend: string): MemoryReport {
    const { storages, used, peak, constants } = this;
    return { backend, storages, used, peak, reserved: used + constants };
  }
}

export class DeviceStorage extends CountedStorage {
  readonly owner: CellOwner;
  readonly cell: Cell = emptyCell();
  #knowledge: IndexKnowledge | undefined;
  /** What follows from the numbers of this one, by what it is for; freed with it. */
  readonly tables = new Map<string, Readonly<Record<string, DeviceStorage>>>();
  #reserved = false;

  constructor(owner: CellOwner, dtype: DType, length: number, knowledge?: IndexKnowledge) {
    super(dtype, length);
    this.owner = owner;
    this.#knowledge = knowledge;
    owner.memory.add(this.#bytes);
  }

  get knowledge(): IndexKnowledge | undefined {
    return this.#knowledge;
  }

  get #bytes(): number {
    return this.length * bytesPerElement[this.dtype];
  }

  /** Other numbers take the place of those known, and nothing that followed from the old ones holds. */
  relearn(knowledge: IndexKnowledge | undefined): void {
    this.#knowledge = knowledge;
    for (const tables of this.tables.values()) for (const table of Object.values(tables)) table.release();
    this.tables.clear();
  }

  /** Counts it as one of the backend's own tables from now on. */
  reserve(): this {
    this.#reserved = true;
    this.owner.memory.remove(this.#bytes);
    this.owner.memory.constants += this.#bytes;
    return this;
  }

  async read(): Promise<TypedArray> {
    checkAlive(this);
    const values = await this.owner.readCell(this.cell, this.length);
    return this.dtype === "int32" ? Int32Array.from(values) : values;
  }

  protected free(): void {
    if (this.#reserved) this.owner.memory.constants -= this.#bytes;
    else this.owner.memory.remove(this.#bytes);
    this.relearn(undefined);
    this.owner.freeCell(this.cell);
  }
}
