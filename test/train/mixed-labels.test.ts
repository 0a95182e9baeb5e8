/** The objective on images that mixup has averaged: the same average of the losses of both labels. */

import { expect, test } from "vitest";
import { Random } from "../../src/core/random.ts";
import { WideResNet } from "../../src/models/wide-resnet.ts";
import { normal } from "../../src/ops/creation.ts";
import { createObjective, learnFromLabels } from "../../src/train/objective.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";

onReferenceBackend();

const build = () => ({ random: new Random(1), dtype: "float64" as const });

test("every term is λ times that of the first labels and 1 − λ times that of the second ones", async () => {
  const student = new WideResNet({ depth: 10, width: 1, classes: 3 }, build());
  const teacher = new WideResNet({ depth: 10, width: 1, classes: 3 }, { random: new Random(2), dtype: "float64" });
  const x = normal([2, 3, 8, 8], new Random(3), { dtype: "float64" });
  const [labels, seconds, share] = [[0, 2], Int32Array.of(1, 0), 0.7];
  const context = { training: false };
  const teaching = { teacher, alpha: 0.5, temperature: 4, beta: 0 };
  for (const objective of [learnFromLabels(student, { labelSmoothing: 0.1 }), createObjective(student, { teaching })]) {
    const value = (of: ArrayLike<number>, mixed?: { labels: Int32Array; share: number }): Promise<number> =>
      objective(x, of, context, mixed && { mixed }).objective.item();
    const [first, second, mixed] = [await value(labels), await value(seconds), await value(labels, { labels: seconds, share })];
    expect(Math.abs(first - second)).toBeGreaterThan(1e-3);
    expect(mixed).toBeCloseTo(share * first + (1 - share) * second, 12);
  }
});
