/**
 * The tests that every GPU mode must pass, in Node and in browsers: conformance, the property of structured maps, and integer arithmetic.
 */

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { Device } from "../../../src/backend/gpu/device.ts";
import { createGpuBackend } from "../../../src/backend/gpu/gpu-backend.ts";
import { openGpu } from "../../../src/backend/gpu/gpu-js.ts";
import { type GpuModeName, gpuModes } from "../../../src/backend/gpu/gpu-mode.ts";
import { program } from "../../../src/backend/gpu/program.ts";
import type { Kernels } from "../../../src/backend/kernels.ts";
import { structuredLinearProperty } from "../../structured/structured-linear-property.ts";
import { conformance } from "../conformance.ts";
import { toleranceOf } from "./gpu-tolerance.ts";
import { missingWebGl2, missingWebGpu } from "./missing-device.ts";

export interface SuiteOptions {
  readonly place: "Node" | "Chromium";
  /** Makes the mode available. Default: nothing needs to be done. */
  readonly prepare?: () => Promise<void>;
}

/**
 * The number of cases of a property, given that of the reference backend. On a software adapter each launch and each compilation takes
 * milliseconds, so that a fifth of the cases takes about a minute.
 */
const runs = (usual: number): number => Math.ceil(usual / 5);

/** The number of structured maps of each kind. A map takes about a hundred launches. */
const structuredCases = 6;

/** Why the machine has no device for the mode. Any other problem is a failure. */
async function missingDevice(mode: GpuModeName, prepare?: () => Promise<void>): Promise<string | undefined> {
  if (mode === "webgl2") return missingWebGl2();
  if (mode !== "webgpu") return undefined;
  try {
    await prepare?.();
  } catch (error) {
    return `${error instanceof Error ? error.message : error}`;
  }
  return missingWebGpu();
}

/** Declares the suites of a mode, or one skipped suite whose title gives the reason. */
export async function gpuSuites(mode: GpuModeName, { place, prepare }: SuiteOptions): Promise<void> {
  const missing = await missingDevice(mode, prepare);
  if (missing !== undefined) {
    console.warn(`gpu.js ${mode} in ${place} skipped: ${missing}`);
    describe.skip(`gpu.js ${mode} in ${place}: ${missing}`, () => {
      test("conformance, structured maps, integer arithmetic", () => {});
    });
    return;
  }
  const backend = await createGpuBackend(mode);
  const name = `gpu.js ${mode} in ${place} on ${backend.adapter.name}`;
  afterAll(() => backend.dispose());
  conformance(
    name,
    () => Object.assign(Object.create(backend) as typeof backend, { dispose: () => {} }),
    toleranceOf(mode, backend.adapter.software),
    { runs },
  );
  // The programs for such operands are compiled beside the others. A run with few cases compiles them in one mode only.
  if (mode === "cpu" || inject("testShare") >= 0.5)
    conformance(
      `${name}, of operands that begin somewhere in their buffers`,
      () => Object.assign(Object.create(backend) as typeof backend, { dispose: () => {}, upload: uploadWindow(backend) }),
      toleranceOf(mode, backend.adapter.software),
      { runs: (usual) => Math.ceil(usual / (mode === "cpu" ? 10 : 50)) },
    );
  structuredLinearProperty(name, () => backend, { dtype: "float32", cases: structuredCases });
  integerArithmetic(name, mode);
}

/**
 * Uploads the data between other numbers, and gives the window on them. Such operands are the results of launches that compute several
 * storages. Indices are left as they are, because the host must know them.
 */
const uploadWindow =
  (backend: Kernels): Kernels["upload"] =>
  (dtype, data) => {
    if (dtype !== "float32" || data.length === 0) return backend.upload(dtype, data);
    const whole = backend.upload(dtype, [7, -7, 7, ...Array.from(data), 7]);
    const window = backend.readView(whole, { shape: [data.length], strides: [1], offset: 3 });
    whole.release();
    return window;
  };

/** `idiv` and `imod` must be exact for every index of a tensor. Float32 arithmetic would be exact only up to 2²⁴. */
function integerArithmetic(name: string, mode: GpuModeName): void {
  describe(`integer arithmetic of ${name}`, () => {
    let device: Device;
    beforeAll(async () => {
      device = new Device(await openGpu(gpuModes[mode]), gpuModes[mode], { maximumElements: 2 ** 20 });
    });
    afterAll(() => device.close());

    test.each([
      { helper: "idiv", expected: (place: number, size: number) => Math.floor(place / size) },
      { helper: "imod", expected: (place: number, size: number) => place % size },
    ])("$helper is exact up to 2³¹", ({ helper, expected }) => {
      const what = program({
        name: helper,
        tensors: [],
        integers: ["start", "size"],
        body: `return ${helper}(mad(this.thread.x, 1, start), size);`,
      });
      // The quotients stay below 2²³, because results are floats.
      const cases = fc.record({ start: fc.integer({ min: 0, max: 2 ** 31 - 2 ** 18 }), size: fc.integer({ min: 256, max: 2 ** 17 }) });
      return fc.assert(
        fc.asyncProperty(cases, async ({ start, size }) => {
          const result = device.run(what, 300, { start, size });
          expect(Array.from(await result.read())).toEqual(Array.from({ length: 300 }, (_, i) => expected(start + i, size)));
          result.release();
        }),
        { numRuns: 30 },
      );
    });
  });
}
