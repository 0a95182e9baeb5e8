/** What is recorded in origins, and when nothing is recorded. */

import { expect, test } from "vitest";
import { tensor } from "../../src/ops/creation.ts";
import { add, multiply } from "../../src/ops/elementwise.ts";
import { matmul } from "../../src/ops/matmul.ts";
import { detach, differentiable, isRecording, noGrad } from "../../src/tape/tape.ts";
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
