/** The wide kernels in the engine that runs this file: all kernels against the reference, and the structured maps on them. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { viewOf } from "../../../src/backend/host-storage.ts";
import { enableRelaxedSimd } from "../../../src/backend/wasm/node/enable-relaxed-simd.ts";
import { enableWideSimd } from "../../../src/backend/wasm/node/enable-wide-simd.ts";
import { createWasmBackend, type WasmBackend } from "../../../src/backend/wasm/wasm-backend.ts";
import { convolutionGeometry } from "../../../src/core/convolution-geometry.ts";
import { conformance } from "../../backend/conformance.ts";
import { wasm } from "../../backend/conformance-tolerance.ts";
import { structuredLinearProperty } from "../../structured/structured-linear-property.ts";

enableRelaxedSimd();
enableWideSimd();

const create = () => createWasmBackend({ threads: 2, simd: "wide" });
conformance("wasm, 2 threads, wide SIMD", create, wasm, { runs: (usual) => Math.ceil(usual / 2) });
structuredLinearProperty("wasm, 2 threads, wide SIMD", create, { dtype: "float32", cases: 20 });

describe("wide kernels", () => {
  const teams: WasmBackend[] = [];
  beforeAll(async () => {
    for (const threads of [1, 2, 3]) teams.push(await createWasmBackend({ threads, simd: "wide" }));
  });
  afterAll(() => {
    for (const backend of teams) backend.dispose();
  });

  const numbers = (length: number, seed: number): Float32Array => Float32Array.from({ length }, (_, i) => Math.sin(seed + 1.7 * i));

  it.each([
    [8, 2],
    [8, 1],
    [11, 1],
    [24, 2],
  ])("give the same bits for every number of threads: images of %i pixels, stride %i", (size, stride) => {
    const g = convolutionGeometry("test", [9, 32, size, size], [32, 32, 3, 3], { stride, padding: 1 });
    const x = numbers(9 * 32 * size * size, 1);
    const w = numbers(32 * 32 * 9, 2);
    const y = numbers(9 * 32 * g.outHeight * g.outWidth, 3);
    const seen = [...teams, ...teams, ...teams].map((backend) => {
      const [image, weights, gradient] = [x, w, y].map((values) => backend.upload("float32", values)) as [never, never, never];
      const results = [
        backend.conv2d(image, weights, g),
        backend.conv2dInputGradient(gradient, weights, g),
        backend.conv2dWeightGradient(image, gradient, g),
      ];
      return results.map((result) => {
        const { buffer, byteOffset, byteLength } = viewOf(result);
        return Buffer.from(buffer, byteOffset, byteLength);
      });
    });
    for (const results of seen) expect(results.map((bits, i) => bits.equals(seen[0]![i]!))).toEqual([true, true, true]);
  });
});
