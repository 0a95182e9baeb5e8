/** Launches that share a submission: results are right whatever is freed, overwritten and read meanwhile, and a job submits few batches. */

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Device } from "../../../src/backend/gpu/device.ts";
import { program } from "../../../src/backend/gpu/program.ts";
import type { Storage } from "../../../src/tensor/storage.ts";
import { availability } from "./available-mode.ts";
import { openDevice } from "./open-device.ts";
import { countCalls } from "./recorded-training.ts";

const mix = program({
  name: "test: mix",
  tensors: ["a", "b"],
  floats: ["factor"],
  body: "return factor * a[this.thread.x] + b[this.thread.x] - 1.0;",
});

const webgpu = await availability("webgpu");

describe.skipIf(webgpu.missing !== undefined)("a WebGPU device", () => {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice("webgpu");
    const x = device.upload("float32", [0]);
    const y = device.run(mix, 1, { a: x, b: x, factor: 1 }); // gpu.js compiles and launches it the first time.
    await y.read();
    for (const storage of [x, y]) storage.release();
  });
  afterAll(() => device?.close());

  const moves = fc.array(
    fc.record({ kind: fc.constantFrom("run", "run", "run", "run", "update", "free", "upload", "wait"), i: fc.nat(), j: fc.nat() }),
    { minLength: 100, maxLength: 400 },
  );

  test("gives right results, whatever is freed, overwritten and uploaded between launches", async () => {
    await fc.assert(
      fc.asyncProperty(moves, fc.integer({ min: 1, max: 70 }), async (drawn, length) => {
        const values = Array.from({ length }, (_, at) => at % 5);
        const alive: { storage: Storage; values: number[] }[] = [{ storage: device.upload("float32", values), values }];
        for (const { kind, i, j } of drawn) {
          const [a, b] = [alive[i % alive.length]!, alive[j % alive.length]!];
          // Whole numbers below 2²⁴ are exact, and the remainder keeps them small.
          const result = a.values.map((value, at) => 0.5 * value + b.values[at]! - 1);
          const inputs = { a: a.storage, b: b.storage, factor: 0.5 };
          if (Math.max(...result.map(Math.abs)) > 2 ** 10 || result.some((value) => !Number.isInteger(value * 2 ** 12))) continue;
          if (kind === "run") alive.push({ storage: device.run(mix, length, inputs), values: result });
          if (kind === "update") {
            device.update(a.storage, mix, inputs);
            a.values = result;
          }
          if (kind === "upload") alive.push({ storage: device.upload("float32", b.values), values: b.values });
          if (kind === "wait") await Promise.resolve();
          if (kind === "free" && alive.length > 1) alive.splice(i % alive.length, 1)[0]!.storage.release();
        }
        const read = await Promise.all(alive.map(({ storage }) => storage.read()));
        expect(read.map((each) => Array.from(each))).toEqual(alive.map((each) => each.values));
        for (const { storage } of alive) storage.release();
      }),
      { numRuns: 25 },
    );
  });

  test("submits the launches of a job in batches of 64", async () => {
    await device.fence();
    const { GPUQueue } = globalThis as unknown as { GPUQueue: { prototype: { submit(): unknown } } };
    const submissions = countCalls(GPUQueue.prototype, "submit");
    const x = device.upload("float32", [1, 2]);
    const results = Array.from({ length: 200 }, () => device.run(mix, 2, { a: x, b: x, factor: 1 }));
    await device.fence();
    expect(submissions()).toBe(4);
    for (const storage of [x, ...results]) storage.release();
  });

  test("destroys what gpu.js made when no recorded launch reads it any more", async () => {
    const small = await openDevice("webgpu", { kernels: 2 });
    const plus = (k: number) => program({ name: `test: plus ${k}`, tensors: ["x"], body: `return x[this.thread.x] + ${k}.0;` });
    const x = small.upload("float32", [1, 2]);
    // The kernel of y is no longer in the cache, so it is destroyed with y.
    const y = small.run(plus(1), 2, { x });
    const others = [2, 3].map((k) => small.run(plus(k), 2, { x }));
    await small.fence();
    const z = small.run(plus(3), 2, { x: y });
    y.release();
    expect(Array.from(await z.read())).toEqual([5, 6]);
    for (const storage of [x, z, ...others]) storage.release();
    small.close();
  });

  test("keeps buffers for later results, and makes no others where the same step is repeated", async () => {
    const step = (): void => {
      const x = device.upload("float32", new Float32Array(300));
      const results = Array.from({ length: 20 }, () => device.run(mix, 300, { a: x, b: x, factor: 1 }));
      for (const storage of [x, ...results]) storage.release();
    };
    step();
    await device.fence();
    const { GPUDevice } = globalThis as unknown as { GPUDevice: { prototype: { createBuffer(): unknown } } };
    const buffers = countCalls(GPUDevice.prototype, "createBuffer");
    step();
    await device.fence();
    expect(buffers()).toBe(0);
  });
});
