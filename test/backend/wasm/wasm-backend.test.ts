/**
 * What is the wasm backend's own: threads, builds, the arena's limits, and what happens when a thread dies. Numbers: conformance.test.ts.
 */

import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { activations, type MatmulGeometry } from "../../../src/backend/kernels.ts";
import { unshare } from "../../../src/backend/wasm/host/kernel-module.ts";
import { enableRelaxedSimd } from "../../../src/backend/wasm/node/enable-relaxed-simd.ts";
import { createWasmBackend, type WasmBackend } from "../../../src/backend/wasm/wasm-backend.ts";
import { convolutionGeometry } from "../../../src/core/convolution-geometry.ts";
import { BackendError, ConfigError } from "../../../src/core/errors.ts";
import type { Storage, TypedArray } from "../../../src/tensor/storage.ts";

const numbers = (length: number, seed: number): Float32Array => Float32Array.from({ length }, (_, i) => Math.sin(seed + 1.7 * i));
const bits = (array: TypedArray): Buffer => Buffer.from(array.buffer, array.byteOffset, array.byteLength);

const square = (n: number): MatmulGeometry => ({
  ...{ batch: 1, m: n, k: n, n, transposeA: false, transposeB: false, batchStrideA: n * n, batchStrideB: n * n },
});

/** Runs `kernel` on fresh uploads, and returns the result's bytes with everything freed. */
async function resultOf(backend: WasmBackend, inputs: readonly Float32Array[], kernel: (...inputs: Storage[]) => Storage): Promise<Buffer> {
  const storages = inputs.map((data) => backend.upload("float32", data));
  const result = kernel(...storages);
  const bytes = bits(await result.read());
  for (const storage of [...storages, result]) storage.release();
  return bytes;
}

describe("wasm threads", () => {
  const teams: WasmBackend[] = [];
  beforeAll(async () => {
    for (const threads of [1, 2, 3]) teams.push(await createWasmBackend({ threads, simd: "baseline" }));
  });
  afterAll(() => {
    for (const backend of teams) backend.dispose();
  });

  it("give bit-identical results for every number of threads, run after run", async () => {
    const size = fc.integer({ min: 8, max: 24 });
    const geometry = fc.record({
      batch: fc.integer({ min: 1, max: 9 }),
      c: fc.integer({ min: 4, max: 20 }),
      o: fc.integer({ min: 4, max: 20 }),
      size,
    });
    await fc.assert(
      fc.asyncProperty(geometry, fc.constantFrom(1, 2), fc.nat(1000), async ({ batch, c, o, size }, stride, seed) => {
        const g = convolutionGeometry("test", [batch, c, size, size], [o, c, 3, 3], { stride, padding: 1 });
        const x = numbers(batch * c * size * size, seed);
        const w = numbers(o * c * 9, seed + 1);
        const y = numbers(batch * o * g.outHeight * g.outWidth, seed + 2);
        const m = square(64);
        const seen: Buffer[][] = [];
        for (const backend of [...teams, ...teams])
          seen.push([
            await resultOf(backend, [x, w], (a, b) => backend.conv2d(a, b, g)),
            await resultOf(backend, [y, w], (a, b) => backend.conv2dInputGradient(a, b, g)),
            await resultOf(backend, [x, y], (a, b) => backend.conv2dWeightGradient(a, b, g)),
            await resultOf(backend, [numbers(4096, seed), numbers(4096, seed + 3)], (a, b) => backend.matmul(a, b, m)),
          ]);
        for (const results of seen) expect(results.map((bytes, i) => bytes.equals(seen[0]![i]!))).toEqual([true, true, true, true]);
      }),
      { numRuns: 30 },
    );
  });

  it("give bit-identical batch norms and gradients, although one thread visits the rows in another order", async () => {
    // More than 32,768 elements, which a team shares: few long rows, and so many short ones that the team combines their sums.
    const geometry = fc
      .record({ batch: fc.integer({ min: 1, max: 1200 }), channels: fc.integer({ min: 1, max: 12 }), rest: fc.nat(12) })
      .map(({ batch, channels, rest }) => ({ batch, channels, inner: Math.ceil(32_769 / (batch * channels)) + rest, epsilon: 1e-5 }));
    await fc.assert(
      fc.asyncProperty(
        geometry,
        fc.constantFrom(undefined, ...activations),
        fc.boolean(),
        fc.nat(1000),
        async (g, activation, adds, seed) => {
          const length = g.batch * g.channels * g.inner;
          const data = [0, 1, 2].map((i) => numbers(length, seed + i)).concat([3, 4].map((i) => numbers(g.channels, seed + i)));
          const seen: Buffer[][] = [];
          for (const backend of teams) {
            const inputs = data.map((values) => backend.upload("float32", values));
            const [x, other, addend, gamma, beta] = inputs as [Storage, Storage, Storage, Storage, Storage];
            const { y, mean, variance } = backend.batchNorm(x, gamma, beta, g, adds ? { addend, activation } : { activation });
            const through = activation && { activation, y, addend: adds };
            const affine = backend.channelAffine(x, gamma, beta, g, { activation });
            const gradient = backend.batchNormGradient(x, gamma, mean, variance, other, g, through);
            const results = [y, mean, variance, affine, ...Object.values(gradient)];
            seen.push(await Promise.all(results.map(async (result) => bits(await result.read()))));
            for (const storage of [...inputs, ...results]) storage.release();
          }
          for (const results of seen) expect(results.map((bytes, i) => bytes.equals(seen[0]![i]!))).toEqual(results.map(() => true));
        },
      ),
      { numRuns: 40, examples: [[{ batch: 1000, channels: 10, inner: 4, epsilon: 1e-5 }, "relu", true, 1]] },
    );
  });

  it("leave no bytes behind", () => {
    for (const backend of teams) expect(backend.memory()).toMatchObject({ storages: 0, used: 0 });
  });

  it("that die end the backend with an error, not a hang", async () => {
    const backend = await createWasmBackend({ threads: 2 });
    const a = backend.upload("float32", numbers(128 * 128, 1));
    backend.matmul(a, a, square(128));
    await backend.workers[0]!.terminate();
    expect(() => backend.matmul(a, a, square(128))).toThrow(BackendError);
    expect(() => backend.matmul(a, a, square(128))).toThrow(/worker thread is gone/);
    backend.dispose();
  });

  it("do not keep a process alive", () => {
    const program = `
      const { createServer } = await import("vite");
      const server = await createServer({ configFile: false, server: { middlewareMode: true, watch: null }, appType: "custom", logLevel: "error", optimizeDeps: { noDiscovery: true } });
      const { createWasmBackend } = await server.ssrLoadModule("/src/backend/wasm/wasm-backend.ts");
      const backend = await createWasmBackend({ threads: 3 });
      await server.close();
      process.stdout.write(String(backend.threads));`;
    expect(execFileSync(process.execPath, ["--input-type=module", "-e", program], { encoding: "utf8", timeout: 60_000 })).toBe("3");
  });

  it("throw after dispose, while storage can still be read and released", async () => {
    const backend = await createWasmBackend({ threads: 2 });
    const a = backend.upload("float32", [1, 2, 3, 4]);
    backend.dispose();
    backend.dispose();
    expect(() => backend.matmul(a, a, square(2))).toThrow(/disposed/);
    expect(await a.read()).toEqual(Float32Array.of(1, 2, 3, 4));
    a.release();
  });
});

describe("wasm arena", () => {
  it("reports exhaustion with bytes, limit and remedy, and goes on once something is freed", async () => {
    const backend = await createWasmBackend({ threads: 1, maximumBytes: 2 ** 24 });
    const half = backend.full("float32", 2 ** 21, 1);
    expect(() => backend.full("float32", 2 ** 22, 1)).toThrow(BackendError);
    expect(() => backend.full("float32", 2 ** 22, 1)).toThrow(
      /16777216 bytes.*8\.0 MiB in use, limit 16\.0 MiB.*smaller batch.*scope\(\).*maximumBytes/,
    );
    half.release();
    const most = backend.full("float32", 3 * 2 ** 20, 2);
    expect((await most.read())[3 * 2 ** 20 - 1]).toBe(2);
    backend.dispose();
  });

  it.each([1, 2])("keeps what storages hold when it grows (%i threads)", async (threads) => {
    const backend = await createWasmBackend({ threads });
    const data = numbers(5000, 3);
    const first = backend.upload("float32", data);
    const before = backend.memory().reserved;
    const large = backend.full("float32", before / 4, 0);
    expect(backend.memory().reserved).toBeGreaterThan(before);
    expect(await first.read()).toEqual(data);
    large.release();
    first.release();
    backend.dispose();
  });

  it("refuses storage that was freed, freed twice, or made by another", async () => {
    const [one, other] = [await createWasmBackend({ threads: 1 }), await createWasmBackend({ threads: 1 })];
    const a = one.upload("float32", numbers(4, 1));
    expect(() => other.matmul(a, a, square(2))).toThrow(/another backend/);
    a.release();
    expect(() => one.matmul(a, a, square(2))).toThrow(/after it was freed/);
    expect(() => a.release()).toThrow(BackendError);
    expect(one.memory()).toMatchObject({ storages: 0, used: 0 });
    one.dispose();
    other.dispose();
  });
});

describe("wasm options", () => {
  it("are checked", async () => {
    for (const threads of [0, 1.5, -1, 65, Number.NaN]) await expect(createWasmBackend({ threads })).rejects.toThrow(ConfigError);
    await expect(createWasmBackend({ simd: "widest" as "wide" })).rejects.toThrow(
      /simd must be one of auto, baseline, relaxed, wide, got widest/,
    );
    for (const maximumBytes of [0, 2 ** 33, Number.NaN]) await expect(createWasmBackend({ maximumBytes })).rejects.toThrow(ConfigError);
  });

  it("choose the build, which is relaxed SIMD where the engine has it and no program enabled the wide build", async () => {
    expect(enableRelaxedSimd()).toBe(true);
    for (const [wanted, simd] of [
      ["baseline", "baseline"],
      ["relaxed", "relaxed"],
      ["auto", "relaxed"],
    ] as const) {
      const backend = await createWasmBackend({ threads: 1, simd: wanted });
      expect(backend).toMatchObject({ name: "wasm", simd, shared: false, threads: 1 });
      backend.dispose();
    }
  });

  it("refuse a module without a memory", () => {
    expect(() => unshare(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]))).toThrow(BackendError);
  });
});
