/** The files of a teacher cache: they give back what was kept, for the same images, teacher and backend only. Damage is told. */

import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DataError } from "../../../src/core/errors.ts";
import type { Batch } from "../../../src/data/batches.ts";
import { TeacherCache } from "../../../src/experiment/node/teacher-cache.ts";
import { type EncodableArray, encodeSafetensors } from "../../../src/train/safetensors.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "separable-teacher-cache-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const teacher = "0123456789abcdef".repeat(4);
const batchOf = (images: readonly number[], count: number): Batch => ({
  index: 0,
  count,
  images: Float32Array.from(images),
  labels: new Int32Array(count),
});
const floats = (length: number): fc.Arbitrary<Float32Array> => fc.float32Array({ minLength: length, maxLength: length });

test("recalls the bits that were kept for the same images, and nothing for others, for another teacher or for another backend", () =>
  fc.assert(
    fc.asyncProperty(
      fc
        .integer({ min: 1, max: 3 })
        .chain((count) =>
          fc.tuple(fc.constant(count), floats(2 * count), floats(3 * count), fc.array(floats(4 * count), { maxLength: 3 })),
        ),
      fc.nat(1000), // float32 tells a number of this size from the next one
      async ([count, images, logits, attention], name) => {
        const own = join(folder, `property-${name}`);
        const cache = new TeacherCache(own, teacher, "wasm-wide");
        const batch = batchOf([...images, name], count);
        expect(await cache.recall(batch)).toBeUndefined();
        await cache.keep(batch, { logits, attention });
        expect(await new TeacherCache(own, teacher, "wasm-wide").recall(batch)).toEqual({ logits, attention });
        expect(await cache.recall(batchOf([...images, name + 1], count))).toBeUndefined();
        expect(await new TeacherCache(own, teacher.replace("0", "f"), "wasm-wide").recall(batch)).toBeUndefined();
        expect(await new TeacherCache(own, teacher, "wasm-relaxed").recall(batch)).toBeUndefined();
        await rm(own, { recursive: true });
      },
    ),
    { numRuns: 20 },
  ));

const rows = (shape: readonly number[], data: EncodableArray["data"]): EncodableArray => ({ shape, data });

test.each<[string, Record<string, EncodableArray>, RegExp]>([
  ["no logits", { "attention.0": rows([2, 1], new Float32Array(2)) }, /must hold logits \[2,…\] in float32, got none; delete it/],
  ["logits of other images", { logits: rows([3, 1], new Float32Array(3)) }, /must hold logits \[2,…\] in float32, got \[3,1\] in float32/],
  ["logits in float64", { logits: rows([2, 1], new Float64Array(2)) }, /must hold logits \[2,…\] in float32, got \[2,1\] in float64/],
  [
    "a map that is missing",
    { logits: rows([2, 1], new Float32Array(2)), "attention.1": rows([2, 1], new Float32Array(2)) },
    /must hold attention\.0 \[2,…\] in float32, got none/,
  ],
])("a file with %s is an error that names it", async (name, tensors, message) => {
  const cache = new TeacherCache(join(folder, name), teacher, "wasm");
  const batch = batchOf([1, 2], 2);
  await cache.keep(batch, { logits: new Float32Array(2), attention: [] });
  const [file] = await readdir(cache.path);
  await writeFile(join(cache.path, file!), encodeSafetensors(new Map(Object.entries(tensors))));
  const error: unknown = await cache.recall(batch).catch((refused: unknown) => refused);
  expect(error).toBeInstanceOf(DataError);
  expect((error as Error).message).toMatch(message);
  expect((error as Error).message).toContain(file);
});
