/**
 * Finds storages that no program can reach any more, and frees what they own: a block of the arena, or a buffer of a device. JavaScript's
 * garbage collector cannot see how much memory that is, so it may not run for a long time. This file therefore also runs the collector
 * itself, once the memory in use has doubled since the last time, or before an allocation fails.
 */

import { collectGarbage, collectsCurrentJob, nextJob } from "./collect-garbage.ts";

/** A storage that outlived the job in which it was made, held weakly. */
interface Watched<Resource> {
  readonly storage: WeakRef<Watchable>;
  readonly resource: Resource;
}

/** What a watch knows of one storage: its resource, its place among the young storages, and later its entry among the watched ones. */
interface Mark {
  readonly resource: unknown;
  place: number;
  entry: Watched<unknown> | undefined;
}

let markOf: (storage: Watchable) => Mark | undefined;
let setMark: (storage: Watchable, mark: Mark | undefined) => void;

/**
 * What a watch can watch. A storage carries its own mark, because every op makes a storage, and a map from storages to marks would cost
 * more.
 */
export abstract class Watchable {
  #mark: Mark | undefined = undefined;

  static {
    markOf = (storage) => storage.#mark;
    setMark = (storage, mark) => {
      storage.#mark = mark;
    };
  }
}

/** Below this number of bytes in use, the collector is left to itself. */
const unwatchedBytes = 256 * 2 ** 20;

export class StorageWatch<Resource> {
  readonly #free: (resource: Resource) => void;
  readonly #used: () => number;
  /** The storages of the current job. Most are released before the job ends, so that no weak reference is ever made for them. */
  readonly #young: Watchable[] = [];
  readonly #watched = new Set<Watched<Resource>>();
  readonly #finalizers = new FinalizationRegistry<Watched<Resource>>((entry) => this.#release(entry));
  #settling = false;
  readonly #limit: number;
  #dueAbove: number;

  /**
   * `used` tells how many bytes all storages take, and `free` frees the resource of a storage that was not released. `limit` is the most
   * that the storages may take; default: no limit.
   */
  constructor(used: () => number, free: (resource: Resource) => void, limit = Number.POSITIVE_INFINITY) {
    this.#used = used;
    this.#free = free;
    this.#limit = limit;
    this.#dueAbove = Math.min(unwatchedBytes, limit / 2);
  }

  /** Watches a new storage. `resource` must not refer to the storage. */
  add(storage: Watchable, resource: Resource): void {
    setMark(storage, { resource, place: this.#young.push(storage) - 1, entry: undefined });
    if (this.#settling) return;
    this.#settling = true;
    queueMicrotask(() => {
      this.#settling = false;
      this.#settle();
    });
  }

  /** Ends the watch of a storage that was released. */
  remove(storage: Watchable): void {
    const mark = markOf(storage);
    if (mark === undefined) return;
    const entry = mark.entry as Watched<Resource> | undefined;
    if (entry !== undefined) {
      if (this.#watched.delete(entry)) this.#finalizers.unregister(storage);
      return;
    }
    setMark(storage, undefined);
    const last = this.#young.pop()!;
    if (last === storage) return;
    this.#young[mark.place] = last;
    markOf(last)!.place = mark.place;
  }

  /**
   * Whether to collect before the memory in use grows by `bytes`: it has doubled since the last collection, or is half-way to the limit.
   */
  isDue(bytes: number): boolean {
    return this.#used() + bytes > this.#dueAbove;
  }

  /** Whether `collect` finds storages that were made and dropped in the current job. */
  get reachesCurrentJob(): boolean {
    return collectsCurrentJob();
  }

  /**
   * Collects garbage and frees what the unreachable storages own. The caller must hold every storage that it still uses, because a raw
   * address or buffer does not count as a use.
   */
  collect(): void {
    this.#settle();
    collectGarbage();
    for (const entry of this.#watched) if (entry.storage.deref() === undefined) this.#release(entry);
    const used = this.#used();
    this.#dueAbove = Math.min(Math.max(unwatchedBytes, 2 * used), (used + this.#limit) / 2);
  }

  /** Collects in a job of its own if a collection is due. An `await` of this function lets browsers free what earlier jobs dropped. */
  async collectIfDue(): Promise<void> {
    if (!this.isDue(0)) return;
    await nextJob();
    if (this.isDue(0)) this.collect();
  }

  #settle(): void {
    for (const storage of this.#young) {
      const mark = markOf(storage)!;
      const entry: Watched<Resource> = { storage: new WeakRef(storage), resource: mark.resource as Resource };
      mark.entry = entry;
      this.#watched.add(entry);
      this.#finalizers.register(storage, entry, storage);
    }
    this.#young.length = 0;
  }

  #release(entry: Watched<Resource>): void {
    if (this.#watched.delete(entry)) this.#free(entry.resource);
  }
}
