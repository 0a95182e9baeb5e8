/** The allocator against a model that knows only which bytes are taken. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Arena } from "../../../src/backend/wasm/host/arena.ts";

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

/** Runs commands and returns every address given; `check` sees the blocks held after each. */
function run(
  arena: Arena,
  script: readonly Command[],
  check: (held: readonly [number, number][]) => void = () => {},
): (number | undefined)[] {
  const held: [number, number][] = [];
  const given: (number | undefined)[] = [];
  for (const step of script) {
    if ("allocate" in step) {
      const address = arena.allocate(step.allocate);
      given.push(address);
      if (address !== undefined) held.push([address, step.allocate]);
    } else if (held.length > 0) {
      const [[address]] = held.splice(step.free % held.length, 1) as [[number, number]];
      arena.free(address);
    }
    check(held);
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
        let left: readonly [number, number][] = [];
        run(arena, script, (held) => {
          left = held;
        });
        for (const [address] of left) arena.free(address);
        expect(arena.used).toBe(0);
        expect(arena.allocate(limit - start)).toBe(start);
      }),
    );
  });

  it("ignores a second release and addresses it never gave", () => {
    fc.assert(
      fc.property(commands, fc.nat(limit), (script, stray) => {
        const arena = makeArena();
        const first = arena.allocate(100)!;
        arena.free(first);
        arena.free(first);
        if (stray !== first) arena.free(stray);
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
    expect(arena.allocate(limit - start)).toBe(start);
    expect(arena.allocate(1)).toBeUndefined();
    arena.free(start);
    expect(arena.allocate(1)).toBe(start);
  });
});
