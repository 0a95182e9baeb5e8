/** `--backend auto`, `gpu` and names, on machines that are made up: packages, drivers, adapters and clocks as a test wants them. */

import { afterEach, describe, expect, test } from "vitest";
import { kernels } from "../../../src/backend/active.ts";
import type { GpuBackend } from "../../../src/backend/gpu/gpu-backend.ts";
import type { GpuModeName } from "../../../src/backend/gpu/gpu-mode.ts";
import { BackendError } from "../../../src/core/errors.ts";
import type { BackendSource } from "../../../src/experiment/node/backend-source.ts";
import { describeBackend, startBackend, stopBackend } from "../../../src/experiment/node/start-backend.ts";
import { type Answer, clock, Ledger, type Time } from "../../backend/auto/imagined.ts";

interface World {
  readonly packages: readonly string[];
  readonly driver: boolean;
  readonly adapters: Partial<Record<GpuModeName, Answer>>;
  /** False under `node --jitless`. */
  readonly wasm: boolean;
  readonly deviceTime: Time;
  readonly wasmTime: Time;
}

const everything: World = {
  packages: ["gpu.js", "webgpu", "gl"],
  driver: true,
  adapters: { webgpu: "hardware", headlessgl: "hardware" },
  wasm: true,
  deviceTime: 5,
  wasmTime: 20,
};

/** The machine as a source, the backends it has given out and not got back, and what was looked for on it. */
function imagine(world: World): { source: BackendSource; open: Set<string>; looked: string[] } {
  const ledger = new Ledger();
  const looked: string[] = [];
  const source: BackendSource = {
    installed: (name) => {
      looked.push(name);
      return world.packages.includes(name);
    },
    hasVulkanDriver: () => world.driver,
    openGpu: async (mode, { accept = () => {} } = {}) => {
      looked.push(`adapter of ${mode}`);
      return (await ledger.device(mode, world.adapters[mode]).open(accept)) as GpuBackend;
    },
    wasm: {
      name: "wasm",
      create: async ({ threads = 2 }) => {
        if (!world.wasm) throw new BackendError("no WebAssembly");
        return ledger.backend("wasm", { threads, simd: "relaxed" });
      },
    },
    time: clock({ webgpu: world.deviceTime, headlessgl: world.deviceTime, wasm: world.wasmTime }),
  };
  return { source, open: ledger.open, looked };
}

afterEach(() => stopBackend());

describe("auto", () => {
  test.each<[string, Partial<World>, string]>([
    ["nothing installed", { packages: [] }, "no GPU: gpu.js is not installed"],
    ["half installed", { packages: ["gpu.js"] }, "no GPU: webgpu is not installed"],
    ["no driver", { driver: false, packages: ["gpu.js", "webgpu"] }, "no GPU: no Vulkan driver is installed"],
    ["software", { adapters: { webgpu: "software" }, packages: ["gpu.js", "webgpu"] }, "no GPU: only a software adapter, SwiftShader"],
    ["no adapter", { adapters: {}, packages: ["gpu.js", "webgpu"] }, "no GPU: webgpu: an adapter must answer, none did"],
  ])("on a machine with %s says so", async (_, world, reason) => {
    const { source } = imagine({ ...everything, ...world });
    const report = await startBackend({ backend: "auto" }, source);
    expect(report).toEqual({ name: "wasm", threads: 2, simd: "relaxed", choice: { asked: "auto", reason } });
    expect(describeBackend(report)).toBe(`wasm, 2 threads, relaxed SIMD (auto: ${reason})`);
    expect(kernels().name).toBe("wasm");
  });

  test("names the device it takes, and reports the figures", async () => {
    const { source, open } = imagine(everything);
    const report = await startBackend({ backend: "auto" }, source);
    expect(describeBackend(report)).toBe("webgpu, Radeon X (auto: 5.0 ms in the calibration, wasm 20 ms)");
    expect(report.choice?.calibration).toEqual([
      { name: "webgpu", milliseconds: 5 },
      { name: "wasm", milliseconds: 20 },
    ]);
    expect([...open]).toEqual(["webgpu"]);
  });

  test("is headless-gl where its package is installed and WebGPU has no driver", async () => {
    const report = await startBackend({ backend: "auto" }, imagine({ ...everything, driver: false }).source);
    expect(report.name).toBe("headlessgl");
  });

  test("without gpu.js looks for nothing else", async () => {
    const { source, looked } = imagine({ ...everything, packages: ["webgpu", "gl"] });
    await startBackend({ backend: "auto" }, source);
    expect(looked).toEqual(["gpu.js"]);
  });

  test("is never the reference: without a device and wasm it is an error", () =>
    expect(startBackend({ backend: "auto" }, imagine({ ...everything, adapters: {}, wasm: false }).source)).rejects.toThrow(
      /^initBackend: no backend can run here: .*wasm \(no WebAssembly\); --backend reference runs everywhere, some hundred times slower$/,
    ));

  test("takes threads and memory for a choice of wasm, and looks for nothing at all", async () => {
    const { source, looked } = imagine(everything);
    const report = await startBackend({ backend: "auto", threads: 3, memoryLimit: 64 }, source);
    expect(describeBackend(report)).toBe("wasm, 3 threads, relaxed SIMD (auto: --threads and --memory-limit belong to wasm)");
    expect(looked).toEqual([]);
  });
});

test("the next backend replaces the one before, whatever asked for it", async () => {
  const { source, open } = imagine(everything);
  for (const [backend, name] of [
    ["webgpu", "webgpu"],
    ["wasm", "wasm"],
    ["gpu", "webgpu"],
    ["headlessgl", "headlessgl"],
  ] as const) {
    await startBackend({ backend }, source);
    expect([...open]).toEqual([name]);
    expect(kernels().name).toBe(name);
  }
});

describe("a name", () => {
  test.each<[GpuModeName, readonly string[], RegExp]>([
    ["webgpu", [], /^webgpu: needs the packages gpu\.js and webgpu, which are not installed; npm install gpu\.js@2 webgpu$/],
    ["webgpu", ["webgpu"], /^webgpu: needs the package gpu\.js, which is not installed; npm install gpu\.js@2$/],
    ["webgpu", ["gpu.js"], /^webgpu: needs the package webgpu, which is not installed; npm install webgpu$/],
    ["headlessgl", ["gpu.js"], /^headlessgl: needs the package gl, which is not installed; npm install gl$/],
    ["cpu", [], /^cpu: needs the package gpu\.js, which is not installed; npm install gpu\.js@2$/],
    ["webgl2", ["gpu.js"], /^webgl2: runs in browsers, got Node; use --backend webgpu or headlessgl$/],
  ])("%s with %j installed is refused in one line", async (backend, packages, message) => {
    const attempt = startBackend({ backend }, imagine({ ...everything, packages }).source);
    await expect(attempt).rejects.toThrow(expect.objectContaining({ name: "BackendError", message: expect.stringMatching(message) }));
  });

  test("webgpu without adapter or driver is told of the driver", () =>
    expect(startBackend({ backend: "webgpu" }, imagine({ ...everything, driver: false, adapters: {} }).source)).rejects.toThrow(
      /webgpu: an adapter must answer, none did: no Vulkan driver is installed; install/,
    ));

  test("takes a software adapter, and calls it that; no clock is asked", async () => {
    const { source } = imagine({ ...everything, adapters: { webgpu: "software" }, deviceTime: new Error("raced") });
    const report = await startBackend({ backend: "webgpu" }, source);
    expect(describeBackend(report)).toBe("webgpu, SwiftShader, a software adapter");
    expect(report).toMatchObject({ name: "webgpu", adapter: { name: "SwiftShader", software: true } });
  });
});

describe("gpu", () => {
  test("is webgpu, then headlessgl", async () => {
    const first = await startBackend({ backend: "gpu" }, imagine(everything).source);
    expect(describeBackend(first)).toBe("webgpu, Radeon X (gpu: the first that runs)");
    const second = await startBackend({ backend: "gpu" }, imagine({ ...everything, adapters: { headlessgl: "software" } }).source);
    expect(describeBackend(second)).toMatch(
      /^headlessgl, SwiftShader, a software adapter \(gpu: the first that runs; webgpu: an adapter must/,
    );
  });

  test("is never wasm: without a device it is an error with each one's reason", () =>
    expect(
      startBackend({ backend: "gpu" }, imagine({ ...everything, packages: ["gpu.js", "webgpu"], adapters: {} }).source),
    ).rejects.toThrow(
      /^gpu: a device must answer, none did: \(webgpu: an adapter .*\), \(headlessgl: needs the package gl, .*\); --backend wasm needs none$/,
    ));
});

test("stopping gives back whatever was started, and may be done twice", async () => {
  const { source, open } = imagine(everything);
  await startBackend({ backend: "gpu" }, source);
  expect([...open]).toEqual(["webgpu"]);
  stopBackend();
  stopBackend();
  expect([...open]).toEqual([]);
});
