import fc from "fast-check";
import { expect, it } from "vitest";
import { BackendError } from "../../src/core/errors.ts";
import { bytesPerElement, type DType, typedArray } from "../../src/tensor/storage.ts";
import { sizes } from "../arbitraries/shapes.ts";
import { seeds, valuesOf } from "../arbitraries/values.ts";
import { conforms, floating, int32, type Subject } from "./conformance-harness.ts";

const dtypes = fc.constantFrom<DType>("float32", "float64", "int32");

export function storageConformance(subject: Subject): void {
  it("upload keeps every number, extreme ones included", () =>
    fc.assert(
      fc.asyncProperty(seeds, sizes(40), dtypes, async (seed, length, dtype) => {
        const data = valuesOf(seed, length, dtype === "int32" ? "integers" : "extreme");
        const storage = subject.kernels().upload(dtype, data);
        expect(storage).toMatchObject({ dtype, length, alive: true });
        expect(await storage.read()).toEqual(typedArray(dtype, data));
        storage.release();
      }),
    ));

  it("read gives a copy: changing it does not change the storage", () =>
    fc.assert(
      fc.asyncProperty(seeds, fc.integer({ min: 1, max: 20 }), async (seed, length) => {
        const data = valuesOf(seed, length);
        const storage = subject.kernels().upload("float32", data);
        (await storage.read()).fill(99);
        expect(Array.from(await storage.read())).toEqual(Array.from(data));
        storage.release();
      }),
    ));

  it("upload takes a copy: changing the source does not change the storage", () =>
    fc.assert(
      fc.asyncProperty(seeds, fc.integer({ min: 1, max: 20 }), async (seed, length) => {
        const data = Float32Array.from(valuesOf(seed, length));
        const storage = subject.kernels().upload("float32", data);
        const before = Array.from(data);
        data.fill(99);
        expect(Array.from(await storage.read())).toEqual(before);
        storage.release();
      }),
    ));

  it("full repeats one value", () =>
    fc.assert(
      fc.asyncProperty(seeds, sizes(70), async (seed, length) => {
        const [value] = valuesOf(seed, 1, "extreme");
        await conforms(subject, { inputs: [], run: (k, _, dtype) => [k.full(dtype, length, value!), k.full("int32", length, length)] });
      }),
    ));

  it("write overwrites all of its target", () =>
    fc.assert(
      fc.asyncProperty(seeds, sizes(40), async (seed, length) => {
        const data = valuesOf(seed, length, "extreme");
        const run = (k: ReturnType<Subject["kernels"]>, [target]: readonly Parameters<typeof k.write>[0][]) => {
          k.write(target!, data);
          return [];
        };
        await conforms(subject, { inputs: [floating(new Float64Array(length).fill(7))], updates: [0], run });
      }),
    ));

  it("cast rounds to float32, keeps numbers in float64 and drops fractions to int32", () =>
    fc.assert(
      fc.asyncProperty(seeds, sizes(40), async (seed, length) => {
        const fractions = floating(valuesOf(seed, length, "positive"));
        const integers = int32(valuesOf(seed, length, "integers"));
        await conforms(subject, {
          inputs: [fractions],
          run: (k, [x]) => [k.cast(x!, "int32"), k.cast(x!, "float64"), k.cast(x!, "float32")],
        });
        await conforms(subject, { inputs: [integers], run: (k, [x], dtype) => [k.cast(x!, dtype), k.cast(x!, "int32")] });
        await conforms(subject, {
          inputs: [floating(valuesOf(seed, length, "extreme"))],
          run: (k, [x]) => [k.cast(x!, "float64"), k.cast(x!, "float32")],
        });
      }),
    ));

  it("memory counts what is held, to the byte, and the most since resetPeak", () =>
    fc.assert(
      fc.property(
        fc.array(fc.record({ length: fc.integer({ min: 1, max: 50 }), dtype: dtypes }), { minLength: 1, maxLength: 6 }),
        (list) => {
          const k = subject.kernels();
          const before = k.memory();
          k.resetPeak();
          expect(k.memory().peak).toBe(before.used);
          const storages = list.map(({ dtype, length }) => k.full(dtype, length, 1));
          const bytes = list.reduce((sum, { dtype, length }) => sum + length * bytesPerElement[dtype], 0);
          const after = k.memory();
          expect(after.storages - before.storages).toBe(list.length);
          // An allocator may round a storage up to its alignment, never down.
          expect(after.used - before.used).toBeGreaterThanOrEqual(bytes);
          expect(after.reserved).toBeGreaterThanOrEqual(after.used);
          for (const storage of storages) storage.release();
          expect(k.memory()).toMatchObject({ storages: before.storages, used: before.used, peak: after.used });
        },
      ),
    ));

  it("a storage lives until its last holder releases it, and no longer", () =>
    fc.assert(
      fc.asyncProperty(sizes(20), fc.nat({ max: 5 }), async (length, more) => {
        const storage = subject.kernels().full("float32", length, 3);
        for (let i = 0; i < more; i++) storage.retain();
        for (let i = 0; i < more; i++) storage.release();
        expect(storage.alive).toBe(true);
        expect(Array.from(await storage.read())).toEqual(new Array(length).fill(3));
        storage.release();
        expect(storage.alive).toBe(false);
        expect(() => storage.release()).toThrow(BackendError);
        expect(() => storage.retain()).toThrow(BackendError);
        expect(() => subject.kernels().unary("exp", storage)).toThrow(BackendError);
        await expect(async () => storage.read()).rejects.toThrow(BackendError);
      }),
    ));
}
