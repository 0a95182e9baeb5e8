/** Thousands of steps on gpu.js leave no trace: what is held after step 100 is what is held at the end. `npm run test:soak` takes all 2000 in each mode. */

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { availability } from "./available-mode.ts";
import type { Holdings } from "./soak.ts";

/** The nursery would grow to 48 MB of its own accord. */
const flags = ["--expose-gc", "--max-semi-space-size=1"];

const run = async (argv: readonly string[]): Promise<string> => {
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, "--import", "tsx", ...argv]);
  return stdout;
};

/**
 * What the counters do not see shows in the process alone, in the second half of the steps: in the first V8 compiles, and its heap and the allocators
 * take what suits them, which a leak outlasts. A step has some sixty launches. Objects that gpu.js or we would keep are in the heap, which changed by
 * 0.4 MB from step 1000 to 2000: 30 bytes kept by each launch are 2 MB. Buffers and bind groups that the driver would keep are not; the allocators'
 * arenas come and go by 16 MB at a time, twice that is half a kilobyte a launch.
 */
const noise = { heap: 2 * 2 ** 20, resident: 32 * 2 ** 20 };

describe.each([
  { available: await availability("cpu"), steps: 2000 },
  { available: await availability("webgpu"), steps: process.env.SOAK ? 2000 : 500 },
])("on $available.title", ({ available: { mode, missing }, steps }) => {
  test.skipIf(missing !== undefined)(
    `${steps} steps of training`,
    async () => {
      const [early, middle, late] = JSON.parse(await run(["test/backend/gpu/soak.ts", mode, String(steps)])) as [
        Holdings,
        Holdings,
        Holdings,
      ];
      if (process.env.FIGURES) console.info(mode, JSON.stringify([early, middle, late]));
      for (const { handles, kernels, memory, loss } of [middle, late]) {
        expect({ handles, kernels, memory }).toEqual({ handles: early.handles, kernels: early.kernels, memory: early.memory });
        expect(loss).toBeGreaterThan(0);
      }
      expect(late.heap - middle.heap).toBeLessThan(noise.heap);
      expect(late.resident - middle.resident).toBeLessThan(noise.resident);
    },
    600_000,
  );

  // The net under scope and dispose, as in test/tensor/forgotten.test.ts: what it releases must leave the device too.
  test.skipIf(missing !== undefined)("what is forgotten is freed on the device, what is held is not", async () => {
    const program = `
      import { initBackend, memory, zeros } from "./src/index.ts";
      import { provideWebGpu } from "./src/node.ts";
      import { createGpuBackend } from "./src/gpu.ts";
      if ("${mode}" === "webgpu") await provideWebGpu();
      let backend;
      await initBackend([{ name: "${mode}", create: async () => (backend = await createGpuBackend("${mode}")) }]);
      await backend.fence();
      const own = backend.counters().handles;
      const kept = zeros([3]);
      (() => { for (let i = 0; i < 300; i++) zeros([100]); })();
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
