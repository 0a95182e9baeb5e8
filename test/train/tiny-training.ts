/** A tiny training: synthetic images of 8×8 pixels, a network with one convolution, and the reference backend. */

import type { Context } from "../../src/core/context.ts";
import { Random } from "../../src/core/random.ts";
import { epochBatches } from "../../src/data/batches.ts";
import { syntheticImages } from "../../src/data/synthetic.ts";
import { BatchNorm2d } from "../../src/nn/batch-norm2d.ts";
import { Conv2d } from "../../src/nn/conv2d.ts";
import type { Build } from "../../src/nn/init.ts";
import { Linear } from "../../src/nn/linear.ts";
import { Module } from "../../src/nn/module.ts";
import { dropout } from "../../src/ops/dropout.ts";
import { relu } from "../../src/ops/elementwise.ts";
import { globalAvgPool2d } from "../../src/ops/pooling.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { Adam } from "../../src/train/adam.ts";
import { learnFromLabels } from "../../src/train/objective.ts";
import { decayGroups } from "../../src/train/parameter-groups.ts";
import { oneCycle } from "../../src/train/schedules.ts";
import { Sgd } from "../../src/train/sgd.ts";
import type { TrainEpochsOptions } from "../../src/train/train-epochs.ts";
import { Trainer } from "../../src/train/trainer.ts";

export class TinyNetwork extends Module {
  readonly conv: Conv2d;
  readonly bn: BatchNorm2d;
  readonly fc: Linear;
  readonly #dropout: number;

  constructor(classes: number, rate: number, build: Build) {
    super();
    this.conv = new Conv2d(3, 4, 3, build, { stride: 2, padding: 1 });
    this.bn = new BatchNorm2d(4, build);
    this.fc = new Linear(4, classes, build);
    this.#dropout = rate;
  }

  forward(x: Tensor, context: Context): Tensor {
    const y = relu(this.bn.forward(this.conv.forward(x), context));
    return this.fc.forward(globalAvgPool2d(dropout(y, this.#dropout, context)));
  }
}

/** Plain values, so that counterexamples are readable. */
export interface TinyConfig {
  readonly optimizer: "sgd" | "adam" | "adamw";
  readonly seed: number;
  readonly batchSize: number;
  readonly epochs: number;
  readonly dropout: number;
  readonly labelSmoothing: number;
  readonly rate?: number;
  readonly evaluateEvery?: number;
}

export const tinyConfig: TinyConfig = { optimizer: "sgd", seed: 1, batchSize: 4, epochs: 2, dropout: 0.3, labelSmoothing: 0.1 };

export const tinyImages = syntheticImages({ trainCount: 10, testCount: 6, seed: 3, classes: 3, height: 8, width: 8 });

/** A trainer and its options. They depend on the configuration only, so two calls give equal ones. */
export function tinyTraining(config: TinyConfig): { trainer: Trainer; options: TrainEpochsOptions } {
  const { optimizer, seed, batchSize, epochs, labelSmoothing, rate = 0.05, evaluateEvery = 1 } = config;
  const random = new Random(seed);
  const model = new TinyNetwork(3, config.dropout, { random: random.fork(0) });
  const groups = decayGroups(model, { full: 1e-3 });
  const trainer = new Trainer({
    model,
    optimizer:
      optimizer === "sgd" ? new Sgd(groups, { momentum: 0.9, nesterov: true }) : new Adam(groups, { decoupled: optimizer === "adamw" }),
    schedule: oneCycle({ peak: rate, epochs }),
    imageShape: [3, 8, 8],
    batchesPerEpoch: Math.ceil(tinyImages.train.count / batchSize),
    objective: learnFromLabels(model, { labelSmoothing }),
    random: random.fork(1),
  });
  const augment = { crop: 1, flip: true, cutout: 2 };
  return {
    trainer,
    options: {
      epochs,
      classes: 3,
      evaluateEvery,
      trainBatches: (epoch, startBatch) =>
        epochBatches(tinyImages, "train", { batchSize, seed, epoch, shuffle: true, augment, startBatch }),
      testBatches: () => epochBatches(tinyImages, "test", { batchSize, seed: 0, epoch: 0 }),
    },
  };
}

/** Every number on which the rest of training depends. */
export async function stateOf(trainer: Trainer): Promise<Record<string, unknown>> {
  const numbers: Record<string, unknown> = {};
  for (const [prefix, state] of [
    ["model", trainer.model.state()],
    ["optimizer", trainer.optimizer.state()],
  ] as const)
    for (const [name, entry] of state) numbers[`${prefix}/${name}`] = [...(await entry.read())];
  const { epoch, step, tally } = trainer.progress;
  return { ...numbers, random: trainer.random.state, epoch, step, tally: { ...tally, seconds: 0 } };
}
