/** What is recorded in origins, and when nothing is recorded. */

import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { ConfigError } from "../../src/core/errors.ts";
import { tensor } from "../../src/ops/creation.ts";
import { add, multiply } from "../../src/ops/elementwise.ts";
import { matmul } from "../../src/ops/matmul.ts";
import { detach, differentiable, isRecording, noGrad, type Rule } from "../../src/tape/tape.ts";
import { scope } from "../../src/tensor/scope.ts";
import { share, type Tensor } from "../../src/tensor/tensor.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";

onReferenceBackend();

test("the value of an op has an origin with op and inputs; data has none", () => {
  const [a, b] = [tensor([1]), tensor([2])];
  const c = add(a, b);
  expect([c.origin?.op, c.origin?.inputs]).toEqual(["add", [a, b]]);
  expect(a.origin).toBeUndefined();
});

test("the body of an op is not recorded, so the value has one origin only", () => {
  let inner: Tensor | undefined;
  const op = differentiable("twice", (x: Tensor) => {
    expect(isRecording()).toBe(false);
    inner = add(x, x);
    return { inputs: [x], value: share(inner), vjp: [(g) => multiply(g, 2)] };
  });
  expect(op(tensor([1])).origin?.op).toBe("twice");
  expect(inner?.origin).toBeUndefined();
  expect(isRecording()).toBe(true);
});

test("noGrad nests, returns the result of its body, and ends when its body throws", () => {
  expect(noGrad(() => noGrad(() => 7) + Number(isRecording()))).toBe(7);
  expect(isRecording()).toBe(true);
  expect(() =>
    noGrad(() => {
      throw new Error("within");
    }),
  ).toThrow("within");
  expect(isRecording()).toBe(true);
  expect(() =>
    matmul(
      tensor([[1]]),
      tensor([
        [1, 2],
        [3, 4],
      ]),
    ),
  ).toThrow();
  expect(isRecording()).toBe(true);
});

test("detach shares the storage, and survives the original", async () => {
  const x = tensor([1, 2]);
  const y = detach(multiply(x, 2));
  expect(y.origin).toBeUndefined();
  const z = detach(x);
  x.dispose();
  expect([...(await z.data())]).toEqual([1, 2]);
});

/** Bodies whose work is not done when the call returns, and what the error calls their result. */
const unfinished: [string, () => unknown, string][] = [
  ["an async function", async () => add(tensor([1]), await Promise.resolve(1)), "a Promise"],
  ["an async function that fails", async () => Promise.reject(new Error("later")), "a Promise"],
  ["a promise of another realm", () => runInNewContext("Promise.resolve(1)"), "a Promise"],
  // biome-ignore lint/suspicious/noThenProperty: the test needs an object that await would wait for and that is no Promise.
  ["a thenable of a library", () => ({ then: (resolve: (value: number) => void) => resolve(1) }), "a Promise"],
  [
    "a generator",
    function* () {
      yield add(tensor([1]), 1);
    },
    "a generator",
  ],
  [
    "an async generator",
    async function* () {
      yield add(tensor([1]), 1);
    },
    "a generator",
  ],
];

test.each(unfinished)("noGrad, scope and the bodies of ops refuse %s", (_, body, kind) => {
  expect(() => noGrad(body)).toThrow(
    new ConfigError(`noGrad: the body must be synchronous, got ${kind}; call noGrad again after each await`),
  );
  expect(() => scope(body)).toThrow(`scope: the body must be synchronous, got ${kind}; return the tensors and call data() outside`);
  expect(() => differentiable("late", body as () => Rule)()).toThrow(`late: the body must be synchronous, got ${kind}`);
  expect(isRecording()).toBe(true);
});
