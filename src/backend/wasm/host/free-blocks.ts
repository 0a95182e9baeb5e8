/**
 * The free blocks of the arena, ordered by size. Blocks of equal size form a linked list, so a block joins or leaves in constant time. The
 * sizes that occur are kept sorted in bins, with four bins to a doubling.
 *
 * A bin has few sizes, however many blocks there are: a bin whose sizes start at s granules covers s/4 sizes, and at most 2²⁶/s blocks of
 * such a size fit into 4 GiB. So a bin holds at most 4096 sizes, and the cost of a search does not grow with the number of blocks.
 */

/** Every block starts and ends at a multiple of this many bytes: a cache line. So results of different threads share no line. */
export const granule = 64;

/** A range of addresses that is either free or taken, with its neighbours in memory and in the list of free blocks of its size. */
export interface Block {
  readonly start: number;
  size: number;
  taken: boolean;
  /** Whether the block was freed and waits, unjoined, for the next request of its size (arena.ts). It counts as taken until then. */
  setAside: boolean;
  /** The block that ends where this one starts. */
  before: Block | undefined;
  /** The block that starts where this one ends. */
  after: Block | undefined;
  previousOfSize: Block | undefined;
  nextOfSize: Block | undefined;
}

/** The sizes of one bin in ascending order, and beside each size the block of this size that was freed last. */
interface Bin {
  readonly sizes: number[];
  readonly newest: Block[];
}

/** The bin of a block of `size` bytes: the logarithm to base 2, in quarters. */
function binOf(size: number): number {
  const granules = size / granule;
  const power = 31 - Math.clz32(granules);
  return power * 4 + Math.floor((granules / 2 ** power - 1) * 4);
}

export class FreeBlocks {
  readonly #bins: readonly Bin[] = Array.from({ length: 128 }, () => ({ sizes: [], newest: [] }));
  #work = 0;

  /** How many sizes were compared or moved so far. */
  get work(): number {
    return this.#work;
  }

  /** A block of the smallest size that is at least `size`. Among blocks of that size, it is the one that was freed last. */
  smallest(size: number): Block | undefined {
    const bin = binOf(size);
    const { sizes, newest } = this.#bins[bin]!;
    const block = newest[this.#position(sizes, size)];
    if (block !== undefined) return block;
    for (let larger = bin + 1; larger < this.#bins.length; larger++) {
      const { newest } = this.#bins[larger]!;
      if (newest.length > 0) return newest[0];
    }
    return undefined;
  }

  add(block: Block): void {
    const { sizes, newest } = this.#bins[binOf(block.size)]!;
    const position = this.#position(sizes, block.size);
    if (sizes[position] === block.size) {
      const next = newest[position]!;
      block.nextOfSize = next;
      next.previousOfSize = block;
      newest[position] = block;
      return;
    }
    this.#work += sizes.length - position;
    sizes.splice(position, 0, block.size);
    newest.splice(position, 0, block);
  }

  remove(block: Block): void {
    const { previousOfSize: previous, nextOfSize: next } = block;
    block.previousOfSize = undefined;
    block.nextOfSize = undefined;
    if (next !== undefined) next.previousOfSize = previous;
    if (previous !== undefined) {
      previous.nextOfSize = next;
      return;
    }
    const { sizes, newest } = this.#bins[binOf(block.size)]!;
    const position = this.#position(sizes, block.size);
    if (next !== undefined) {
      newest[position] = next;
      return;
    }
    this.#work += sizes.length - position;
    sizes.splice(position, 1);
    newest.splice(position, 1);
  }

  /** The position of the first of the ascending `sizes` that is not below `size`. */
  #position(sizes: readonly number[], size: number): number {
    let low = 0;
    let high = sizes.length;
    while (low < high) {
      this.#work++;
      const middle = (low + high) >>> 1;
      if (sizes[middle]! < size) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
