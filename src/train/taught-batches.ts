/** Batches with what a teacher computes for them. A memory of it lets many students learn from one teacher that computes each batch once. */

import type { Batch, TaughtOutput } from "../data/batches.ts";
import { detach, noGrad } from "../tape/tape.ts";
import { scope } from "../tensor/scope.ts";
import { type AttentiveClassifier, type Batches, type ImageShape, imagesOf } from "./evaluate.ts";

/** Keeps what a teacher computed. It knows a batch by its images, so two runs that prepare the same batches find each other's results. */
export interface TeacherMemory {
  /** What was kept for these images; undefined for images that are new. */
  recall(batch: Batch): Promise<TaughtOutput | undefined>;
  keep(batch: Batch, taught: TaughtOutput): Promise<void>;
}

/** The batches with `taught`, which is recalled where the memory has it, and otherwise computed and kept. */
export async function* taughtBatches(
  batches: Batches,
  teacher: AttentiveClassifier,
  imageShape: ImageShape,
  memory: TeacherMemory,
): AsyncGenerator<Batch, void, void> {
  for await (const batch of batches) {
    let taught = await memory.recall(batch);
    if (taught === undefined) {
      taught = await teach(batch, teacher, imageShape);
      await memory.keep(batch, taught);
    }
    yield { ...batch, taught };
  }
}

async function teach(batch: Batch, teacher: AttentiveClassifier, imageShape: ImageShape): Promise<TaughtOutput> {
  const [logits, ...attention] = scope(() =>
    noGrad(() => {
      const output = teacher.forwardWithAttention(imagesOf(batch, imageShape), { training: false });
      return [output.logits, ...output.attention].map(detach);
    }),
  );
  const outputs = [logits!, ...attention];
  try {
    const [first, ...maps] = (await Promise.all(outputs.map((output) => output.data()))) as Float32Array[];
    return { logits: first!, attention: maps };
  } finally {
    for (const output of outputs) output.dispose();
  }
}
