/** Thousands of steps on gpu.js leave no trace: what is held after step 100 is what is held ever after. */

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
 * What the counters do not see shows in the process alone. One weighing says little: allocators' arenas came and went by 40 MB over 5000
 * steps on WebGPU without a trend, the heap by 3 MB. What stays is in the least of several weighings, which changed by up to 20 MB and 0.4
 * MB from one thousand steps to the next; a step has some sixty launches, so that 30 bytes of heap kept by each, or half a kilobyte by the
 * driver, pass the bounds.
 */
const noise = { heap: 2 * 2 ** 20, resident: 32 * 2 ** 20 };

const least = (held: readonly Holdings[], what: keyof typeof noise): number => Math.min(...held.map((at) => at[what]));

describe.each([
  { available: await availability("cpu"), steps: 2000 },
  { available: await availability("webgpu"), steps: 2000 },
])("on $available.title", ({ available: { mode, missing }, steps }) => {
  test.skipIf(missing !== undefined)(
    `${steps} steps of training`,
    async () => {
      const held = JSON.parse(await run(["test/backend/gpu/soak.ts", mode, String(steps)])) as Holdings[];
      const [early, last] = [held[0]!, held.at(-1)!];
      expect([early.step, last.step]).toEqual([100, steps]);
      for (const { handles, kernels, memory, loss } of held) {
        expect({ handles, kernels, memory }).toEqual({ handles: early.handles, kernels: early.kernels, memory: early.memory });
        expect(loss).toBeGreaterThan(0);
      }
      // From the second quarter to the last: in the first V8 compiles, and the heap and the arenas take what suits them.
      const quarter = (number: number): Holdings[] => held.filter(({ step }) => Math.ceil((4 * step) / steps) === number);
      if (process.env.FIGURES)
        console.info(
          mode,
          JSON.stringify(early),
          ...[2, 3, 4].map((q) => [least(quarter(q), "heap"), least(quarter(q), "resident")].join(" ")),
        );
      for (const what of ["heap", "resident"] as const)
        expect(least(quarter(4), what) - least(quarter(2), what), what).toBeLessThan(noise[what]);
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
