/** When the watch collects, by the rule of docs/architecture.md, and what a collection frees. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { StorageWatch, Watchable } from "../../src/backend/storage-watch.ts";

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

class Thing extends Watchable {}

/** What becomes of a storage. A removed one is forgotten afterwards, as a storage is that a program has released. */
const fates = ["held", "forgotten", "removed in its first job", "removed in a later job"] as const;

test("a collection frees what was forgotten, once, and nothing that is held or was removed", () =>
  fc.assert(
    fc.asyncProperty(fc.array(fc.record({ fate: fc.constantFrom(...fates), turn: fc.nat() }), { maxLength: 12 }), async (plan) => {
      const freed: number[] = [];
      const watch = new StorageWatch<number>(
        () => 0,
        (resource) => freed.push(resource),
      );
      const things: Thing[] = [];
      // A function of its own, because the variables of an asynchronous function hold what they held last.
      const make = (): void => {
        for (const i of plan.keys()) {
          things.push(new Thing());
          watch.add(things[i]!, i);
        }
      };
      const places = (fate: (typeof fates)[number]): number[] => [...plan.keys()].filter((i) => plan[i]!.fate === fate);
      /** Removes each twice, in an order of chance. A second removal does nothing. */
      const remove = (fate: (typeof fates)[number]): void => {
        for (const i of places(fate).sort((a, b) => plan[a]!.turn - plan[b]!.turn))
          for (let time = 0; time < 2; time++) watch.remove(things[i]!);
      };
      make();
      remove("removed in its first job");
      await Promise.resolve();
      remove("removed in a later job");
      const held = places("held").map((i) => things[i]!);
      things.length = 0;
      // The stack of this job may still hold a storage.
      await new Promise(setImmediate);
      for (let time = 0; time < 2; time++) watch.collect();
      expect(freed.toSorted((a, b) => a - b)).toEqual(places("forgotten"));
      // Without a use after the collection, nothing would hold these storages.
      for (const thing of held) watch.remove(thing);
    }),
    { numRuns: 50 },
  ));
