/** The backend without numbers answers every kernel call with the dtypes and lengths that the reference answers with. */

import { afterEach, describe, expect, test } from "vitest";
import { useBackend } from "../../src/backend/active.ts";
import type { Kernels } from "../../src/backend/kernels.ts";
import { createReferenceBackend } from "../../src/backend/reference/reference-kernels.ts";
import { createShapeOnlyBackend } from "../../src/backend/shape-only.ts";
import { BackendError } from "../../src/core/errors.ts";
import { Random } from "../../src/core/random.ts";
import { gradients } from "../../src/grad/gradients.ts";
import { WideResNet } from "../../src/models/wide-resnet.ts";
import { crossEntropy } from "../../src/nn/losses.ts";
import { tensor, zeros } from "../../src/ops/creation.ts";
import { argmax } from "../../src/ops/reductions.ts";
import { Sgd } from "../../src/train/sgd.ts";
import { gradientTable } from "../grad/gradient-table.ts";

afterEach(() => useBackend(undefined));

type Kernel = (...args: unknown[]) => unknown;

/** What can be known of a kernel's answer without its numbers. */
const outline = (answer: unknown): unknown => {
  if (typeof answer !== "object" || answer === null) return undefined;
  if ("dtype" in answer && "length" in answer) return `${answer.dtype} × ${answer.length}`;
  return Object.entries(answer).map(([name, part]) => [name, outline(part)]);
};

/** The reference, each of whose answers is held against the shape-only backend's to the same question. */
function paired(asked: Set<string>): Kernels {
  // These are optional kernels, which the shape-only backend leaves to their composed form.
  const {
    contractChannels: _,
    contractChannelsGradient: __,
    normContractWindow: ___,
    normContractWindowGradient: ____,
    normSeparableConv2d: _____,
    normSeparableConv2dGradient: ______,
    ...reference
  } = createReferenceBackend();
  const shapeOnly = createShapeOnlyBackend();
  const kernels = Object.entries(reference).map(([name, kernel]) => {
    if (typeof kernel !== "function" || ["memory", "resetPeak"].includes(name)) return [name, kernel];
    const both: Kernel = (...args) => {
      asked.add(name);
      const answer = (kernel as Kernel)(...args);
      const without = (shapeOnly[name as keyof Kernels] as unknown as Kernel)(...args);
      expect(outline(without), name).toEqual(outline(answer));
      return answer;
    };
    return [name, both];
  });
  return Object.fromEntries(kernels) as Kernels;
}

describe("answers as the reference does", () => {
  test.each(Object.keys(gradientTable))("in %s and its gradients", async (name) => {
    useBackend(paired(new Set()));
    await gradientTable[name]!.first(3);
  });

  test("in a step of training", async () => {
    const asked = new Set<string>();
    useBackend(paired(asked));
    const model = new WideResNet({ depth: 10, width: 1 }, { random: new Random(0) });
    const optimizer = new Sgd([{ parameters: model.parameters() }], { momentum: 0.9 });
    const logits = model.forward(zeros([2, 3, 8, 8]), { training: true });
    const values = optimizer.parameters.map(({ value }) => value);
    optimizer.step(gradients(crossEntropy(logits, [1, 2]), values), 0.1);
    argmax(logits, 1);
    for (const kernel of ["batchNormGradient", "conv2dWeightGradient", "sgdUpdate", "argmax", "write"]) expect(asked).toContain(kernel);
  });
});

test("reading numbers from it is an error", async () => {
  useBackend(createShapeOnlyBackend());
  await expect(tensor([1, 2]).data()).rejects.toThrow(BackendError);
});
