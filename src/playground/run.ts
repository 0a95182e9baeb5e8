/** One run of the playground: a trainer, its batches, and the network that may change its family between two steps. */

import { substitute } from "../compress/substitute.ts";
import { Random } from "../core/random.ts";
import { type Batch, epochBatches } from "../data/batches.ts";
import type { ImageDataset } from "../data/dataset.ts";
import {
  createRunNetwork,
  optionsOfTrainer,
  testEpochOptions,
  trainEpochOptions,
  trainingImages,
  whitenFrom,
} from "../experiment/create-training.ts";
import type { Network, NetworkSpec } from "../experiment/network-spec.ts";
import type { Settings } from "../experiment/setting-rules.ts";
import { networkOf } from "../experiment/settings.ts";
import { type Checkpoint, restoreTrainer } from "../train/checkpoint.ts";
import { type Evaluation, evaluate } from "../train/evaluate.ts";
import { Trainer } from "../train/trainer.ts";
import { costsOf } from "./costs.ts";
import type { RunFacts, StepFacts, TestFacts } from "./messages.ts";
import type { RunName } from "./settings.ts";
import { picturedLayers } from "./snapshot.ts";

/** Images per second are averaged over about this many steps. */
const averagedSteps = 12;

export class Run {
  readonly name: RunName;
  readonly dataset: ImageDataset;
  #settings: Settings;
  #model: Network;
  #trainer: Trainer;
  #batches: Iterator<Batch> | undefined;
  #millisecondsPerImage: number | undefined;
  #evaluated: Evaluation | undefined;

  private constructor(name: RunName, settings: Settings, dataset: ImageDataset, model: Network, trainer: Trainer) {
    this.name = name;
    this.dataset = dataset;
    this.#settings = settings;
    this.#model = model;
    this.#trainer = trainer;
  }

  /** A new run; or the run of a checkpoint. @throws ConfigError for settings that contradict each other, DataError for another network. */
  static async create(name: RunName, settings: Settings, dataset: ImageDataset, checkpoint?: Checkpoint): Promise<Run> {
    const model = createRunNetwork(settings, dataset.classes.length);
    const trainer = new Trainer(optionsOfTrainer(settings, model, trainingImages(dataset)));
    if (checkpoint === undefined) await whitenFrom(model, dataset, (options) => epochBatches(dataset, "train", options));
    else restoreTrainer(trainer, checkpoint);
    return new Run(name, settings, dataset, model, trainer);
  }

  get settings(): Settings {
    return this.#settings;
  }

  get trainer(): Trainer {
    return this.#trainer;
  }

  get model(): Network {
    return this.#model;
  }

  /** Finished steps. */
  get steps(): number {
    return this.#trainer.steps;
  }

  get finished(): boolean {
    return this.#trainer.progress.epoch >= this.#settings.epochs;
  }

  /** The result of the last test. */
  get evaluated(): Evaluation | undefined {
    return this.#evaluated;
  }

  get spec(): NetworkSpec {
    return networkOf(this.#settings);
  }

  facts(): RunFacts {
    const costs = costsOf(this.spec, this.dataset.classes.length, this.dataset.height);
    return { run: this.name, conv: this.#settings.conv, ...costs, layers: [...picturedLayers(this.#model).keys()] };
  }

  /** Trains on the next batch. The epoch ends with its last batch, when `test` is awaited. @throws DataError for a loss that is not finite. */
  async step(): Promise<StepFacts> {
    const start = performance.now();
    const batch = this.#nextBatch();
    const { loss, learningRate, tally, epoch } = await this.#trainer.step(batch, start);
    const each = (performance.now() - start) / batch.count;
    const before = this.#millisecondsPerImage ?? each;
    this.#millisecondsPerImage = before + (each - before) / averagedSteps;
    return {
      run: this.name,
      step: this.steps,
      epoch,
      loss,
      accuracy: tally.correct / tally.count,
      learningRate,
      imagesPerSecond: 1000 / this.#millisecondsPerImage,
    };
  }

  #nextBatch(): Batch {
    const { epoch, step } = this.#trainer.progress;
    this.#batches ??= epochBatches(this.dataset, "train", trainEpochOptions(this.#settings, epoch, step));
    return this.#batches.next().value as Batch;
  }

  /** Whether all batches of the epoch are done. */
  get epochDone(): boolean {
    return this.#trainer.progress.step === this.#trainer.batchesPerEpoch;
  }

  /** Tests the network, and ends the epoch if its batches are done. @param breathe Called between two batches. */
  async test(breathe: () => Promise<void>): Promise<TestFacts> {
    const start = performance.now();
    const { channels, height, width, classes } = this.dataset;
    const batches = epochBatches(this.dataset, "test", testEpochOptions(Math.max(this.#settings.batchSize, 64)));
    const options = { imageShape: [channels, height, width] as const, classes: classes.length, onBatch: breathe };
    const evaluation = (await evaluate(this.#model, batches, options))!;
    const step = this.steps;
    this.#evaluated = evaluation;
    if (this.epochDone) {
      this.#trainer.finishEpoch(evaluation, (performance.now() - start) / 1000);
      this.#batches = undefined;
    }
    const { loss, accuracy, confusion } = evaluation;
    return { run: this.name, step, loss, accuracy, confusion };
  }

  /**
   * Puts the nearest convolutions of another family in the place of those of the network. The optimiser begins anew, since its state belongs
   * to the parameters. Returns ‖K − K̃‖/‖K‖.
   * @throws ConfigError for a family without a best approximation. The run stays as it was.
   */
  async changeFamily(conv: string): Promise<number> {
    const settings = { ...this.#settings, conv };
    const build = { random: new Random(settings.seed) };
    const { network, relativeError } = await substitute(this.#model, networkOf(settings).convolution, { build });
    const model = network as Network;
    const trainer = new Trainer(optionsOfTrainer(settings, model, trainingImages(this.dataset)));
    trainer.progress = this.#trainer.progress;
    trainer.random.state = this.#trainer.random.state;
    this.#model.dispose();
    [this.#settings, this.#model, this.#trainer] = [settings, model, trainer];
    return relativeError;
  }
}
