import fc from "fast-check";
import { expect, test } from "vitest";
import { CommandQueue } from "../../../src/backend/gpu/command-queue.ts";

const unexpected = (error: unknown): never => {
  throw error;
};

/** Waits for this many microtasks. */
async function microtasks(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await null;
}

/** A command that records its begin and end. It is synchronous when it waits for 0 microtasks. */
interface Planned {
  readonly wait: number;
  readonly fails: boolean;
}

test("commands run one after the other in the order of their push, synchronous or not, failing or not", async () => {
  const planned = fc.array(fc.record({ wait: fc.nat(3), fails: fc.boolean() }), { maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(planned, async (plan: Planned[]) => {
      const errors: unknown[] = [];
      const queue = new CommandQueue((error) => errors.push(error));
      const seen: string[] = [];
      for (const [i, { wait, fails }] of plan.entries()) {
        const finish = (): void => {
          seen.push(`end ${i}`);
          if (fails) throw i;
        };
        queue.push(() => {
          seen.push(`begin ${i}`);
          return wait === 0 ? finish() : microtasks(wait).then(finish);
        });
      }
      await queue.fence();
      expect(seen).toEqual(plan.flatMap((_, i) => [`begin ${i}`, `end ${i}`]));
      expect(errors).toEqual(plan.flatMap(({ fails }, i) => (fails ? [i] : [])));
    }),
  );
});

test("a command runs at once when no other is running", () => {
  const queue = new CommandQueue(unexpected);
  const seen: number[] = [];
  queue.push(() => void seen.push(1));
  expect(seen).toEqual([1]);
});

test("a fence waits for the commands before it and not for those after it", async () => {
  const queue = new CommandQueue(unexpected);
  const seen: string[] = [];
  let release = (): void => {};
  queue.push(() => microtasks(3).then(() => void seen.push("before")));
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

test("a command pushed by a command runs after all waiting commands", async () => {
  const queue = new CommandQueue(unexpected);
  const seen: string[] = [];
  queue.push(() => microtasks(1));
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

test("a queue of thousands of commands that grows while it runs keeps its order", async () => {
  const queue = new CommandQueue(unexpected);
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
