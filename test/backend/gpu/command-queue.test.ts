import fc from "fast-check";
import { expect, test } from "vitest";
import { CommandQueue } from "../../../src/backend/gpu/command-queue.ts";

const unheard = (error: unknown): never => {
  throw error;
};

/** Lets other work of the event loop in so many times. */
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await null;
}

/** A command that notes when it begins and ends: synchronous for 0 turns, failing where it is told to. */
interface Planned {
  readonly turns: number;
  readonly fails: boolean;
}

test("commands run one after the other in the order they came, whatever they take and whether they fail", async () => {
  const planned = fc.array(fc.record({ turns: fc.nat(3), fails: fc.boolean() }), { maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(planned, async (plan: Planned[]) => {
      const faults: unknown[] = [];
      const queue = new CommandQueue((error) => faults.push(error));
      const seen: string[] = [];
      for (const [i, { turns: wait, fails }] of plan.entries()) {
        const finish = (): void => {
          seen.push(`end ${i}`);
          if (fails) throw i;
        };
        queue.push(() => {
          seen.push(`begin ${i}`);
          return wait === 0 ? finish() : turns(wait).then(finish);
        });
      }
      await queue.fence();
      expect(seen).toEqual(plan.flatMap((_, i) => [`begin ${i}`, `end ${i}`]));
      expect(faults).toEqual(plan.flatMap(({ fails }, i) => (fails ? [i] : [])));
    }),
  );
});

test("a command runs at once when none is under way", () => {
  const queue = new CommandQueue(unheard);
  const seen: number[] = [];
  queue.push(() => void seen.push(1));
  expect(seen).toEqual([1]);
});

test("a fence waits for what came before it and not for what came after", async () => {
  const queue = new CommandQueue(unheard);
  const seen: string[] = [];
  let release = (): void => {};
  queue.push(() => turns(3).then(() => void seen.push("before")));
  const fence = queue.fence().then(() => seen.push("fence"));
  queue.push(
    () =>
      new Promise((resolve) => {
        release = resolve;
      }),
  );
  await fence;
  expect(seen).toEqual(["before", "fence"]);
  release();
  await queue.fence();
});

test("what a command pushes comes after it, and after what was waiting", async () => {
  const queue = new CommandQueue(unheard);
  const seen: string[] = [];
  queue.push(() => turns(1));
  queue.push(() => {
    seen.push("first begins");
    queue.push(() => void seen.push("from within"));
    seen.push("first ends");
  });
  queue.push(() => void seen.push("second"));
  await queue.fence();
  await queue.fence();
  expect(seen).toEqual(["first begins", "first ends", "second", "from within"]);
});

test("a line of thousands that is added to while it runs keeps its order", async () => {
  const queue = new CommandQueue(unheard);
  const seen: number[] = [];
  let next = 0;
  const push = (): void => {
    const number = next++;
    queue.push(async () => {
      await null;
      seen.push(number);
      if (next < 9000) push();
    });
  };
  for (let i = 0; i < 3000; i++) push();
  while (seen.length < 9000) await queue.fence();
  expect(seen).toEqual(Array.from({ length: 9000 }, (_, i) => i));
});
