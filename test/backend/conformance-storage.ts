import fc from "fast-check";
import { expect, it } from "vitest";
import { BackendError } from "../../src/core/errors.ts";
import { bytesPerElement, type DType, typedArray } from "../../src/tensor/storage.ts";
import { sizes } from "../arbitraries/shapes.ts";
import { seeds } from "../arbitraries/values.ts";
import { conforms, expectAgreement, floating, holds, int32, type Subject } from "./conformance-harness.ts";
import { precisions } from "./conformance-tolerance.ts";

export function storageConformance(subject: Subject): void {
  const dtypes = fc.constantFrom<DType>(...subject.tolerance.dtypes, "int32");
  const refused = (["float32", "float64"] as const).filter((dtype) => !subject.tolerance.dtypes.includes(dtype));

  it("upload keeps every number, extreme ones included", () =>
    holds(
      subject,
      fc.asyncProperty(seeds, sizes(40), dtypes, async (seed, length, dtype) => {
        const data = subject.values(seed, length, dtype === "int32" ? "integers" : "extreme");
        const storage = subject.kernels().upload(dtype, data);
        expect(storage).toMatchObject({ dtype, length, alive: true });
        const read = await storage.read();
        expect(read).toBeInstanceOf(typedArray(dtype, 0).constructor);
        expectAgreement(read, [typedArray(dtype, data)], undefined, precisions[dtype === "float64" ? dtype : "float32"], subject.tolerance);
        storage.release();
      }),
    ));

  for (const dtype of refused)
    it(`${dtype} is refused, not computed in another precision`, () => {
      const k = subject.kernels();
      const before = k.memory();
      expect(() => k.upload(dtype, [1, 2])).toThrow(BackendError);
      expect(() => k.full(dtype, 3, 1)).toThrow(BackendError);
      expect(() => k.assemble(dtype, 3, 0, [])).toThrow(BackendError);
      const x = k.upload("float32", [1, 2]);
      expect(() => k.cast(x, dtype)).toThrow(BackendError);
      x.release();
      expect(k.memory()).toMatchObject({ storages: before.storages, used: before.used });
    });

  it("read gives a copy: changing it does not change the storage", () =>
    holds(
      subject,
      fc.asyncProperty(seeds, fc.integer({ min: 1, max: 20 }), async (seed, length) => {
        const data = subject.values(seed, length);
        const storage = subject.kernels().upload("float32", data);
        (await storage.read()).fill(99);
        expect(Array.from(await storage.read())).toEqual(Array.from(data));
        storage.release();
      }),
    ));

  it("upload takes a copy: changing the source does not change the storage", () =>
    holds(
      subject,
      fc.asyncProperty(seeds, fc.integer({ min: 1, max: 20 }), async (seed, length) => {
        const data = Float32Array.from(subject.values(seed, length));
        const storage = subject.kernels().upload("float32", data);
        const before = Array.from(data);
        data.fill(99);
        expect(Array.from(await storage.read())).toEqual(before);
        storage.release();
      }),
    ));

  it("full repeats one value", () =>
    holds(
      subject,
      fc.asyncProperty(seeds, sizes(70), async (seed, length) => {
        const [value] = subject.values(seed, 1, "extreme");
        await conforms(subject, { inputs: [], run: (k, _, dtype) => [k.full(dtype, length, value!), k.full("int32", length, length)] });
      }),
    ));

  it("write overwrites all of its target", () =>
    holds(
      subject,
      fc.asyncProperty(seeds, sizes(40), async (seed, length) => {
        const data = subject.values(seed, length, "extreme");
        const run = (k: ReturnType<Subject["kernels"]>, [target]: readonly Parameters<typeof k.write>[0][]) => {
          k.write(target!, data);
          return [];
        };
        await conforms(subject, { inputs: [floating(new Float64Array(length).fill(7))], updates: [0], run });
      }),
    ));

  it("cast rounds to float32, keeps numbers in float64 and drops fractions to int32", () =>
    holds(
      subject,
      fc.asyncProperty(seeds, sizes(40), async (seed, length) => {
        const fractions = floating(subject.values(seed, length, "positive"));
        const integers = int32(subject.values(seed, length, "integers"));
        await conforms(subject, {
          inputs: [fractions],
          run: (k, [x]) => [k.cast(x!, "int32"), ...subject.tolerance.dtypes.map((to) => k.cast(x!, to))],
        });
        await conforms(subject, { inputs: [integers], run: (k, [x], dtype) => [k.cast(x!, dtype), k.cast(x!, "int32")] });
        await conforms(subject, {
          inputs: [floating(subject.values(seed, length, "extreme"))],
          run: (k, [x]) => subject.tolerance.dtypes.map((to) => k.cast(x!, to)),
        });
      }),
    ));

  it("memory counts what is held, to the byte, and the most since resetPeak", () =>
    holds(
      subject,
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
    holds(
      subject,
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
