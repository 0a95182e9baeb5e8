/**
 * The fused window with its stages, and its gradients, against the convolutions and stages that they are composed of, in float64 on the
 * reference: stride 1 and 2, whole and broken rows, several bands of an image and several ranges of images. Numbers that lay in the memory
 * before do not matter, and two threads give the bits of one.
 */

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Kernels, WindowStagesGeometry } from "../../../src/backend/kernels.ts";
import { createReferenceBackend } from "../../../src/backend/reference/reference-kernels.ts";
import { simdNames } from "../../../src/backend/wasm/host/simd.ts";
import { enableRelaxedSimd } from "../../../src/backend/wasm/node/enable-relaxed-simd.ts";
import { enableWideSimd } from "../../../src/backend/wasm/node/enable-wide-simd.ts";
import { createWasmBackend, type WasmBackend } from "../../../src/backend/wasm/wasm-backend.ts";
import { convolutionGeometry } from "../../../src/core/convolution-geometry.ts";
import type { Storage } from "../../../src/tensor/storage.ts";
import { type DrawnStages, drawnStages, geometryOfStages } from "../../arbitraries/stages.ts";
import { seeds, valuesOf } from "../../arbitraries/values.ts";
import { precisions, sumBound } from "../conformance-tolerance.ts";

const builds = { baseline: true, relaxed: enableRelaxedSimd(), wide: enableWideSimd() };
const reference = createReferenceBackend();

interface Window {
  readonly height: number;
  readonly width: number;
  readonly stride: number;
}

/** Widths of whole runs of 4 and of 8 results, with an odd and an even number of runs, and of broken ones. */
const windows: fc.Arbitrary<Window> = fc.record({
  height: fc.integer({ min: 1, max: 10 }),
  width: fc.constantFrom(5, 8, 16, 24, 32, 48),
  stride: fc.constantFrom(1, 2),
});

const networks = fc.oneof(
  { weight: 3, arbitrary: drawnStages({ batch: 3, channels: 12, columns: 1 }) },
  { weight: 1, arbitrary: drawnStages({ batch: 34, channels: 6, columns: 1 }) },
);

/** y, and the gradients of x, of w and of every weight, as copies. Everything that was allocated is freed. */
function results(k: Kernels, dtype: "float32" | "float64", inputs: readonly Float64Array[], geometry: WindowStagesGeometry) {
  // Memory full of NaN comes back for the next call, so that a number which is read before it was written shows.
  if (dtype === "float32") k.upload("float32", new Float32Array(2 ** 20).fill(Number.NaN)).release();
  const operands = inputs.map((values) => k.upload(dtype, values));
  const [x, w, g, ...weights] = operands;
  const { contractWindow, contractWindowGradient } = k;
  const y = contractWindow!(x!, w!, weights, geometry);
  const gradient = contractWindowGradient!(x!, w!, weights, g!, geometry);
  const computed = [y, gradient.x, gradient.w, ...gradient.weights];
  return released(operands, computed);
}

/** The same behind a norm, whose γ and β are the first weights of the window. */
function normedResults(k: Kernels, inputs: readonly Float64Array[], geometry: WindowStagesGeometry) {
  const operands = inputs.map((values) => k.upload("float32", values));
  const { inChannels } = geometry.window;
  const affine = [1, 2].map((end) => k.upload("float32", inputs[1]!.slice((end - 1) * inChannels, end * inChannels)));
  const [x, w, g, ...weights] = operands;
  const norm = { gamma: affine[0]!, beta: affine[1]!, epsilon: 1e-5, activation: "relu" } as const;
  const { normContractWindow, normContractWindowGradient } = k;
  const { y, mean, variance } = normContractWindow!(x!, norm, w!, weights, geometry);
  const gradient = normContractWindowGradient!(x!, { ...norm, mean, variance }, w!, weights, g!, geometry);
  return released(
    [...operands, ...affine],
    [y, mean, variance, gradient.x, gradient.gamma, gradient.beta, gradient.w, ...gradient.weights],
  );
}

function released(operands: readonly Storage[], computed: readonly Storage[]): Float64Array[] {
  const copies = computed.map(({ view }) => Float64Array.from(view!));
  for (const storage of [...operands, ...computed]) storage.release();
  return copies;
}

for (const simd of simdNames)
  describe.skipIf(!builds[simd])(`the fused window with stages, ${simd} SIMD`, () => {
    let one: WasmBackend;
    let two: WasmBackend;
    beforeAll(async () => {
      one = await createWasmBackend({ threads: 1, simd });
      two = await createWasmBackend({ threads: 2, simd });
    });
    afterAll(() => {
      one.dispose();
      two.dispose();
    });

    const check = (seed: number, drawn: DrawnStages, { height, width, stride }: Window): void => {
      const { channels } = drawn;
      const { batch, stages } = geometryOfStages(drawn);
      const options = { stride, padding: 1, groups: channels };
      const window = convolutionGeometry("contractWindow", [batch, channels, height, width], [channels, 1, 3, 3], options);
      const pixels = batch * window.outHeight * window.outWidth;
      const last = stages.at(-1)!;
      const ofStages = stages.map((stage) => stage.weights * stage.outputs * stage.inputs);
      const lengths = [batch * channels * height * width, channels * 9, pixels * last.groups * last.outputs, ...ofStages];
      const inputs = lengths.map((length, i) => valuesOf(seed + i, length));
      const sizes = inputs.map((values) => values.map(Math.abs));
      const geometry = { window, stages };
      const [exact, magnitudes] = [inputs, sizes].map((values) => results(reference, "float64", values, geometry)) as [
        Float64Array[],
        Float64Array[],
      ];
      const terms = 9 + pixels + stages.reduce((sum, stage) => sum + stage.inputs + stage.outputs + stage.groups, 0);
      const computed = results(one, "float32", inputs, geometry);
      for (const [i, values] of computed.entries()) {
        const bound = sumBound(terms, magnitudes[i]!, precisions.float32);
        const wrong = values.findIndex((value, at) => !(Math.abs(value - exact[i]![at]!) <= bound[at]!));
        expect(wrong === -1 ? "all right" : `result ${i}[${wrong}] is ${values[wrong]}, not ${exact[i]![wrong]}`).toBe("all right");
      }
      expect(results(two, "float32", inputs, geometry)).toEqual(computed);
      // The conformance suite checks the values behind a norm.
      expect(normedResults(two, inputs, geometry)).toEqual(normedResults(one, inputs, geometry));
    };

    it("agrees with the composed kernels, and with itself on two threads", () => {
      fc.assert(fc.property(seeds, networks, windows, check), { numRuns: 80 });
    });

    it.each([1, 2])("does so where an image is several bands, stride %i", (stride) => {
      const stage = { equation: "ri,i->r", weight: [9, 60], sizes: {} };
      const next = { equation: "or,r->o", weight: [70, 9], sizes: {} };
      check(1, { batch: 2, channels: 60, columns: 1, stages: [stage, next] }, { height: 32 * stride, width: 32 * stride, stride });
    });
  });
