/** The lifetime of kernels: the cache keeps the most recently used ones, and a result keeps its kernel as long as it may be read. */

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Device } from "../../../src/backend/gpu/device.ts";
import type { Gpu, GpuKernel } from "../../../src/backend/gpu/gpu-js.ts";
import { gpuModes } from "../../../src/backend/gpu/gpu-mode.ts";
import { type CountedKernel, KernelCache } from "../../../src/backend/gpu/kernel-cache.ts";
import { type Program, program } from "../../../src/backend/gpu/program.ts";
import { availability } from "./available-mode.ts";
import { openDevice } from "./open-device.ts";

/** A gpu.js that records which of its kernels are alive. */
function recordingGpu() {
  const alive = new Set<GpuKernel>();
  let made = 0;
  const createKernel = (): GpuKernel => {
    made++;
    const kernel: GpuKernel = Object.assign(() => new Float32Array(0), {
      setOutput: () => {},
      destroy: () => {
        if (!alive.delete(kernel)) throw new Error("destroyed twice");
      },
      kernel: { context: undefined },
    });
    alive.add(kernel);
    return kernel;
  };
  const gpu: Gpu = { createKernel, addFunction: () => {}, destroy: () => {} };
  return { gpu, alive, made: () => made };
}

const named = (name: string | number): Program =>
  program({ name: `plus ${name}`, tensors: ["x"], body: `return x[this.thread.x] + ${name}.0;` });

test("the cache holds the most recently used programs and creates each kernel once while it holds it", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), fc.array(fc.nat(7), { maxLength: 60 }), (capacity, uses) => {
      const { gpu, alive, made } = recordingGpu();
      const cache = new KernelCache(gpu, gpuModes.cpu, capacity);
      let [recent, expected]: [number[], number] = [[], 0];
      for (const use of uses) {
        if (!recent.includes(use)) expected++;
        recent = [use, ...recent.filter((other) => other !== use)].slice(0, capacity);
        cache.get(named(use), [1]);
        expect([cache.size, alive.size, made()]).toEqual([recent.length, recent.length, expected]);
      }
    }),
  );
});

test("a kernel is destroyed once, when the cache and all holders have released it", () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 20 }), (moves) => {
      const { gpu, alive } = recordingGpu();
      const cache = new KernelCache(gpu, gpuModes.cpu, 8);
      const kernel: CountedKernel = cache.get(named(1), [1]);
      let holders = 0;
      for (const retain of moves) {
        if (retain) kernel.retain();
        else if (holders > 0) kernel.release();
        holders = Math.max(0, holders + (retain ? 1 : -1));
      }
      cache.drop("plus 1");
      cache.drop("plus 1");
      for (; holders > 0; holders--) {
        expect(alive.size).toBe(1);
        kernel.release();
      }
      expect(alive.size).toBe(0);
    }),
  );
});

describe.each([await availability("cpu"), await availability("webgpu")])("on $title", ({ mode, missing }) => {
  describe.skipIf(missing !== undefined)("", () => {
    let device: Device;
    beforeAll(async () => {
      device = await openDevice(mode, { kernels: 2 });
    });
    afterAll(() => device?.close());

    test("programs that were dropped from the cache are compiled again and compute the same", async () => {
      const x = device.upload("float32", [0.5, 1.5]);
      for (let i = 0; i < 10; i++) {
        const y = device.run(named(i % 4), 2, { x });
        expect([...(await y.read())]).toEqual([0.5 + (i % 4), 1.5 + (i % 4)]);
        y.release();
      }
      x.release();
      await device.fence();
      expect(device.counters).toMatchObject({ kernels: 2, handles: 1 }); // The handle is that of the placeholder for empty tensors.
    });

    test("results can be read after their kernels were dropped from the cache", async () => {
      const x = device.upload("float32", [0.5]);
      const results = Array.from({ length: 6 }, (_, i) => device.run(named(i), 1, { x }));
      await device.fence();
      expect(device.counters.kernels).toBe(2);
      for (const [i, y] of results.entries()) expect([...(await y.read())]).toEqual([0.5 + i]);
      for (const y of [x, ...results]) y.release();
    });

    test("a pending read survives the release of its storage and kernel", async () => {
      const x = device.upload(
        "float32",
        Float32Array.from({ length: 5000 }, (_, i) => i),
      );
      const y = device.run(named(1), 5000, { x });
      const read = y.read();
      y.release();
      const others = [2, 3, 4, 5].map((i) => device.run(named(i), 5000, { x }));
      expect((await read)[4999]).toBe(5000);
      for (const storage of [x, ...others]) storage.release();
    });
  });
});
