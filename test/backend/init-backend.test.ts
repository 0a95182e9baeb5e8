/** initBackend and disposeBackend: one backend at a time, and nothing left behind. */

import { afterEach, expect, test } from "vitest";
import { disposeBackend, initBackend, kernels, memory, useBackend } from "../../src/backend/active.ts";
import type { WasmBackend } from "../../src/backend/wasm/wasm-backend.ts";
import { BackendError } from "../../src/core/errors.ts";
import { tensor } from "../../src/ops/creation.ts";
import { add } from "../../src/ops/elementwise.ts";

afterEach(() => disposeBackend());

const wasm = (): WasmBackend => kernels() as WasmBackend;

test("sixty calls with one request give one backend, and its tensors stay", async () => {
  const first = await initBackend(["wasm"], { threads: 2 });
  const [backend, x] = [kernels(), tensor([1])];
  for (let i = 0; i < 59; i++) expect(await initBackend(["wasm"], { threads: 2 })).toEqual(first);
  expect(kernels()).toBe(backend);
  expect(await add(x, 1).item()).toBe(2);
});

test("calls side by side give one backend", async () => {
  await Promise.all(Array.from({ length: 5 }, () => initBackend(["wasm"], { threads: 2 })));
  const backend = kernels();
  await initBackend(["wasm"], { threads: 2 });
  expect(kernels()).toBe(backend);
});

test("another request ends the threads of the backend before; its tensors can be read, and computing with them is an error", async () => {
  await initBackend(["wasm"], { threads: 2 });
  const [before, x] = [wasm(), tensor([5])];
  await initBackend(["wasm"], { threads: 1 });
  expect(before.disposed).toBe(true);
  expect(kernels()).not.toBe(before);
  expect(() => add(x, 1)).toThrow(BackendError);
  expect(await x.item()).toBe(5);
});

test("a request that no backend can meet leaves the active backend as it is", async () => {
  await initBackend(["reference"]);
  const backend = kernels();
  const broken = { name: "broken", create: () => Promise.reject(new BackendError("broken: no device; try another")) };
  await expect(initBackend([broken])).rejects.toThrow(/broken: no device/);
  expect(kernels()).toBe(backend);
});

test("makers are the same request where they say so, and not otherwise", async () => {
  const { createReferenceBackend } = await import("../../src/backend/reference/reference-kernels.ts");
  const maker = (request?: string) => ({
    name: "own",
    ...(request === undefined ? {} : { request }),
    create: async () => createReferenceBackend(),
  });
  const backendOf = async (request?: string) => {
    await initBackend([maker(request)]);
    return kernels();
  };
  const first = await backendOf("a");
  expect(await backendOf("a")).toBe(first);
  expect(await backendOf("b")).not.toBe(first);
  const nameless = await backendOf();
  expect(await backendOf()).not.toBe(nameless);
});

test("disposeBackend ends threads and leaves no backend; initBackend then starts a new one", async () => {
  await initBackend(["wasm"], { threads: 2 });
  const before = wasm();
  disposeBackend();
  disposeBackend();
  expect(before.disposed).toBe(true);
  expect(() => memory()).toThrow(/no backend is active/);
  await initBackend(["wasm"], { threads: 2 });
  expect(kernels()).not.toBe(before);
  expect(await add(tensor([1]), 1).item()).toBe(2);
});

test("a backend whose thread died is replaced by the next call with the same request", async () => {
  await initBackend(["wasm"], { threads: 2 });
  const before = wasm();
  await before.workers[0]!.terminate();
  await initBackend(["wasm"], { threads: 2 });
  expect(kernels()).not.toBe(before);
});

test("useBackend does not end what initBackend made", async () => {
  await initBackend(["wasm"], { threads: 1 });
  const backend = kernels();
  useBackend(undefined);
  await initBackend(["wasm"], { threads: 1 });
  expect(kernels()).toBe(backend);
});
