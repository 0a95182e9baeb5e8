/** When the watch collects: the rule of docs/architecture.md, written as a table. */

import { expect, test } from "vitest";
import { StorageWatch } from "../../src/backend/storage-watch.ts";

const mebi = 2 ** 20;

/** A watch over `used` MiB of memory, with the number of bytes by which the memory may grow before a collection is due. */
function watchOf(limit?: number) {
  const state = { used: 0 };
  const watch = new StorageWatch<number>(
    () => state.used * mebi,
    () => {},
    limit === undefined ? undefined : limit * mebi,
  );
  return {
    collectAt(used: number): void {
      state.used = used;
      watch.collect();
    },
    /** The largest use, in MiB, at which no collection is due. */
    expectDueAbove(most: number): void {
      for (const used of [0, most / 2, most]) {
        state.used = used;
        expect(watch.isDue((most - used) * mebi)).toBe(false);
        expect(watch.isDue((most - used) * mebi + 1)).toBe(true);
      }
    },
  };
}

test("without a limit, a collection is due above 256 MiB, and then above twice what the last one left", () => {
  const watch = watchOf();
  watch.expectDueAbove(256);
  for (const [left, most] of [
    [300, 600],
    [128, 256],
    [129, 258],
    [10, 256],
    [0, 256],
  ] as const) {
    watch.collectAt(left);
    watch.expectDueAbove(most);
  }
});

test("with a limit, a collection is due half-way from what the last one left to the limit, if that is less", () => {
  const small = watchOf(100);
  small.expectDueAbove(50);
  small.collectAt(40);
  small.expectDueAbove(70);
  small.collectAt(98);
  small.expectDueAbove(99);

  const large = watchOf(1000);
  large.expectDueAbove(256);
  large.collectAt(300);
  large.expectDueAbove(600);
  // Twice 400 is more than (400 + 1000)/2.
  large.collectAt(400);
  large.expectDueAbove(700);
});
