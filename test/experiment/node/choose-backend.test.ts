/** `--backend auto`, `gpu` and names, on machines that are made up: packages, drivers, adapters and clocks as a test wants them. */

import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { kernels, useBackend } from "../../../src/backend/active.ts";
import type { AdapterReport } from "../../../src/backend/gpu/adapter.ts";
import type { GpuBackend } from "../../../src/backend/gpu/gpu-backend.ts";
import type { GpuModeName } from "../../../src/backend/gpu/gpu-mode.ts";
import type { Kernels } from "../../../src/backend/kernels.ts";
import { createReferenceBackend } from "../../../src/backend/reference/reference-kernels.ts";
import { BackendError } from "../../../src/core/errors.ts";
import type { BackendSource } from "../../../src/experiment/node/backend-source.ts";
import { timeRound } from "../../../src/experiment/node/calibration.ts";
import { chooseBackend } from "../../../src/experiment/node/choose-backend.ts";
import { describeBackend, startBackend, stopBackend } from "../../../src/experiment/node/start-backend.ts";

interface World {
  readonly packages: readonly string[];
  readonly driver: boolean;
  /** What answers in each mode; an error's message, or nothing, where none does. */
  readonly adapters: Partial<Record<GpuModeName, "hardware" | "software" | Error>>;
  /** False under `node --jitless`. */
  readonly wasm: boolean;
  readonly times: { readonly gpuMs: number; readonly wasmMs: number } | Error;
}

const everything: World = {
  packages: ["gpu.js", "webgpu", "gl"],
  driver: true,
  adapters: { webgpu: "hardware", headlessgl: "hardware" },
  wasm: true,
  times: { gpuMs: 5, wasmMs: 20 },
};

const adapterOf = (kind: "hardware" | "software"): AdapterReport =>
  kind === "hardware"
    ? { name: "Radeon X", software: false, maximumBytes: 2 ** 31 }
    : { name: "SwiftShader", software: true, maximumBytes: 2 ** 30 };

/** A source of backends that are the reference under other names, and the backends it has given out and not got back. */
function imagine(world: World): { source: BackendSource; open: Set<string>; looked: string[] } {
  const open = new Set<string>();
  const looked: string[] = [];
  const named = (name: string, more: object): Kernels => {
    open.add(name);
    return { ...createReferenceBackend(), name, threads: 1, dispose: () => open.delete(name), ...more } as Kernels;
  };
  const source: BackendSource = {
    installed: (name) => {
      looked.push(name);
      return world.packages.includes(name);
    },
    hasVulkanDriver: () => world.driver,
    openGpu: async (mode, { accept } = {}) => {
      looked.push(`adapter of ${mode}`);
      const found = world.adapters[mode];
      if (found === undefined) throw new BackendError(`${mode}: an adapter must answer, none did; try another`);
      if (found instanceof Error) throw found;
      accept?.(adapterOf(found));
      return named(mode, { adapter: adapterOf(found) }) as GpuBackend;
    },
    openWasm: async ({ threads = 2 }) => {
      if (!world.wasm) throw new BackendError("initBackend: no backend can run here: wasm (no WebAssembly)");
      return named("wasm", { threads, simd: "relaxed" });
    },
    compare: async () => {
      if (world.times instanceof Error) throw world.times;
      return world.times;
    },
  };
  return { source, open, looked };
}

afterEach(() => useBackend(undefined));

const anAdapter = fc.constantFrom("hardware" as const, "software" as const, undefined, new Error("segfault\n at dawn"));
const worlds: fc.Arbitrary<World> = fc.record({
  packages: fc.subarray(["gpu.js", "webgpu", "gl"]),
  driver: fc.boolean(),
  adapters: fc
    .tuple(anAdapter, anAdapter)
    .map(([webgpu, headlessgl]) => ({ ...(webgpu && { webgpu }), ...(headlessgl && { headlessgl }) })),
  wasm: fc.boolean(),
  times: fc.oneof(
    fc.record({ gpuMs: fc.double({ min: 0.1, max: 100, noNaN: true }), wasmMs: fc.double({ min: 0.1, max: 100, noNaN: true }) }),
    fc.constant(new BackendError("webgpu: the device was lost; call initBackend() again")),
  ),
});

describe("auto", () => {
  test("takes the first hardware device that is faster than wasm, wasm otherwise; gives back the other; and says why in a line", () =>
    fc.assert(
      fc.asyncProperty(worlds, async (world) => {
        const { source, open } = imagine(world);
        const has = (name: string): boolean => world.packages.includes("gpu.js") && world.packages.includes(name);
        const device =
          has("webgpu") && world.driver && world.adapters.webgpu === "hardware"
            ? "webgpu"
            : has("gl") && world.adapters.headlessgl === "hardware"
              ? "headlessgl"
              : undefined;
        const wins = !(world.times instanceof Error) && world.times.gpuMs < world.times.wasmMs;
        const expected = device !== undefined && (wins || !world.wasm) ? device : world.wasm ? "wasm" : undefined;
        if (expected === undefined) await expect(chooseBackend({}, source)).rejects.toThrow(/no WebAssembly/);
        else {
          const { backend, reason } = await chooseBackend({}, source);
          expect(backend.name).toBe(expected);
          expect(reason).toMatch(/^[^\n;]+$/);
          expect([...open]).toEqual([expected]);
        }
      }),
    ));

  test.each<[string, Partial<World>, string]>([
    ["nothing installed", { packages: [] }, "gpu.js is not installed"],
    ["half installed", { packages: ["gpu.js"] }, "webgpu is not installed"],
    ["no driver", { driver: false, packages: ["gpu.js", "webgpu"] }, "no GPU: no Vulkan driver is installed"],
    ["software", { adapters: { webgpu: "software" }, packages: ["gpu.js", "webgpu"] }, "no GPU: only a software adapter, SwiftShader"],
    ["no adapter", { adapters: {}, packages: ["gpu.js", "webgpu"] }, "no GPU: webgpu: an adapter must answer, none did"],
    ["a slow device", { times: { gpuMs: 31, wasmMs: 7.25 } }, "7.3 ms in the calibration, Radeon X 31 ms"],
    ["a lost device", { times: new BackendError("webgpu: lost; try") }, "Radeon X failed in the calibration: webgpu: lost"],
  ])("on a machine with %s says so", async (_, world, reason) => {
    const { source } = imagine({ ...everything, ...world });
    const report = await startBackend({ backend: "auto" }, source);
    expect(report).toEqual({ name: "wasm", threads: 2, simd: "relaxed", choice: { asked: "auto", reason } });
    expect(describeBackend(report)).toBe(`wasm, 2 threads, relaxed SIMD (auto: ${reason})`);
    expect(kernels().name).toBe("wasm");
  });

  test("names the device it takes", async () => {
    const report = await startBackend({ backend: "auto" }, imagine(everything).source);
    expect(describeBackend(report)).toBe("webgpu, Radeon X (auto: 5.0 ms in the calibration, wasm 20 ms)");
  });

  test("without gpu.js looks for nothing else", async () => {
    const { source, looked } = imagine({ ...everything, packages: ["webgpu", "gl"] });
    await startBackend({ backend: "auto" }, source);
    expect(looked).toEqual(["gpu.js"]);
  });

  test("takes threads and memory for a choice of wasm, and looks for nothing at all", async () => {
    const { source, looked } = imagine(everything);
    const report = await startBackend({ backend: "auto", threads: 3, memoryLimit: 64 }, source);
    expect(describeBackend(report)).toBe("wasm, 3 threads, relaxed SIMD (auto: --threads and --memory-limit belong to wasm)");
    expect(looked).toEqual([]);
  });
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
    const { source } = imagine({ ...everything, adapters: { webgpu: "software" }, times: new Error("raced") });
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

test("the calibration holds nothing afterwards, and leaves no backend active", async () => {
  const backend = createReferenceBackend();
  const problems = [
    { kind: "convolution", batch: 1, inChannels: 2, outChannels: 2, size: 4, groups: 1, backward: true },
    { kind: "gemm", size: 4 },
  ] as const;
  expect(await timeRound(backend, { problems })).toBeGreaterThan(0);
  expect(await timeRound(backend, { problems, hopeless: 0 })).toBeGreaterThan(0);
  expect(backend.memory()).toMatchObject({ storages: 0, used: 0 });
  expect(() => kernels()).toThrow(/no backend is active/);
});
