import { describe, expect, it } from "vitest";
import { viewOf } from "../../../src/backend/host-storage.ts";
import { HeapMemory } from "../../../src/backend/reference/heap-memory.ts";
import { BackendError } from "../../../src/core/errors.ts";

// The conformance suite tests counts, peaks and holders, for every backend.
describe("HeapMemory", () => {
  it("gives up the elements when the last holder releases the storage", () => {
    const storage = new HeapMemory("heap").allocate("float32", 1000);
    expect(storage.view.length).toBe(1000);
    storage.release();
    expect(storage.view.length).toBe(0);
    expect(() => viewOf(storage)).toThrow(BackendError);
  });

  it("says what it could not allocate, and counts nothing for it", () => {
    const memory = new HeapMemory("heap");
    for (const length of [2 ** 50, -1]) {
      expect(() => memory.allocate("float64", length)).toThrow(BackendError);
      expect(() => memory.allocate("float64", length)).toThrow(`heap: no memory for ${length} elements of float64`);
    }
    expect(memory.report()).toEqual({ backend: "heap", storages: 0, used: 0, peak: 0, reserved: 0 });
  });
});
