/**
 * A best-fit allocator over one growing range of addresses: it decides which block owns which bytes of the arena. It computes with addresses and never
 * touches the memory.
 *
 * Free blocks are binned by size, with four bins to a doubling. A search looks at the blocks of the right bin first, and then takes a block
 * of the next larger bin that has any. A freed block merges with its free neighbours at once, so free neighbours never stay too small for a request that
 * both together could serve. The same sequence of calls gives the same addresses, because nothing depends on time or hashing.
 */

/** Blocks start and end on cache lines, so that results of different threads share no line and vector loads are aligned. */
const granule = 64;

const roundUp = (bytes: number): number => Math.max(granule, Math.ceil(bytes / granule) * granule);

/** The bin of a block of `size` bytes: the logarithm to base 2, in quarters. */
function binOf(size: number): number {
  const granules = size / granule;
  const power = 31 - Math.clz32(granules);
  return power * 4 + Math.floor((granules / 2 ** power - 1) * 4);
}

export class Arena {
  /** Extends the range to hold at least `end` bytes and returns its new end, or undefined where that is impossible. */
  readonly #grow: (end: number) => number | undefined;
  readonly #bins: Set<number>[] = Array.from({ length: 128 }, () => new Set<number>());
  readonly #sizeAt = new Map<number, number>();
  readonly #startOfEnd = new Map<number, number>();
  readonly #taken = new Map<number, number>();
  #end: number;
  #used = 0;
  #peak = 0;

  constructor(start: number, end: number, grow: (end: number) => number | undefined) {
    this.#grow = grow;
    this.#end = end;
    this.#addFree(start, end - start);
  }

  get used(): number {
    return this.#used;
  }

  get peak(): number {
    return this.#peak;
  }

  get blocks(): number {
    return this.#taken.size;
  }

  resetPeak(): void {
    this.#peak = this.#used;
  }

  /** The address of a new block, or undefined where no free block is large enough and the range cannot grow. */
  allocate(bytes: number): number | undefined {
    const size = roundUp(bytes);
    let start = this.#find(size);
    if (start === undefined) {
      // A free block at the end of the range is extended, so that growth adds only what is missing.
      const tail = this.#startOfEnd.get(this.#end) ?? this.#end;
      const end = this.#grow(tail + size);
      if (end === undefined) return undefined;
      const added = this.#end;
      this.#end = end;
      this.#release(added, end - added);
      start = tail;
    }
    const available = this.#sizeAt.get(start)!;
    this.#removeFree(start, available);
    if (available > size) this.#addFree(start + size, available - size);
    this.#taken.set(start, size);
    this.#used += size;
    this.#peak = Math.max(this.#peak, this.#used);
    return start;
  }

  /** Frees a block. A call with an address that is not the start of a taken block changes nothing. */
  free(start: number): void {
    const size = this.#taken.get(start);
    if (size === undefined) return;
    this.#taken.delete(start);
    this.#used -= size;
    this.#release(start, size);
  }

  /** The smallest block of the request's own bin that fits, else the first block of the next larger bin that has any. */
  #find(size: number): number | undefined {
    const bin = binOf(size);
    let best: number | undefined;
    let bestSize = Number.POSITIVE_INFINITY;
    for (const start of this.#bins[bin]!) {
      const available = this.#sizeAt.get(start)!;
      if (available === size) return start;
      if (available > size && available < bestSize) [best, bestSize] = [start, available];
    }
    if (best !== undefined) return best;
    for (let larger = bin + 1; larger < this.#bins.length; larger++) for (const start of this.#bins[larger]!) return start;
    return undefined;
  }

  #release(start: number, size: number): void {
    let [from, bytes] = [start, size];
    const before = this.#startOfEnd.get(from);
    if (before !== undefined) {
      this.#removeFree(before, from - before);
      bytes += from - before;
      from = before;
    }
    const after = this.#sizeAt.get(start + size);
    if (after !== undefined) {
      this.#removeFree(start + size, after);
      bytes += after;
    }
    this.#addFree(from, bytes);
  }

  #addFree(start: number, size: number): void {
    this.#bins[binOf(size)]!.add(start);
    this.#sizeAt.set(start, size);
    this.#startOfEnd.set(start + size, start);
  }

  #removeFree(start: number, size: number): void {
    this.#bins[binOf(size)]!.delete(start);
    this.#sizeAt.delete(start);
    this.#startOfEnd.delete(start + size);
  }
}
