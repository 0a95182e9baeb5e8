/** All that a GPU mode must pass, wherever it runs: conformance, the structured maps' property, and integer arithmetic on the device. */

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Device } from "../../../src/backend/gpu/device.ts";
import { createGpuBackend } from "../../../src/backend/gpu/gpu-backend.ts";
import { openGpu } from "../../../src/backend/gpu/gpu-js.ts";
import { type GpuModeName, gpuModes } from "../../../src/backend/gpu/gpu-mode.ts";
import { program } from "../../../src/backend/gpu/program.ts";
import { structuredLinearProperty } from "../../structured/structured-linear-property.ts";
import { conformance } from "../conformance.ts";
import { toleranceOf } from "./gpu-tolerance.ts";

export interface Surroundings {
  readonly place: "Node" | "Chromium";
  /** What has to happen before the mode exists. */
  readonly prepare?: () => Promise<void>;
}

/**
 * Cases of a property where the reference gets `usual`. A kernel on a software adapter costs milliseconds whatever its size, and each program as much
 * again to compile; a fifth of the cases keeps a mode within a minute, and the properties go over the same kernels.
 */
const runs = (usual: number): number => Math.ceil(usual / 5);

/** Structured maps of each kind: one takes some hundred launches. */
const structuredCases = 10;

/** Why the mode cannot run here: only that the machine has no device for it. Anything else that goes wrong is a failure. */
async function missingDevice(mode: GpuModeName, prepare?: () => Promise<void>): Promise<string | undefined> {
  if (mode === "webgl2") {
    const context = document.createElement("canvas").getContext("webgl2");
    return context?.getExtension("EXT_color_buffer_float") ? undefined : "the browser has no WebGL 2 that renders floats";
  }
  if (mode !== "webgpu") return undefined;
  try {
    await prepare?.();
  } catch (error) {
    return `${error instanceof Error ? error.message : error}`;
  }
  const { gpu } = navigator as { readonly gpu?: { requestAdapter(): Promise<object | null> } };
  if (gpu === undefined) return "there is no navigator.gpu";
  return (await gpu.requestAdapter()) === null
    ? "no Vulkan driver answers; install libvulkan1 and chromium, or set VK_ICD_FILENAMES"
    : undefined;
}

/** Declares the suites of a mode, or one skipped suite that says why. */
export async function gpuSuites(mode: GpuModeName, { place, prepare }: Surroundings): Promise<void> {
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
  structuredLinearProperty(name, () => backend, { dtype: "float32", cases: structuredCases });
  integerArithmetic(name, mode);
}

/** `idiv` and `imod` find an element in any tensor the device can hold: in float32 they would stop being exact at 2²⁴. */
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
      // Quotients up to 2²³: they come back as floats.
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
