/**
 * A best-fit allocator over one growing range of addresses: it decides which block owns which bytes of the arena. It computes with
 * addresses and never touches the memory.
 *
 * A request gets a block of the smallest free size that holds it. A freed block merges with its free neighbours, so free neighbours never
 * stay too small for a request that both together could serve. The same sequence of calls gives the same addresses, because nothing depends
 * on time or hashing.
 *
 * Small blocks come and go with every op, so a small freed block is set aside first. The next request of its size takes it back without a
 * search. The blocks set aside merge with their neighbours when a small request finds none of its size, and before the range grows.
 *
 * Blocks know their neighbours, so no table is keyed by address. (A JavaScript Map keeps a deleted key in its hash chain until it rehashes.
 * A large Map in which one key comes and goes therefore takes quadratic time.)
 */

import { type Block, FreeBlocks, granule } from "./free-blocks.ts";

const roundUp = (bytes: number): number => Math.max(granule, Math.ceil(bytes / granule) * granule);

/** The largest size that is set aside, in granules, and the most blocks that wait. */
const setAsideGranules = 16;
const setAsideBlocks = 4096;

const freeBlock = (start: number, size: number, before: Block | undefined, after: Block | undefined): Block => ({
  start,
  size,
  taken: false,
  setAside: false,
  before,
  after,
  previousOfSize: undefined,
  nextOfSize: undefined,
});

export class Arena {
  /** Extends the range to hold at least `end` bytes and returns its new end, or undefined where that is impossible. */
  readonly #grow: (end: number) => number | undefined;
  readonly #free = new FreeBlocks();
  /** The blocks set aside, by their size in granules. */
  readonly #aside: readonly Block[][] = Array.from({ length: setAsideGranules + 1 }, () => []);
  #waiting = 0;
  /** The block at the end of the range. */
  #last: Block | undefined;
  #end: number;
  #used = 0;
  #peak = 0;
  #blocks = 0;

  constructor(start: number, end: number, grow: (end: number) => number | undefined) {
    this.#grow = grow;
    this.#end = start;
    if (end > start) this.#extendTo(end);
  }

  get used(): number {
    return this.#used;
  }

  get peak(): number {
    return this.#peak;
  }

  /** The number of taken blocks. */
  get blocks(): number {
    return this.#blocks;
  }

  /** How many sizes of free blocks the allocator has compared or moved so far. */
  get work(): number {
    return this.#free.work;
  }

  resetPeak(): void {
    this.#peak = this.#used;
  }

  /** A new block, or undefined where no free block is large enough and the range cannot grow. */
  allocate(bytes: number): Block | undefined {
    const size = roundUp(bytes);
    const block = this.#takeBack(size) ?? this.#search(size);
    if (block === undefined) return undefined;
    this.#blocks++;
    this.#used += block.size;
    this.#peak = Math.max(this.#peak, this.#used);
    return block;
  }

  /** Frees a block. A second call with the same block changes nothing. */
  free(block: Block): void {
    if (!block.taken || block.setAside) return;
    this.#blocks--;
    this.#used -= block.size;
    if (block.size > setAsideGranules * granule) {
      this.#join(block);
      return;
    }
    block.setAside = true;
    this.#aside[block.size / granule]!.push(block);
    if (++this.#waiting > setAsideBlocks) this.#joinWaiting();
  }

  /** A block of a small `size` that was set aside. Where there is none, all blocks set aside are joined, so that a search finds them. */
  #takeBack(size: number): Block | undefined {
    const block = this.#aside[size / granule]?.pop();
    if (block !== undefined) {
      block.setAside = false;
      this.#waiting--;
    } else if (size <= setAsideGranules * granule) this.#joinWaiting();
    return block;
  }

  /** Joins the blocks set aside with their free neighbours. */
  #joinWaiting(): void {
    if (this.#waiting === 0) return;
    this.#waiting = 0;
    for (const blocks of this.#aside) {
      for (const block of blocks) {
        block.setAside = false;
        this.#join(block);
      }
      blocks.length = 0;
    }
  }

  /** A block from the free ones or from beyond the end, cut to `size`; undefined where the range cannot grow. */
  #search(size: number): Block | undefined {
    let block = this.#free.smallest(size);
    if (block === undefined && this.#waiting > 0) {
      this.#joinWaiting();
      block = this.#free.smallest(size);
    }
    if (block === undefined) {
      // A free block at the end of the range is extended, so that growth adds only what is missing.
      const tail = this.#last !== undefined && !this.#last.taken ? this.#last.start : this.#end;
      const end = this.#grow(tail + size);
      if (end === undefined) return undefined;
      block = this.#extendTo(end);
    }
    this.#free.remove(block);
    if (block.size > size) this.#split(block, size);
    block.taken = true;
    return block;
  }

  /** Adds the addresses up to `end` to the range, and returns the free block at its end. */
  #extendTo(end: number): Block {
    const block = freeBlock(this.#end, end - this.#end, this.#last, undefined);
    if (this.#last !== undefined) this.#last.after = block;
    this.#last = block;
    this.#end = end;
    return this.#join(block);
  }

  /** Shortens a block to `size` bytes. The rest becomes a free block. */
  #split(block: Block, size: number): void {
    const { after } = block;
    const rest = freeBlock(block.start + size, block.size - size, block, after);
    if (after === undefined) this.#last = rest;
    else after.before = rest;
    block.after = rest;
    block.size = size;
    this.#free.add(rest);
  }

  /** Makes one free block of a block and its free neighbours, and returns it. */
  #join(block: Block): Block {
    block.taken = false;
    const { before, after } = block;
    if (after !== undefined && !after.taken) {
      this.#free.remove(after);
      this.#absorb(block, after);
    }
    if (before === undefined || before.taken) {
      this.#free.add(block);
      return block;
    }
    this.#free.remove(before);
    this.#absorb(before, block);
    this.#free.add(before);
    return before;
  }

  /** Appends the block that follows `block` to it. */
  #absorb(block: Block, following: Block): void {
    block.size += following.size;
    block.after = following.after;
    if (following.after === undefined) this.#last = block;
    else following.after.before = block;
  }
}
