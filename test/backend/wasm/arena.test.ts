/** The allocator against a model that knows only which bytes are taken. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Arena } from "../../../src/backend/wasm/host/arena.ts";
import type { Block } from "../../../src/backend/wasm/host/free-blocks.ts";

const start = 64;
const limit = 64 * 1024;

const makeArena = () => {
  let end = 4096;
  return new Arena(start, end, (wanted) => {
    if (wanted > limit) return undefined;
    end = Math.min(limit, Math.max(wanted, end + 2048));
    return end;
  });
};

/** Allocate so many bytes, or free the k-th block held. */
const command = fc.oneof(
  fc.record({ allocate: fc.integer({ min: 0, max: 3000 }) }),
  fc.record({ allocate: fc.constantFrom(0, 1, 63, 64, 65, 128, 4096, 20_000) }),
  fc.record({ free: fc.nat(1000) }),
);
const commands = fc.array(command, { maxLength: 200 });

type Command = { allocate: number } | { free: number };

/** Runs commands and returns every address given; `check` sees the addresses and sizes of the blocks held after each command. */
function run(
  arena: Arena,
  script: readonly Command[],
  check: (held: readonly (readonly [address: number, bytes: number])[], blocks: readonly Block[]) => void = () => {},
): (number | undefined)[] {
  const held: { block: Block; bytes: number }[] = [];
  const given: (number | undefined)[] = [];
  for (const step of script) {
    if ("allocate" in step) {
      const block = arena.allocate(step.allocate);
      given.push(block?.start);
      if (block !== undefined) held.push({ block, bytes: step.allocate });
    } else if (held.length > 0) {
      const [freed] = held.splice(step.free % held.length, 1);
      arena.free(freed!.block);
    }
    check(
      held.map(({ block, bytes }) => [block.start, bytes] as const),
      held.map(({ block }) => block),
    );
  }
  return given;
}

describe("arena", () => {
  it("gives blocks that are aligned, inside the range and disjoint", () => {
    fc.assert(
      fc.property(commands, (script) => {
        run(makeArena(), script, (held) => {
          const sorted = [...held].sort(([a], [b]) => a - b);
          for (const [i, [address, bytes]] of sorted.entries()) {
            expect(address % 64).toBe(0);
            expect(address).toBeGreaterThanOrEqual(start);
            expect(address + bytes).toBeLessThanOrEqual(sorted[i + 1]?.[0] ?? limit);
          }
        });
      }),
    );
  });

  it("gives the same addresses for the same calls", () => {
    fc.assert(
      fc.property(commands, (script) => {
        expect(run(makeArena(), script)).toEqual(run(makeArena(), script));
      }),
    );
  });

  it("counts what is held, and its peak", () => {
    fc.assert(
      fc.property(commands, (script) => {
        const arena = makeArena();
        let peak = 0;
        run(arena, script, (held) => {
          const used = held.reduce((sum, [, bytes]) => sum + Math.max(64, Math.ceil(bytes / 64) * 64), 0);
          peak = Math.max(peak, used);
          expect([arena.used, arena.peak, arena.blocks]).toEqual([used, peak, held.length]);
        });
      }),
    );
  });

  it("joins what was freed: once all is free, one block takes it all", () => {
    fc.assert(
      fc.property(commands, (script) => {
        const arena = makeArena();
        let left: readonly Block[] = [];
        run(arena, script, (_, blocks) => {
          left = blocks;
        });
        for (const block of left) arena.free(block);
        expect(arena.used).toBe(0);
        expect(arena.allocate(limit - start)!.start).toBe(start);
      }),
    );
  });

  it("takes the smallest free block that is large enough", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 20 }),
        fc.integer({ min: 1, max: 40 }),
        (sizes, size) => {
          const arena = new Arena(start, start + 2 ** 20, () => undefined);
          const blocks = sizes.map((granules) => {
            const block = arena.allocate(64 * granules)!;
            arena.allocate(1); // keeps the block apart from the next one
            return block;
          });
          for (const block of blocks) arena.free(block);
          const free = blocks.map((block) => block.size).filter((bytes) => bytes >= 64 * size);
          const [address, after] = [arena.allocate(64 * size)!.start, blocks.at(-1)!.start];
          const taken = sizes[blocks.findIndex((block) => block.start === address)];
          if (free.length > 0) expect(taken).toBe(Math.min(...free) / 64);
          else expect(address).toBeGreaterThan(after);
        },
      ),
    );
  });

  it("ignores a second release", () => {
    fc.assert(
      fc.property(commands, (script) => {
        const arena = makeArena();
        const first = arena.allocate(100)!;
        arena.free(first);
        arena.free(first);
        expect(arena.used).toBe(0);
        run(arena, script, (held) => {
          const ends = [...held].sort(([a], [b]) => a - b);
          for (const [i, [address, bytes]] of ends.entries()) expect(address + bytes).toBeLessThanOrEqual(ends[i + 1]?.[0] ?? limit);
        });
      }),
    );
  });

  it("says no, and stays usable, when growth is refused", () => {
    const arena = makeArena();
    expect(arena.allocate(limit)).toBeUndefined();
    const all = arena.allocate(limit - start)!;
    expect(all.start).toBe(start);
    expect(arena.allocate(1)).toBeUndefined();
    arena.free(all);
    expect(arena.allocate(1)!.start).toBe(start);
  });

  /** The work of requests of `asked` granules where `count` blocks of `freed` granules were freed. */
  const workOf = (count: number, freed: number, asked: number, requests = 100): number => {
    const arena = new Arena(start, 2 ** 32, () => undefined);
    const blocks = Array.from({ length: count }, () => {
      const block = arena.allocate(64 * freed)!;
      arena.allocate(1);
      return block;
    });
    for (const block of blocks) arena.free(block);
    arena.free(arena.allocate(64 * asked)!); // joins what was set aside
    const before = arena.work;
    for (let i = 0; i < requests; i++) arena.free(arena.allocate(64 * asked)!);
    return arena.work - before;
  };

  it.each<[string, number, number]>([
    ["of the size of the free blocks", 64, 64],
    ["a little larger than every free block", 64, 65],
    ["much smaller than the free blocks", 64, 17],
  ])("does the same work for requests %s, however many blocks are free", (_, freed, asked) => {
    expect(workOf(20, freed, asked)).toBeGreaterThan(0);
    expect(workOf(20_000, freed, asked)).toBe(workOf(20, freed, asked));
  });

  it.each([16, 1])("takes a small block back that was set aside, and compares no sizes: %i granules", (asked) => {
    for (const count of [20, 20_000]) expect(workOf(count, 16, asked, 10_000)).toBe(0);
  });

  it("sets 4096 blocks aside at most, and joins them when one more is freed", () => {
    const arena = new Arena(start, 2 ** 32, () => undefined);
    const blocks = Array.from({ length: 4097 }, () => arena.allocate(64)!);
    const before = arena.work;
    for (const block of blocks.slice(1)) arena.free(block);
    expect(arena.work).toBe(before);
    arena.free(blocks[0]!);
    expect(arena.work).toBeGreaterThan(before);
  });

  it("compares at most five sizes for a request that is a little too large for the blocks set aside", () => {
    for (const count of [20, 20_000]) expect(workOf(count, 16, 17)).toBeLessThanOrEqual(5 * 100);
  });
});
