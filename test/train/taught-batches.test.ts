/** What a teacher computes for a batch, recalled or computed, gives the student the same losses and gradients. */

import { expect, test } from "vitest";
import { Random } from "../../src/core/random.ts";
import type { Batch, TaughtOutput } from "../../src/data/batches.ts";
import { gradients } from "../../src/grad/gradients.ts";
import { WideResNet } from "../../src/models/wide-resnet.ts";
import { tensor } from "../../src/ops/creation.ts";
import { createObjective } from "../../src/train/objective.ts";
import { type TeacherMemory, taughtBatches } from "../../src/train/taught-batches.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";

onReferenceBackend();

const network = (seed: number): WideResNet => new WideResNet({ depth: 10, width: 1, classes: 3 }, { random: new Random(seed) });
const shape = [3, 8, 8] as const;
const batch = (seed: number, count: number): Batch => {
  const random = new Random(seed);
  const images = Float32Array.from({ length: count * 3 * 64 }, () => random.normal());
  return { index: seed, count, images, labels: Int32Array.from({ length: count }, (_, n) => n % 3) };
};
const batches = [batch(0, 3), batch(1, 3), batch(2, 2)];

/** A memory in a map, by the first pixel, which counts what it is asked to keep. */
function memoryOf(): TeacherMemory & { readonly kept: Map<number, TaughtOutput> } {
  const kept = new Map<number, TaughtOutput>();
  return {
    kept,
    recall: async ({ images }) => kept.get(images[0]!),
    keep: async ({ images }, taught) => void kept.set(images[0]!, taught),
  };
}

const taughtBy = async (teacher: WideResNet, memory: TeacherMemory): Promise<Batch[]> => {
  const taught: Batch[] = [];
  for await (const each of taughtBatches(batches, teacher, shape, memory)) taught.push(each);
  return taught;
};

test("a batch that holds what the teacher computes gives the losses and the gradients of a step that asks the teacher", async () => {
  const [student, teacher] = [network(1), network(2)];
  const taught = await taughtBy(teacher, memoryOf());
  expect(taught.map(({ taught: _, ...rest }) => rest)).toEqual(batches);
  const objective = createObjective(student, { teaching: { teacher, alpha: 0.5, temperature: 4, beta: 1000 } });
  for (const [i, each] of taught.entries()) {
    const x = tensor(each.images, { shape: [each.count, ...shape] });
    const numbers = async (of: Batch): Promise<unknown> => {
      const { objective: loss } = objective(x, of.labels, { training: false }, of);
      const slopes = gradients(
        loss,
        [...student.parameters().values()].map(({ value }) => value),
      );
      return [await loss.item(), await Promise.all(slopes.map((slope) => slope.data()))];
    };
    expect(await numbers(each)).toEqual(await numbers(batches[i]!));
  }
});

test("a batch that is known is recalled, and the teacher is not asked", async () => {
  const memory = memoryOf();
  const first = await taughtBy(network(2), memory);
  expect(memory.kept.size).toBe(batches.length);
  const unasked = network(3);
  unasked.forwardWithAttention = () => expect.unreachable("the teacher was asked");
  expect(await taughtBy(unasked, memory)).toEqual(first);
});
