/**
 * Errors on a device. A read throws the error of the op that failed, with the op's name. The process neither hangs nor exits, and the next
 * backend works.
 */

import { afterEach, describe, expect, test } from "vitest";
import { initBackend, useBackend } from "../../../src/backend/active.ts";
import { findAdapter } from "../../../src/backend/gpu/adapter.ts";
import type { Device, DeviceOptions } from "../../../src/backend/gpu/device.ts";
import { createGpuBackend, type GpuBackend } from "../../../src/backend/gpu/gpu-backend.ts";
import { type DeviceHandle, type GpuDevice, type GpuKernel, openGpu } from "../../../src/backend/gpu/gpu-js.ts";
import { gpuModes } from "../../../src/backend/gpu/gpu-mode.ts";
import { program } from "../../../src/backend/gpu/program.ts";
import { createReferenceBackend } from "../../../src/backend/reference/reference-kernels.ts";
import { BackendError } from "../../../src/core/errors.ts";
import { tensor } from "../../../src/ops/creation.ts";
import { add } from "../../../src/ops/elementwise.ts";
import { matmul } from "../../../src/ops/matmul.ts";
import { scope } from "../../../src/tensor/scope.ts";
import { availability } from "./available-mode.ts";
import { openDevice } from "./open-device.ts";

const plusOne = program({ name: "test: plus one", tensors: ["x"], body: "return x[this.thread.x] + 1.0;" });
const broken = program({ name: "test: broken", tensors: ["x"], body: "return x[this.thread.x] + nowhere;" });

const webgpu = await availability("webgpu");
/** The backends and devices to close after the test. */
const made: { dispose(): void }[] = [];
const keep = <T extends { dispose(): void }>(backend: T): T => {
  made.push(backend);
  return backend;
};
const keepDevice = (device: Device): Device => {
  made.push({ dispose: () => device.close() });
  return device;
};
afterEach(() => {
  useBackend(undefined);
  for (const backend of made.splice(0)) backend.dispose();
});

/** The message of a read's rejection, which must be a BackendError. */
async function readError(read: Promise<unknown>): Promise<string> {
  const error = await read.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(BackendError);
  return (error as BackendError).message;
}

describe.each([await availability("cpu"), await availability("webasm"), webgpu])("on $title", ({ mode, missing }) => {
  describe.skipIf(missing !== undefined)("", () => {
    test("a read of a result that depends on a program that does not compile throws the program's name; other programs go on", async () => {
      const device = keepDevice(await openDevice(mode));
      const x = device.upload("float32", [1, 2]);
      const bad = device.run(broken, 2, { x });
      const worse = device.run(plusOne, 2, { x: bad });
      const good = device.run(plusOne, 2, { x });
      for (const read of [bad.read(), worse.read(), worse.read()])
        expect(await readError(read)).toMatch(`${mode}: test: broken failed on the device:`);
      expect([...(await good.read())]).toEqual([2, 3]);
      // A write removes the failure.
      device.write(bad, [5, 6]);
      expect([...(await device.run(plusOne, 2, { x: bad }).read())]).toEqual([6, 7]);
    });

    test("a failed op leaves no handle and no storage behind", async () => {
      const device = keepDevice(await openDevice(mode));
      await device.fence();
      const before = device.counters.handles;
      const x = device.upload("float32", [1, 2]);
      const storages = [x, device.run(broken, 2, { x }), device.run(plusOne, 2, { x })];
      storages.push(device.run(plusOne, 2, { x: storages[1]! }));
      device.update(storages[2]!, broken, { x });
      for (const storage of storages) storage.release();
      await device.fence();
      expect(device.counters.handles).toBe(before);
      expect(device.memory).toMatchObject({ storages: 0, used: 0 });
    });

    test("an error thrown in the middle of a step frees the tensors of the step", async () => {
      const backend = keep(await createGpuBackend(mode));
      useBackend(backend);
      await backend.fence();
      const before = backend.counters().handles;
      expect(() =>
        scope(() => {
          const a = tensor([1, 2, 3, 4], { shape: [2, 2] });
          const b = add(matmul(a, a), a);
          return matmul(b, tensor([1, 2, 3], { shape: [3, 1] })); // [2,2]·[3,1] is an error.
        }),
      ).toThrow("matmul");
      await backend.fence();
      expect(backend.counters().handles).toBe(before);
      expect(backend.memory()).toMatchObject({ storages: 0, used: 0 });
    });

    test("a tensor that is too large for the adapter throws at once, with its size and advice", async () => {
      const backend = keep(await createGpuBackend(mode, { maximumBytes: 4 * 6000 }));
      const rule = `${mode}: a tensor may have at most 6000 elements on this adapter, got 6001; use a smaller batch, or the wasm backend`;
      expect(() => backend.upload("float32", new Float32Array(6001))).toThrow(new BackendError(rule));
      expect(() => backend.full("float32", 6001, 0)).toThrow(new BackendError(rule));
      const column = backend.full("float32", 100, 1);
      const geometry = { batch: 1, m: 100, k: 1, n: 100, transposeA: false, transposeB: false, batchStrideA: 100, batchStrideB: 100 };
      expect(() => backend.matmul(column, column, geometry)).toThrow("at most 6000 elements");
      expect((await backend.full("float32", 6000, 2).read())[5999]).toBe(2);
      expect(backend.memory()).toMatchObject({ storages: 2 });
    });

    test("float64 throws at once", async () => {
      const backend = keep(await createGpuBackend(mode));
      const rule = /devices compute in float32, got float64; use the wasm or reference backend/;
      expect(() => backend.upload("float64", [1])).toThrow(rule);
      expect(() => backend.full("float64", 1, 0)).toThrow(rule);
      expect(() => backend.cast(backend.upload("float32", [1]), "float64")).toThrow(rule);
    });

    test("storages of another backend, freed storages and storages of a disposed backend throw", async () => {
      const [backend, other] = [keep(await createGpuBackend(mode)), keep(await createGpuBackend(mode))];
      const x = backend.upload("float32", [1, 2]);
      for (const foreign of [other.upload("float32", [1, 2]), createReferenceBackend().upload("float32", [1, 2])]) {
        expect(() => backend.unary("exp", foreign)).toThrow("storage: belongs to another backend");
        expect(() => backend.write(foreign, [1, 2])).toThrow("storage: belongs to another backend");
      }
      const freed = backend.upload("float32", [1]);
      freed.release();
      expect(() => backend.unary("exp", freed)).toThrow("storage: used after it was freed");
      expect(await readError(freed.read())).toMatch("storage: used after it was freed");

      const early = x.read();
      const late = backend.unary("exp", x);
      backend.dispose();
      backend.dispose();
      expect(await readError(early)).toMatch("the backend was disposed; call initBackend() again");
      expect(await readError(late.read())).toMatch("the backend was disposed");
      for (const use of [() => backend.upload("float32", [1]), () => backend.unary("exp", x), () => backend.write(x, [3, 4])])
        expect(use).toThrow("the backend was disposed");
      late.release();
      x.release();
      expect([...(await other.upload("float32", [1, 2]).read())]).toEqual([1, 2]);
    });

    test("when gpu.js runs a kernel of another class, the first read throws", async () => {
      const device = keepDevice(await openDevice(mode, {}, { isOfMode: () => false }));
      const { kernelClass } = gpuModes[mode];
      const rule = `${mode}: gpu.js must run a ${kernelClass}, but it ran a kernel of another class; use another backend`;
      const x = device.upload("float32", [1]);
      // In WebGPU an upload takes no kernel.
      if (mode !== "webgpu") expect(await readError(x.read())).toBe(rule);
      expect(await readError(device.run(plusOne, 1, { x }).read())).toBe(rule);
    });
  });
});

describe("a device", () => {
  /** A device on a gpu.js whose kernels all return this handle. */
  async function deviceReturning(handle: Pick<DeviceHandle, "toArray" | "delete">, options: Partial<DeviceOptions> = {}): Promise<Device> {
    const createKernel = (): GpuKernel =>
      Object.assign(() => ({ output: [1], ...handle }), { setOutput: () => {}, destroy: () => {}, kernel: { context: undefined } });
    return openDevice("cpu", options, { gpu: { createKernel, addFunction: () => {}, destroy: () => {} }, isOfMode: () => true });
  }

  test("whose results cannot be freed throws at the next read, which does not hang", async () => {
    const device = await deviceReturning({
      toArray: async () => new Float32Array([7]),
      delete: () => {
        throw new Error("it cannot be deleted");
      },
    });
    const [x, y] = [device.upload("float32", [1]), device.upload("float32", [2])];
    expect([...(await y.read())]).toEqual([7]);
    x.release();
    expect(await readError(y.read())).toBe(
      "cpu: a command failed on the device: it cannot be deleted; call initBackend() again or use another backend",
    );
  });

  test("whose results cannot be read throws the adapter's own error, which it has once all work is complete", async () => {
    let reason: string | undefined;
    const device = await deviceReturning(
      { toArray: () => Promise.reject(new Error("aborted")), delete: () => {} },
      {
        finish: async () => {
          reason = "it was unplugged";
        },
        checkHealth: () => {
          if (reason !== undefined) throw new BackendError(reason);
        },
      },
    );
    expect(await readError(device.upload("float32", [1]).read())).toBe("it was unplugged");
  });

  test("that is lost during a read throws, although the read gave zeros", async () => {
    let lost = false;
    const device = await deviceReturning(
      {
        toArray: () => {
          lost = true;
          return new Float32Array(1);
        },
        delete: () => {},
      },
      {
        checkHealth: () => {
          if (lost) throw new BackendError("it was lost");
        },
      },
    );
    expect(await readError(device.upload("float32", [1]).read())).toBe("it was lost");
  });
});

test("a GL mode in which gpu.js runs another kernel class throws before anything is computed", async () => {
  const { gpu } = await openGpu(gpuModes.cpu);
  const createKernel = (): GpuKernel =>
    Object.assign(() => new Float32Array(1), { setOutput: () => {}, destroy: () => {}, kernel: { context: undefined } });
  const fake = {
    gpu: { ...gpu, createKernel, addFunction: () => {}, destroy: () => {} },
    isOfMode: () => false,
    acquireWebGpu: () => Promise.reject(),
  };
  await expect(findAdapter(gpuModes.webgl2, fake)).rejects.toThrow(
    "webgl2: gpu.js must run a WebGL2Kernel, but it ran a kernel of another class; use another backend",
  );
});

describe.skipIf(webgpu.missing !== undefined)(`a device of ${webgpu.title}`, () => {
  const acquire = async (): Promise<GpuDevice> => (await (await openGpu(gpuModes.webgpu)).acquireWebGpu()).device;
  const lost = /^webgpu: the device was lost \(.+\); call initBackend\(\) again$/;

  test("lost in the middle of a run: reads throw, and initBackend opens a new device", async () => {
    const backend: GpuBackend = keep(await createGpuBackend("webgpu"));
    const x = backend.upload(
      "float32",
      Float32Array.from({ length: 4096 }, (_, i) => i),
    );
    const y = backend.unary("exp", x);
    expect((await x.read())[4095]).toBe(4095);
    // This read may finish before the loss or throw; it must do one of the two, and a value must be right.
    const pendingRead = y.read().then(
      (numbers) => numbers[0],
      (error: unknown) => (error as Error).message,
    );
    const device = await acquire();
    device.destroy();
    const after = backend.unary("sqrt", y);
    expect(await readError(after.read())).toMatch(lost);
    expect(await readError(backend.full("float32", 3, 1).read())).toMatch(lost);
    const values = await pendingRead;
    if (values !== 1) expect(values).toMatch(lost);
    for (const storage of [x, y, after]) storage.release();

    await initBackend([{ name: "webgpu", create: async () => keep(await createGpuBackend("webgpu")) }]);
    expect(await acquire()).not.toBe(device);
    expect([...(await add(tensor([1, 2]), tensor([3, 4])).data())]).toEqual([4, 6]);
  });

  test("lost before a read begins: the read throws and does not hang", async () => {
    const backend = keep(await createGpuBackend("webgpu"));
    const x = backend.full("float32", 16, 1);
    await backend.fence();
    (await acquire()).destroy();
    expect(await readError(x.read())).toMatch(lost);
  });

  test("an error that the device reports late is thrown by the next read of every backend on it, but not by a new backend", async () => {
    const backends = [keep(await createGpuBackend("webgpu")), keep(await createGpuBackend("webgpu"))];
    const storages = backends.map((backend) => backend.full("float32", 4, 1));
    for (const storage of storages) expect((await storage.read())[3]).toBe(1);
    // A buffer of 2⁴⁵ bytes is a validation error. The device reports exhausted memory in the same way.
    const device = (await acquire()) as unknown as { createBuffer(what: { size: number; usage: number }): unknown };
    device.createBuffer({ size: 2 ** 45, usage: 0x80 });
    for (const storage of storages)
      expect(await readError(storage.read())).toMatch(
        /^webgpu: the device reported an error \(.*\); use a smaller batch and call initBackend\(\) again$/,
      );
    const next = keep(await createGpuBackend("webgpu"));
    expect((await next.full("float32", 4, 1).read())[3]).toBe(1);
  });
});
