/**
 * The fused separable convolution and its gradients against the convolutions that they are composed of, in float64 on the reference: windows
 * with a kernel of their own and others, sizes that fill tiles, runs and panels and sizes that leave a rest, several images to a group and
 * several ranges of images. Numbers that lay in the memory before do not matter, and two threads give the bits of one.
 */

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Kernels } from "../../../src/backend/kernels.ts";
import { createReferenceBackend } from "../../../src/backend/reference/reference-kernels.ts";
import { simdNames } from "../../../src/backend/wasm/host/simd.ts";
import { enableRelaxedSimd } from "../../../src/backend/wasm/node/enable-relaxed-simd.ts";
import { enableWideSimd } from "../../../src/backend/wasm/node/enable-wide-simd.ts";
import { createWasmBackend, type WasmBackend } from "../../../src/backend/wasm/wasm-backend.ts";
import { mapGeometry, type SeparableGeometry, separableGeometry } from "../../../src/core/separable-geometry.ts";
import type { Storage } from "../../../src/tensor/storage.ts";
import { seeds, valuesOf } from "../../arbitraries/values.ts";
import { precisions, sumBound } from "../conformance-tolerance.ts";

const builds = { baseline: true, relaxed: enableRelaxedSimd(), wide: enableWideSimd() };
const reference = createReferenceBackend();

type Operands = readonly [x: Storage, w: Storage, map: Storage, g: Storage];
type Results = readonly [y: Storage, ofX: Storage, ofW: Storage, ofMap: Storage];
const names = ["y", "gradient of x", "gradient of w", "gradient of P"] as const;

function fused(k: Kernels, [x, w, map, g]: Operands, geometry: SeparableGeometry): Results {
  const gradient = k.separableConv2dGradient(x, w, map, g, geometry);
  return [k.separableConv2d(x, w, map, geometry), gradient.x, gradient.w, gradient.map];
}

function composed(k: Kernels, [x, w, map, g]: Operands, geometry: SeparableGeometry): Results {
  const { window } = geometry;
  const pixels = mapGeometry(geometry);
  const windowed = k.conv2d(x, w, window);
  const ofWindowed = k.conv2dInputGradient(g, map, pixels);
  return [
    k.conv2d(windowed, map, pixels),
    k.conv2dInputGradient(ofWindowed, w, window),
    k.conv2dWeightGradient(x, ofWindowed, window),
    k.conv2dWeightGradient(windowed, g, pixels),
  ];
}

/** Leaves NaN in the memory that the next call gets, so that a number which is read before it was written shows. */
const leaveNaN = (k: Kernels): void => k.upload("float32", nothing).release();
const nothing = new Float32Array(2 ** 20).fill(Number.NaN);

/** The results as copies. Everything that was allocated is freed. */
function results(
  k: Kernels,
  dtype: "float32" | "float64",
  inputs: readonly Float64Array[],
  geometry: SeparableGeometry,
  run: typeof fused,
): Float64Array[] {
  if (dtype === "float32") leaveNaN(k);
  const [x, w, map, g] = inputs.map((values) => k.upload(dtype, values));
  const operands: Operands = [x!, w!, map!, g!];
  const computed = run(k, operands, geometry);
  const copies = computed.map(({ view }) => Float64Array.from(view!));
  for (const storage of [...operands, ...computed]) storage.release();
  return copies;
}

interface Case {
  readonly batch: number;
  readonly channels: number;
  readonly outChannels: number;
  readonly height: number;
  readonly width: number;
  readonly kernel: number;
  readonly stride: number;
}

const between = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max });
/** Networks: 3×3 with padding 1. Widths of whole runs of 4 and of 8 results, with an odd and an even number of runs, and of broken ones. */
const cases: fc.Arbitrary<Case> = fc.record({
  batch: fc.oneof({ weight: 3, arbitrary: between(1, 3) }, { weight: 1, arbitrary: fc.constantFrom(17, 34) }),
  channels: between(1, 9),
  outChannels: between(1, 10),
  height: between(1, 10),
  width: fc.constantFrom(5, 8, 16, 24, 32, 48),
  kernel: fc.constantFrom(1, 3, 3, 3, 3),
  stride: fc.constantFrom(1, 1, 2, 2),
});

function geometryOf({ batch, channels, outChannels, height, width, kernel, stride }: Case): SeparableGeometry {
  const [x, w, map] = [
    [batch, channels, height, width],
    [channels, 1, kernel, kernel],
    [outChannels, channels],
  ];
  return separableGeometry("separableConv2d", x, w, map, { stride, padding: (kernel - 1) / 2 });
}

function inputsOf(seed: number, { window, outChannels }: SeparableGeometry): Float64Array[] {
  const { batch, inChannels, height, width, outHeight, outWidth, kernelHeight, kernelWidth } = window;
  const lengths = [
    batch * inChannels * height * width,
    inChannels * kernelHeight * kernelWidth,
    outChannels * inChannels,
    batch * outChannels * outHeight * outWidth,
  ];
  return lengths.map((length, i) => valuesOf(seed + i, length));
}

for (const simd of simdNames)
  describe.skipIf(!builds[simd])(`the fused separable convolution, ${simd} SIMD`, () => {
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

    const check = (seed: number, config: Case): void => {
      const geometry = geometryOf(config);
      const { batch, outHeight, outWidth } = geometry.window;
      const [taps, positions] = [config.kernel ** 2, outHeight * outWidth];
      const inputs = inputsOf(seed, geometry);
      const sizes = inputs.map((values) => values.map(Math.abs));
      const [exact, magnitudes] = [inputs, sizes].map((values) => results(reference, "float64", values, geometry, composed)) as [
        Float64Array[],
        Float64Array[],
      ];
      const terms = [taps + config.channels, config.outChannels + taps, config.outChannels + batch * positions, taps + batch * positions];
      const computed = results(one, "float32", inputs, geometry, fused);
      for (const [i, name] of names.entries()) {
        const bound = sumBound(terms[i]!, magnitudes[i]!, precisions.float32);
        const wrong = computed[i]!.findIndex((value, at) => !(Math.abs(value - exact[i]![at]!) <= bound[at]!));
        expect(wrong === -1 ? "all right" : `${name}[${wrong}] is ${computed[i]![wrong]}, not ${exact[i]![wrong]}`).toBe("all right");
      }
      expect(results(two, "float32", inputs, geometry, fused)).toEqual(computed);
    };

    it("agrees with the composed convolutions, and with itself on two threads", () => {
      fc.assert(fc.property(seeds, cases, check), { numRuns: 80 });
    });

    it.each([1, 2])("does so where an image is several bands, stride %i", (stride) => {
      check(1, { batch: 1, channels: 60, outChannels: 72, height: 32 * stride, width: 32 * stride, kernel: 3, stride });
    });
  });
