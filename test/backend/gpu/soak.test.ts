/** Thousands of training steps on gpu.js use no more memory than the first hundred. */

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { availability } from "./available-mode.ts";
import type { MemorySample } from "./soak.ts";

/** Without a limit, V8's young generation would grow to 48 MB. */
const flags = ["--expose-gc", "--max-semi-space-size=1"];

const run = async (argv: readonly string[]): Promise<string> => {
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, "--import", "tsx", ...argv]);
  return stdout;
};

/**
 * The largest growth, in bytes, that is not a leak. Memory that the counters do not see shows only in the process. A single sample varies
 * too much: over 5000 steps on WebGPU the resident set varied by 40 MB and the heap by 3 MB, without a trend. The minimum of several
 * samples varied by up to 20 MB and 0.4 MB from one thousand steps to the next. A step has about sixty launches, so these bounds detect a
 * leak of about 90 bytes of heap, or of 1.4 kilobytes in the driver, for each launch.
 */
const noise = { heap: 2 * 2 ** 20, resident: 32 * 2 ** 20 };

const minimum = (samples: readonly MemorySample[], what: keyof typeof noise): number => Math.min(...samples.map((sample) => sample[what]));

/** SOAK_STEPS=2000 is the long form, which detects a leak of a third of the size. */
const length = Number(process.env.SOAK_STEPS ?? 800);

describe.each([
  { available: await availability("cpu"), steps: length },
  { available: await availability("webgpu"), steps: length },
])("on $available.title", ({ available: { mode, missing }, steps }) => {
  test.skipIf(missing !== undefined)(
    `${steps} steps of training`,
    async () => {
      const samples = JSON.parse(await run(["test/backend/gpu/soak.ts", mode, String(steps)])) as MemorySample[];
      const [early, last] = [samples[0]!, samples.at(-1)!];
      expect([early.step, last.step]).toEqual([100, steps]);
      for (const { handles, kernels, memory, loss } of samples) {
        expect({ handles, kernels, memory }).toEqual({ handles: early.handles, kernels: early.kernels, memory: early.memory });
        expect(loss).toBeGreaterThan(0);
      }
      // The second quarter is compared with the last. In the first, V8 still compiles, and the heap and the allocators still grow.
      const quarter = (number: number): MemorySample[] => samples.filter(({ step }) => Math.ceil((4 * step) / steps) === number);
      if (process.env.FIGURES)
        console.info(
          mode,
          JSON.stringify(early),
          ...[2, 3, 4].map((q) => [minimum(quarter(q), "heap"), minimum(quarter(q), "resident")].join(" ")),
        );
      for (const what of ["heap", "resident"] as const)
        expect(minimum(quarter(4), what) - minimum(quarter(2), what), what).toBeLessThan(noise[what]);
    },
    600_000,
  );

  // As in test/tensor/forgotten.test.ts: the FinalizationRegistry releases forgotten tensors, which must free their results on the device.
  test.skipIf(missing !== undefined)("forgotten tensors are freed on the device, and tensors in use are not", async () => {
    const program = `
      import { initBackend, memory, tensor } from "./src/index.ts";
      import { provideWebGpu } from "./src/node.ts";
      import { createGpuBackend } from "./src/gpu.ts";
      if ("${mode}" === "webgpu") await provideWebGpu();
      let backend;
      await initBackend([{ name: "${mode}", create: async () => (backend = await createGpuBackend("${mode}")) }]);
      await backend.fence();
      const own = backend.counters().handles;
      const kept = tensor([0, 0, 0]);
      (() => { for (let i = 0; i < 300; i++) tensor(new Float32Array(100)); })();
      await backend.fence();
      const before = [memory().storages, backend.counters().handles - own];
      for (let round = 0; round < 1000 && memory().storages > 1; round++) {
        globalThis.gc();
        await new Promise((resolve) => setImmediate(resolve));
      }
      await backend.fence();
      console.log(JSON.stringify([...before, memory().storages, backend.counters().handles - own, (await kept.data()).length]));
      process.exit(0);`;
    const stdout = await run(["--input-type=module", "--eval", program]);
    expect(JSON.parse(stdout)).toEqual([301, 301, 1, 1, 3]);
  });
});
