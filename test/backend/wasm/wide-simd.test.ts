/** The wide build is used only where the engine is known, computes what the baseline build computes, and is faster. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Kernels } from "../../../src/backend/kernels.ts";
import { createReferenceBackend } from "../../../src/backend/reference/reference-kernels.ts";
import { wasmAcceptances } from "../../../src/backend/wasm/acceptances.ts";
import { differenceOf } from "../../../src/backend/wasm/host/wide-self-test.ts";
import { setWideCompiler, slowTile } from "../../../src/backend/wasm/host/wide-simd.ts";
import { enableRelaxedSimd } from "../../../src/backend/wasm/node/enable-relaxed-simd.ts";
import { enableWideSimd } from "../../../src/backend/wasm/node/enable-wide-simd.ts";
import { createWasmBackend } from "../../../src/backend/wasm/wasm-backend.ts";

/** f32x4.add and f32x4.sub, as WebAssembly encodes them. */
const [add, sub] = [
  [0xfd, 0xe4, 0x01],
  [0xfd, 0xe5, 0x01],
];

/** A copy in which the last addition is a subtraction. */
function damaged(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const copy = bytes.slice();
  for (let at = copy.length - 3; at > 0; at--)
    if (add!.every((byte, i) => copy[at + i] === byte)) {
      copy.set(sub!, at);
      return copy;
    }
  throw new Error("the module has no addition");
}

describe("the wide build", () => {
  beforeAll(enableRelaxedSimd);
  afterAll(enableWideSimd);

  it("is refused where a kernel computes something else, and relaxed SIMD runs with the reason as a note", async () => {
    setWideCompiler({ compile: (bytes) => new WebAssembly.Module(damaged(bytes)) });
    await expect(createWasmBackend({ threads: 1, simd: "wide" })).rejects.toThrow(
      /simd "wide" cannot run here: the self-test found a wrong/,
    );
    const backend = await createWasmBackend({ threads: 1 });
    expect(backend).toMatchObject({ simd: "relaxed", note: expect.stringMatching(/^no wide SIMD: the self-test found a wrong result/) });
    backend.dispose();
  });

  it("is tested in every kernel that it has", async () => {
    const called = new Set<PropertyKey>();
    const reference = await createReferenceBackend();
    const watched = new Proxy(reference, { get: (kernels, name: keyof Kernels) => called.add(name) && kernels[name] });
    expect(differenceOf(watched, reference)).toBeUndefined();
    expect([...called]).toEqual(expect.arrayContaining(Object.keys(wasmAcceptances)));
  });

  it("is refused where the engine does not compile it", async () => {
    setWideCompiler({
      compile: () => {
        throw new Error("out of code space");
      },
    });
    await expect(createWasmBackend({ threads: 1, simd: "wide" })).rejects.toThrow(/simd "wide" cannot run here: out of code space/);
  });

  it("is refused where a tile of pairs is as slow as single vectors", () => {
    expect(slowTile([10, 20, 20, 19])).toBeUndefined();
    expect(slowTile([10, 20, 11, 19])).toMatch(/the convolution runs at 1\.10 times the pace of single vectors/);
  });

  it("is what an engine that may have it runs, and an error that names the versions elsewhere", async () => {
    if (enableWideSimd()) {
      const backend = await createWasmBackend({ threads: 1, simd: "wide" });
      expect(backend.simd).toBe("wide");
      backend.dispose();
    } else
      await expect(createWasmBackend({ threads: 1, simd: "wide" })).rejects.toThrow(/needs Node 24 or later|needs an x64 processor|tested/);
  });
});
