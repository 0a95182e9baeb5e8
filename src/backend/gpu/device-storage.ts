/** Storage on the device. It exists from the moment an op asks for it; its numbers come when the queue gets there. */

import type { ConvolutionGeometry } from "../../core/convolution-geometry.ts";
import type { BackendError } from "../../core/errors.ts";
import { bytesPerElement, type DType, type Storage, type TypedArray } from "../../tensor/storage.ts";
import { CountedStorage, checkAlive } from "../counted-storage.ts";
import type { MemoryReport } from "../kernels.ts";
import type { KernelResult } from "./gpu-js.ts";

/** What the host knows about indices, beyond their numbers on the device. */
export type IndexKnowledge =
  /** They came from the host: bounds can be checked, and who adds to which element can be listed. */
  | { readonly kind: "listed"; readonly values: Int32Array }
  /** They came from a max pooling: who adds to an element stands in the windows over it. */
  | { readonly kind: "windows"; readonly geometry: ConvolutionGeometry };

/** The device's side of a storage: only commands of the queue touch it. */
export interface Cell {
  handle: KernelResult | undefined;
  /** Why there are no numbers: the first op that failed on the way here. */
  failure: BackendError | undefined;
}

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
  readonly cell: Cell = { handle: undefined, failure: undefined };
  readonly knowledge: IndexKnowledge | undefined;
  readonly #kept: Storage[] = [];

  constructor(owner: CellOwner, dtype: DType, length: number, knowledge?: IndexKnowledge) {
    super(dtype, length);
    this.owner = owner;
    this.knowledge = knowledge;
    owner.memory.add(this.#bytes);
  }

  get #bytes(): number {
    return this.length * bytesPerElement[this.dtype];
  }

  async read(): Promise<TypedArray> {
    checkAlive(this);
    const values = await this.owner.readCell(this.cell, this.length);
    return this.dtype === "int32" ? Int32Array.from(values) : values;
  }

  /** Hands over the one hold on a storage that is of use only as long as this one lives. */
  keepUntilFreed(storage: Storage): void {
    this.#kept.push(storage);
  }

  protected free(): void {
    for (const storage of this.#kept) storage.release();
    this.owner.memory.remove(this.#bytes);
    this.owner.freeCell(this.cell);
  }
}
