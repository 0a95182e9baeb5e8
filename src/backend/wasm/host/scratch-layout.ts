/** Working memory for one call, planned before it is allocated. */

/** Blocks start on cache lines, so that no two threads write to the same line. */
export const cacheLine = 64;

export const wholeLines = (bytes: number): number => Math.ceil(bytes / cacheLine) * cacheLine;

/** Hands out offsets from front to back. `bytes` is what has been handed out in all. */
export class ScratchLayout {
  bytes = 0;

  /** The offset of a block of `bytes` bytes. */
  take(bytes: number): number {
    const offset = this.bytes;
    this.bytes += wholeLines(bytes);
    return offset;
  }
}
