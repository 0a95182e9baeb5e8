/** A tensor has a shape and holds a storage. */

import { expect, test } from "vitest";
import { kernels, memory } from "../../src/backend/active.ts";
import { ShapeError } from "../../src/core/errors.ts";
import { tensor } from "../../src/ops/creation.ts";
import { share, Tensor } from "../../src/tensor/tensor.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";

onReferenceBackend();

test("the shape must have as many elements as the storage", () => {
  expect(() => new Tensor([2, 2], kernels().full("float32", 6, 0))).toThrow("got [2,2] on 6");
  expect(memory().storages).toBe(0);
  const x = new Tensor([2, 3], kernels().full("float32", 6, 0));
  expect([x.rank, x.size, x.dtype]).toEqual([2, 6, "float32"]);
});

test("item is the one element; for other sizes it is an error that names data()", async () => {
  expect(await tensor([[7]]).item()).toBe(7);
  await expect(tensor([1, 2]).item()).rejects.toThrow(ShapeError);
  await expect(tensor([]).item()).rejects.toThrow("use data()");
});

test("data is a copy", async () => {
  const x = tensor([1, 2]);
  (await x.data())[0] = 5;
  expect([...(await x.data())]).toEqual([1, 2]);
});

test("shared storage lives until its last tensor is disposed", async () => {
  const x = tensor([1, 2]);
  const y = share(x, [2, 1]);
  expect(y.storage).toBe(x.storage);
  x.dispose();
  expect([...(await y.data())]).toEqual([1, 2]);
  y.dispose();
  expect(memory().storages).toBe(0);
});

test("a share with another number of elements is refused and holds no storage", () => {
  const x = tensor([1, 2]);
  expect(() => share(x, [3])).toThrow(ShapeError);
  x.dispose();
  expect(memory().storages).toBe(0);
});
