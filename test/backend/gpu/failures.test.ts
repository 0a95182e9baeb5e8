/** What goes wrong on a device is told at the read, by name, once; the process neither hangs nor dies, and the next backend works. */

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

/** The rejection of a read: a BackendError, whatever its cause. */
async function refusal(read: Promise<unknown>): Promise<string> {
  const error = await read.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(BackendError);
  return (error as BackendError).message;
}

describe.each([await availability("cpu"), await availability("webasm"), webgpu])("on $title", ({ mode, missing }) => {
  describe.skipIf(missing !== undefined)("", () => {
    test("a program that does not compile is named at the read of what needed it, and the others go on", async () => {
      const device = keepDevice(await openDevice(mode));
      const x = device.upload("float32", [1, 2]);
      const bad = device.run(broken, 2, { x });
      const worse = device.run(plusOne, 2, { x: bad });
      const good = device.run(plusOne, 2, { x });
      for (const read of [bad.read(), worse.read(), worse.read()])
        expect(await refusal(read)).toMatch(`${mode}: test: broken failed on the device:`);
      expect([...(await good.read())]).toEqual([2, 3]);
      // Numbers that arrive later take the failure's place.
      device.write(bad, [5, 6]);
      expect([...(await device.run(plusOne, 2, { x: bad }).read())]).toEqual([6, 7]);
    });

    test("a failed op in a scope leaves nothing behind", async () => {
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

    test("an error thrown in mid-step frees what the step made", async () => {
      const backend = keep(await createGpuBackend(mode));
      useBackend(backend);
      await backend.fence();
      const before = backend.counters().handles;
      expect(() =>
        scope(() => {
          const a = tensor([1, 2, 3, 4], { shape: [2, 2] });
          const b = add(matmul(a, a), a);
          return matmul(b, tensor([1, 2, 3], { shape: [3, 1] })); // shapes do not fit
        }),
      ).toThrow("matmul");
      await backend.fence();
      expect(backend.counters().handles).toBe(before);
      expect(backend.memory()).toMatchObject({ storages: 0, used: 0 });
    });

    test("a tensor larger than the adapter takes is refused at once, with its size and a way out", async () => {
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

    test("float64 is refused at once", async () => {
      const backend = keep(await createGpuBackend(mode));
      const rule = /devices compute in float32, got float64; use the wasm or reference backend/;
      expect(() => backend.upload("float64", [1])).toThrow(rule);
      expect(() => backend.full("float64", 1, 0)).toThrow(rule);
      expect(() => backend.cast(backend.upload("float32", [1]), "float64")).toThrow(rule);
    });

    test("storages of another backend, freed ones, and all of a backend that is disposed are refused", async () => {
      const [backend, other] = [keep(await createGpuBackend(mode)), keep(await createGpuBackend(mode))];
      const x = backend.upload("float32", [1, 2]);
      for (const foreign of [other.upload("float32", [1, 2]), createReferenceBackend().upload("float32", [1, 2])]) {
        expect(() => backend.unary("exp", foreign)).toThrow("storage: belongs to another backend");
        expect(() => backend.write(foreign, [1, 2])).toThrow("storage: belongs to another backend");
      }
      const freed = backend.upload("float32", [1]);
      freed.release();
      expect(() => backend.unary("exp", freed)).toThrow("storage: used after it was freed");
      expect(await refusal(freed.read())).toMatch("storage: used after it was freed");

      const early = x.read();
      const late = backend.unary("exp", x);
      backend.dispose();
      backend.dispose();
      expect(await refusal(early)).toMatch("the backend was disposed; call initBackend() again");
      expect(await refusal(late.read())).toMatch("the backend was disposed");
      for (const use of [() => backend.upload("float32", [1]), () => backend.unary("exp", x), () => backend.write(x, [3, 4])])
        expect(use).toThrow("the backend was disposed");
      late.release();
      x.release();
      expect([...(await other.upload("float32", [1, 2]).read())]).toEqual([1, 2]);
    });

    test("a gpu.js that runs another class than promised is refused at the first read", async () => {
      const device = keepDevice(await openDevice(mode, {}, { isOurs: () => false }));
      const { kernelClass } = gpuModes[mode];
      const rule = `${mode}: gpu.js must run a ${kernelClass}, got a ${kernelClass}; this mode does not work here, use another backend`;
      const x = device.upload("float32", [1]);
      expect(await refusal(x.read())).toBe(rule);
      expect(await refusal(device.run(plusOne, 1, { x }).read())).toBe(rule);
    });
  });
});

describe("a device whose results", () => {
  /** A gpu.js that answers everything with this. */
  async function answering(handle: Pick<DeviceHandle, "toArray" | "delete">, options: Partial<DeviceOptions> = {}): Promise<Device> {
    const createKernel = (): GpuKernel =>
      Object.assign(() => ({ output: [1], ...handle }), { setOutput: () => {}, destroy: () => {}, kernel: { context: undefined } });
    return openDevice("cpu", options, { gpu: { createKernel, addFunction: () => {}, destroy: () => {} }, isOurs: () => true });
  }

  test("cannot be freed says so at the next read, which does not wait for ever", async () => {
    const device = await answering({
      toArray: async () => new Float32Array([7]),
      delete: () => {
        throw new Error("it will not go");
      },
    });
    const [x, y] = [device.upload("float32", [1]), device.upload("float32", [2])];
    expect([...(await y.read())]).toEqual([7]);
    x.release();
    expect(await refusal(y.read())).toBe("cpu: a command failed on the device: it will not go");
  });

  test("cannot be read is asked for its own reason, once it has finished", async () => {
    let reason: string | undefined;
    const device = await answering(
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
    expect(await refusal(device.upload("float32", [1]).read())).toBe("it was unplugged");
  });

  test("read as zeros because it was lost meanwhile says that", async () => {
    let lost = false;
    const device = await answering(
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
    expect(await refusal(device.upload("float32", [1]).read())).toBe("it was lost");
  });
});

test("a GL mode that gpu.js runs elsewhere is refused before anything is computed", async () => {
  const { gpu } = await openGpu(gpuModes.cpu);
  class CPUKernel {
    readonly context = undefined;
  }
  const createKernel = (): GpuKernel =>
    Object.assign(() => new Float32Array(1), { setOutput: () => {}, destroy: () => {}, kernel: new CPUKernel() });
  const fake = {
    gpu: { ...gpu, createKernel, addFunction: () => {}, destroy: () => {} },
    isOurs: () => false,
    acquireWebGpu: () => Promise.reject(),
  };
  await expect(findAdapter(gpuModes.webgl2, fake)).rejects.toThrow(
    "webgl2: gpu.js must run a WebGL2Kernel, got a CPUKernel; use another backend",
  );
});

describe.skipIf(webgpu.missing !== undefined)(`a device of ${webgpu.title}`, () => {
  const acquire = async (): Promise<GpuDevice> => (await (await openGpu(gpuModes.webgpu)).acquireWebGpu()).device;
  const lost = /^webgpu: the device was lost \(.+\); call initBackend\(\) again$/;

  test("lost in mid-run: reads under way and later ones say so, and initBackend gives a fresh one", async () => {
    const backend: GpuBackend = keep(await createGpuBackend("webgpu"));
    const x = backend.upload(
      "float32",
      Float32Array.from({ length: 4096 }, (_, i) => i),
    );
    const y = backend.unary("exp", x);
    expect((await x.read())[4095]).toBe(4095);
    // What the device had finished by then may come through; it must settle, and rightly.
    const underWay = y.read().then(
      (numbers) => numbers[0],
      (error: unknown) => (error as Error).message,
    );
    const device = await acquire();
    device.destroy();
    const after = backend.unary("sqrt", y);
    expect(await refusal(after.read())).toMatch(lost);
    expect(await refusal(backend.full("float32", 3, 1).read())).toMatch(lost);
    const values = await underWay;
    if (values !== 1) expect(values).toMatch(lost);
    for (const storage of [x, y, after]) storage.release();

    await initBackend([{ name: "webgpu", create: async () => keep(await createGpuBackend("webgpu")) }]);
    expect(await acquire()).not.toBe(device);
    expect([...(await add(tensor([1, 2]), tensor([3, 4])).data())]).toEqual([4, 6]);
  });

  test("that is lost before a read has begun never leaves it waiting", async () => {
    const backend = keep(await createGpuBackend("webgpu"));
    const x = backend.full("float32", 16, 1);
    await backend.fence();
    (await acquire()).destroy();
    expect(await refusal(x.read())).toMatch(lost);
  });

  test("an error that the device reports late surfaces at the next read of every backend on it, and a new backend is free of it", async () => {
    const backends = [keep(await createGpuBackend("webgpu")), keep(await createGpuBackend("webgpu"))];
    const storages = backends.map((backend) => backend.full("float32", 4, 1));
    for (const storage of storages) expect((await storage.read())[3]).toBe(1);
    // No memory is this much; validation and exhaustion are reported in the same way.
    const device = (await acquire()) as unknown as { createBuffer(what: { size: number; usage: number }): unknown };
    device.createBuffer({ size: 2 ** 45, usage: 0x80 });
    for (const storage of storages)
      expect(await refusal(storage.read())).toMatch(
        /^webgpu: the device could not do what it was asked to \(.*\); use a smaller batch and call initBackend\(\) again$/,
      );
    const next = keep(await createGpuBackend("webgpu"));
    expect((await next.full("float32", 4, 1).read())[3]).toBe(1);
  });
});
