/** Training that cannot go on: a loss that is not finite, and epochs of another number of batches than was said. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { useBackend } from "../../src/backend/active.ts";
import { createReferenceBackend } from "../../src/backend/reference/reference-kernels.ts";
import type { Context } from "../../src/core/context.ts";
import { ConfigError, DataError } from "../../src/core/errors.ts";
import { Random } from "../../src/core/random.ts";
import { attentionMap } from "../../src/models/attention.ts";
import type { NetworkOutput } from "../../src/models/network-output.ts";
import { relu } from "../../src/ops/elementwise.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { createObjective } from "../../src/train/objective.ts";
import { decayGroups } from "../../src/train/parameter-groups.ts";
import { Sgd } from "../../src/train/sgd.ts";
import { trainEpochs } from "../../src/train/train-epochs.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { TinyNetwork, tinyConfig, tinyTraining } from "./tiny-training.ts";

beforeAll(() => useBackend(createReferenceBackend()));
afterAll(() => useBackend(undefined));

class Attentive extends TinyNetwork {
  forwardWithAttention(x: Tensor, context: Context): NetworkOutput {
    return { logits: this.forward(x, context), attention: [attentionMap(relu(this.conv.forward(x)))] };
  }
}

function taught(beta: number, learningRate: number): Promise<unknown> {
  const build = (seed: number): Attentive => new Attentive(3, 0, { random: new Random(seed) });
  const [model, teacher] = [build(1), build(2)];
  const trainer = new Trainer({
    model,
    optimizer: new Sgd(decayGroups(model, { full: 0 })),
    schedule: () => learningRate,
    imageShape: [3, 8, 8],
    batchesPerEpoch: 3,
    objective: createObjective(model, { teaching: { teacher, alpha: 0, temperature: 4, beta } }),
    random: new Random(0),
  });
  return trainEpochs(trainer, { ...tinyTraining(tinyConfig).options, epochs: 4 });
}

describe("a loss that is not finite", () => {
  test.each([1e37, 1e45])("of a run whose attention transfer weighs %d blames beta", async (beta) => {
    await expect(taught(beta, 0.1)).rejects.toThrow(DataError);
    await expect(taught(beta, 0.1)).rejects.toThrow(/must be finite, got .*; lower its weight beta \(--beta\)/);
  });

  test("of a run whose learning rate is too high blames the learning rate", () =>
    expect(taught(1e-3, 1e38)).rejects.toThrow(/must be finite, got .*; lower the learning rate/));
});

describe("batchesPerEpoch", () => {
  const training = (batchesPerEpoch: number): Promise<unknown> => {
    const { trainer, options } = tinyTraining(tinyConfig);
    const wrong = new Trainer({
      model: trainer.model,
      optimizer: trainer.optimizer,
      schedule: () => 0.1,
      imageShape: [3, 8, 8],
      batchesPerEpoch,
      random: new Random(0),
    });
    return trainEpochs(wrong, options);
  };

  test.each([
    [2, "more"],
    [4, "3"],
  ])("of %d where the data set has 3 is an error", (count, got) =>
    expect(training(count)).rejects.toThrow(`must have batchesPerEpoch = ${count} batches, got ${got}`),
  );

  test.each([0, 1.5, Number.NaN, Infinity])("of %d is refused", (count) =>
    expect(async () => training(count)).rejects.toThrow(ConfigError),
  );
});
