/**
 * Training steps of WideResNet-10-1 on gpu.js, compared with recorded ones: logits, loss, gradients, running statistics and the parameters
 * after the step, for dense and structured convolutions. PyTorch recorded the fixtures; the reference backend records the other
 * convolutions. Nothing may be read back before the loss. FIGURES=1 prints the deviations and the counters.
 */

import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { useBackend } from "../../../src/backend/active.ts";
import { createGpuBackend, type GpuBackend } from "../../../src/backend/gpu/gpu-backend.ts";
import { createReferenceBackend } from "../../../src/backend/reference/reference-kernels.ts";
import { decodeSafetensors, type NamedArray } from "../../../src/train/safetensors.ts";
import { availability } from "./available-mode.ts";
import { expectRecorded, recordGroups } from "./golden-training.ts";
import { countCalls, recordStep, type TrainingRecord, trainOnDevice } from "./recorded-training.ts";

const read = (file: string): Buffer => readFileSync(new URL(`../../fixtures/wrn_step/${file}`, import.meta.url));
const load = (file: string): ReadonlyMap<string, NamedArray> => decodeSafetensors(read(file), file).tensors;
const { cases } = JSON.parse(read("index.json").toString()) as { cases: { conv: string; file: string; losses: number[] }[] };
const common = load("common.safetensors");
const batch = { x: common.get("x")!, labels: common.get("labels")!.data };

/** The tolerance of the fixtures. PyTorch's own float32 is within 2e-7 of its float64 after three steps. */
const tolerance = 1e-4;

const recorded = new Map<string, Promise<TrainingRecord>>();
/** The record of the fixtures, or one by the reference backend in float64, which is computed once for all modes. */
async function record(convolution: string): Promise<TrainingRecord> {
  const entry = cases.find(({ conv }) => conv === convolution);
  if (entry !== undefined) return { convolution, tensors: load(entry.file), losses: entry.losses };
  const found = recorded.get(convolution) ?? recordStep(createReferenceBackend(), convolution, batch);
  recorded.set(convolution, found);
  return found;
}

/** The number of steps of each convolution: three where a step takes about a second. */
const plan = [
  { mode: await availability("webgpu"), dense: 1, structured: 3, hashed: 1 },
  { mode: await availability("cpu"), dense: 3, structured: 3, hashed: 3 },
  { mode: await availability("webasm"), dense: 1, structured: 1, hashed: 1 },
] as const;

describe.each(plan)("WRN-10-1 on $mode.title", ({ mode: { mode, missing }, dense, structured, hashed }) => {
  describe.skipIf(missing !== undefined)("", () => {
    let backend: GpuBackend;
    let reads = (): number => 0;
    beforeAll(async () => {
      backend = await createGpuBackend(mode);
      if (mode !== "webgpu") return;
      const { GPUBuffer } = globalThis as unknown as { GPUBuffer: { prototype: { mapAsync(): unknown } } };
      reads = countCalls(GPUBuffer.prototype, "mapAsync");
    });
    afterAll(() => {
      useBackend(undefined);
      backend?.dispose();
    });

    test.each([
      ["Conv", dense],
      ["Shuffle_4", structured],
      ["ACDC_3", 1],
      ["TensorTrain_0.3", structured],
      ["SepHashed_0.20", hashed],
      ["Monarch_4", 1],
    ] as const)("%s, %i step(s)", { timeout: 900_000 }, async (convolution, steps) => {
      const report = await trainOnDevice(backend, await record(convolution), batch, { steps, tolerance, reads });
      if (mode === "webgpu") expect(report.lossReads.seen, "readbacks that the graphics interface saw").toBe(1);
      if (process.env.FIGURES) console.info(mode, convolution, JSON.stringify(report));
      expectRecorded(convolution, report, tolerance);
      const groups = steps === 3 ? [...recordGroups, "after3"] : recordGroups;
      expect(Object.keys(report.deviations).sort()).toEqual(
        [...groups].filter((name) => name !== "bn1" || convolution !== "Monarch_4").sort(),
      );
    });
  });
});
