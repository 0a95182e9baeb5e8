/** scope() frees the tensors that were made in it and no others, whether it returns or throws. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { memory } from "../../src/backend/active.ts";
import { BackendError, ConfigError } from "../../src/core/errors.ts";
import { tensor } from "../../src/ops/creation.ts";
import { add, multiply } from "../../src/ops/elementwise.ts";
import { reshape } from "../../src/ops/reshape.ts";
import { keep, scope } from "../../src/tensor/scope.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";

onReferenceBackend();

const one = (): Tensor => tensor([1]);

test("frees everything made inside except what it returns", async () => {
  const x = one();
  const y = scope(() => add(multiply(x, 2), 1));
  expect(memory().storages).toBe(2);
  expect(await y.item()).toBe(3);
  y.dispose();
  expect([memory().storages, x.storage.alive]).toEqual([1, true]);
});

class Pair {
  readonly first: Tensor;
  readonly rest: readonly Tensor[];
  constructor(first: Tensor, ...rest: readonly Tensor[]) {
    this.first = first;
    this.rest = rest;
  }
}

describe.each<[string, (t: () => Tensor) => unknown, number]>([
  ["a tensor", (t) => t(), 1],
  ["an array in an array", (t) => [t(), [t()], 5], 2],
  ["an object", (t) => ({ a: t(), b: { c: t() }, d: "no", e: undefined, f: null }), 2],
  [
    "a map, keys too",
    (t) =>
      new Map<unknown, unknown>([
        ["a", t()],
        [t(), 1],
      ]),
    2,
  ],
  ["a set", (t) => new Set([t(), t()]), 2],
  ["an instance of a class", (t) => new Pair(t(), t(), t()), 3],
  ["one tensor twice", (t) => ((x) => [x, { x }])(t()), 1],
  ["a typed array", () => new Float32Array(3), 0],
  ["a number", () => 3, 0],
  ["nothing", () => undefined, 0],
])("returning %s", (_, make, count) => {
  test("keeps the returned tensors and no others", () => {
    scope(() => {
      one();
      return make(() => add(one(), 1));
    });
    expect(memory().storages).toBe(count);
  });

  test("passes the returned tensors to the enclosing scope", () => {
    scope(() => {
      scope(() => make(one));
      expect(memory().storages).toBe(count);
    });
    expect(memory().storages).toBe(0);
  });
});

test("a cycle in the returned objects is walked once", () => {
  const loop: { self?: unknown; x: Tensor } = scope(() => {
    const made: { self?: unknown; x: Tensor } = { x: one() };
    made.self = made;
    return made;
  });
  expect([memory().storages, loop.x.storage.alive]).toEqual([1, true]);
});

test("a returned view keeps the storage its source shares", async () => {
  const y = scope(() => reshape(tensor([1, 2]), [2, 1]));
  expect(memory().storages).toBe(1);
  expect([...(await y.data())]).toEqual([1, 2]);
  y.dispose();
  expect(memory().storages).toBe(0);
});

test("a tensor from outside is not freed, even when an inner scope returns it", () => {
  const x = one();
  scope(() => {
    expect(scope(() => [x])).toEqual([x]);
  });
  expect(x.storage.alive).toBe(true);
});

test("an exception frees everything made inside, also in inner scopes", () => {
  expect(() =>
    scope(() => {
      one();
      scope(() => {
        one();
        throw new Error("within");
      });
    }),
  ).toThrow("within");
  expect(memory().storages).toBe(0);
  // The scopes are closed too, so a new tensor belongs to none of them.
  expect(one().storage.alive).toBe(true);
});

test("keep lets a tensor outlive every open scope", () => {
  const kept = scope(() => {
    let inner: Tensor | undefined;
    scope(() => {
      inner = keep(one());
    });
    return [inner!.shape];
  });
  expect(kept).toEqual([[1]]);
  expect(memory().storages).toBe(1);
});

test("an asynchronous body is refused, its tensors are freed, and its rejection is handled", async () => {
  expect(() =>
    scope(async () => {
      const x = one();
      await x.data();
      add(x, 1);
    }),
  ).toThrow(ConfigError);
  expect(memory().storages).toBe(0);
  await new Promise((resolve) => setImmediate(resolve));
});

test("using a freed tensor is an error that says what to do; disposing a tensor twice is not an error", async () => {
  const x = one();
  x.dispose();
  x.dispose();
  expect(memory().storages).toBe(0);
  expect(() => add(x, 1)).toThrow(BackendError);
  expect(() => add(x, 1)).toThrow(/freed.*scope\(\)/);
  expect(() => reshape(x, [1, 1])).toThrow(BackendError);
  await expect(x.data()).rejects.toThrow(BackendError);
});

test("a tensor disposed inside its scope is not disposed again", () => {
  scope(() => {
    const x = one();
    const view = reshape(x, []);
    x.dispose();
    expect(view.storage.alive).toBe(true);
  });
  expect(memory().storages).toBe(0);
});

test("after any sequence of steps, the number of storages is that of the tensors alive", () => {
  type Step = "make" | "share" | "dispose the last" | "dispose the first" | "open" | "close" | "throw";
  const steps = fc.array(
    fc.constantFrom<Step>("make", "make", "make", "share", "dispose the last", "dispose the first", "open", "close", "throw"),
    { maxLength: 30 },
  );
  fc.assert(
    fc.property(steps, fc.boolean(), (list, returns) => {
      const start = memory().storages;
      const queue = [...list];
      const run = (): Tensor[] => {
        const own: Tensor[] = [];
        for (let step = queue.shift(); step !== undefined; step = queue.shift()) {
          if (step === "make") own.push(one());
          else if (step === "share" && own.length > 0) own.push(reshape(own[0]!, [1, 1]));
          else if (step === "dispose the last") own.pop()?.dispose();
          else if (step === "dispose the first") own.shift()?.dispose();
          else if (step === "open") own.push(...scope(run));
          else if (step === "close") break;
          else if (step === "throw") {
            try {
              scope(() => {
                one();
                throw new RangeError("within");
              });
            } catch (error) {
              expect(error).toBeInstanceOf(RangeError);
            }
          }
        }
        return returns ? own : [];
      };
      const left = scope(run);
      const alive = new Set(left.filter((t) => t instanceof Tensor && t.storage.alive).map((t) => t.storage));
      expect(memory().storages - start).toBe(alive.size);
      for (const t of left) t.dispose();
      expect(memory().storages).toBe(start);
    }),
    { numRuns: 300 },
  );
});
