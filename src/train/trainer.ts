/**
 * A training step: batch → tensors → loss → gradients → update, in one scope. The next step depends on the model, the optimiser, the random
 * stream and `progress` only, so a checkpoint of these continues bit for bit. No number of the network depends on a clock.
 */

import { kernels } from "../backend/active.ts";
import { ConfigError } from "../core/errors.ts";
import { checkNumbers } from "../core/numbers.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import type { Random } from "../core/random.ts";
import type { Batch } from "../data/batches.ts";
import { gradients } from "../grad/gradients.ts";
import { checkRegistered } from "../nn/check-registered.ts";
import { AnomalyError, detectAnomaly } from "../nn/detect-anomaly.ts";
import { buffersOf, remember } from "../nn/remember-buffers.ts";
import { argmax } from "../ops/reductions.ts";
import { detach } from "../tape/tape.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkFiniteLoss, type SizedTerm } from "./divergence.ts";
import { type Classifier, type Evaluation, type ImageShape, imagesOf } from "./evaluate.ts";
import { learnFromLabels, type Objective, type ObjectiveTerm } from "./objective.ts";
import type { Optimizer } from "./optimizer.ts";
import { type EpochMetrics, type Progress, type StepReport, untrained } from "./progress.ts";
import type { Schedule } from "./schedules.ts";

export interface TrainerOptions {
  readonly model: Classifier;
  readonly optimizer: Optimizer;
  readonly schedule: Schedule;
  readonly imageShape: ImageShape;
  readonly batchesPerEpoch: number;
  /** What a step minimises. Default: cross-entropy with the labels. */
  readonly objective?: Objective;
  /** Rate of drop-path for each epoch, for networks that have parallel paths. Default: 0. */
  readonly dropPath?: Schedule | undefined;
  /** The random stream of dropout and drop-path. */
  readonly random: Random;
  /** Whether each step looks for the op that computes the first number that is not finite. Default: false. */
  readonly detectAnomaly?: boolean;
}

/** The names of `TrainerOptions`. */
export const trainerOptions: OptionNames = optionNames<TrainerOptions>({
  model: true,
  optimizer: true,
  schedule: true,
  imageShape: true,
  batchesPerEpoch: true,
  objective: true,
  dropPath: true,
  random: true,
  detectAnomaly: true,
});

/** What a step keeps of its computation. */
interface Computed {
  readonly loss: Tensor;
  readonly predictions: Tensor;
  readonly terms: readonly ObjectiveTerm[];
}

export class Trainer {
  readonly model: Classifier;
  readonly optimizer: Optimizer;
  readonly random: Random;
  readonly imageShape: ImageShape;
  readonly batchesPerEpoch: number;
  /** Whether each step looks for the op that computes the first number that is not finite. This changes no number. */
  detectAnomaly: boolean;
  progress: Progress = untrained;
  /**
   * Runs the computation of each step: loss, gradients and update, up to the reading of the loss. It must call `compute` once and return its
   * result. Default: it does nothing else. A profile takes its place for one step.
   */
  around: <T>(compute: () => T) => T = (compute) => compute();
  readonly #schedule: Schedule;
  readonly #objective: Objective;
  readonly #dropPath: Schedule | undefined;
  readonly #buffers: ReturnType<typeof buffersOf>;
  /** The terms of the last step whose numbers were finite. */
  #terms: readonly SizedTerm[] = [];
  /** Whether a step has shown that every parameter of the network is in its state. */
  #checked = false;

  constructor(options: TrainerOptions) {
    checkOptions("Trainer", options, trainerOptions);
    const {
      model,
      optimizer,
      schedule,
      imageShape,
      batchesPerEpoch,
      objective,
      dropPath,
      random,
      detectAnomaly: detects = false,
    } = options;
    checkNumbers("Trainer", { batchesPerEpoch }, { integer: true, least: 1 });
    const [channels, height, width] = imageShape;
    checkNumbers("Trainer: imageShape", { channels, height, width }, { integer: true, least: 1 });
    this.model = model;
    this.optimizer = optimizer;
    this.random = random;
    this.imageShape = imageShape;
    this.batchesPerEpoch = batchesPerEpoch;
    this.#schedule = schedule;
    this.#buffers = buffersOf(model);
    this.#objective = objective ?? learnFromLabels(model);
    this.#dropPath = dropPath;
    this.detectAnomaly = detects;
  }

  /** Finished steps since the start of the run. */
  get steps(): number {
    return this.progress.epoch * this.batchesPerEpoch + this.progress.step;
  }

  /** The error for an epoch with more or fewer batches than `batchesPerEpoch`. */
  wrongBatches(got: number | "more"): ConfigError {
    return new ConfigError(
      `Trainer: epoch ${this.progress.epoch + 1} must have batchesPerEpoch = ${this.batchesPerEpoch} batches, got ${got}; ` +
        "give the number of batches that the data set has",
    );
  }

  /** Learning rate of a step of the current epoch. @param step Default: the next one. */
  learningRate(step: number = this.progress.step): number {
    return this.#schedule(this.progress.epoch + step / this.batchesPerEpoch);
  }

  /**
   * Trains on one batch. All kernels are dispatched before the first await, so the caller can prepare the next batch while the loss is
   * read. A step that throws before its update leaves the network, the optimiser and the random stream as they were, so the same batch can
   * be tried again.
   * @param start When the step's time began (performance.now()), for callers that include the wait for the batch.
   * @throws DataError for a loss that is not finite; ConfigError, in the first step, for a parameter that is not in the network's state;
   * AnomalyError, with `detectAnomaly`, at the first op that computes a number that is not finite.
   */
  async step(batch: Batch, start: number = performance.now()): Promise<StepReport> {
    const { epoch, step, tally } = this.progress;
    if (step >= this.batchesPerEpoch) throw this.wrongBatches("more");
    const learningRate = this.learningRate();
    const result = this.around(() =>
      this.detectAnomaly ? this.#searchingCompute(batch, learningRate) : this.#compute(batch, learningRate),
    );
    // A device reports only here that an op of the step has failed.
    const [loss, predictions, ...terms] = await Promise.all([
      result.loss.item(),
      result.predictions.data(),
      ...result.terms.map(({ value }) => value.item()),
    ]).finally(() => {
      for (const read of [result.loss, result.predictions, ...result.terms.map(({ value }) => value)]) read.dispose();
    });
    const named = result.terms.map(({ name, lowered }, i) => ({ name, lowered, size: terms[i]! }));
    checkFiniteLoss(loss, {
      terms: named,
      before: this.#terms,
      at: `step ${step + 1} of epoch ${epoch + 1} (learning rate ${learningRate})`,
    });
    this.#terms = named;
    const correct = batch.labels.reduce((hits, label, n) => hits + (predictions[n] === label ? 1 : 0), 0);
    this.progress = {
      epoch,
      step: step + 1,
      tally: {
        count: tally.count + batch.count,
        loss: tally.loss + loss * batch.count,
        correct: tally.correct + correct,
        seconds: tally.seconds + (performance.now() - start) / 1000,
        peakBytes: Math.max(tally.peakBytes, kernels().memory().peak),
      },
    };
    return { ...this.progress, learningRate, loss };
  }

  /** Runs the body of a step in a scope. If the body throws, the running statistics and the random stream become what they were before. */
  #orUnchanged<T>(body: () => T): T {
    const random = this.random.state;
    const undo = remember(this.#buffers);
    try {
      return scope(body);
    } catch (error) {
      undo.restore();
      this.random.state = random;
      throw error;
    } finally {
      undo.forget();
    }
  }

  /** One step on the backend: loss, gradients, update. */
  #compute(batch: Batch, learningRate: number): Computed {
    return this.#orUnchanged(() => {
      const dropPath = this.#dropPath?.(this.progress.epoch) ?? 0;
      const images = imagesOf(batch, this.imageShape);
      const {
        logits,
        loss,
        objective,
        terms = [],
      } = this.#objective(images, batch.labels, { training: true, random: this.random, dropPath }, batch);
      if (!this.#checked) checkRegistered(this.model, logits);
      this.#checked = true;
      // An objective of one term needs no further number to be read.
      const kept = terms.length < 2 ? [] : terms.map((term) => ({ ...term, value: detach(term.value) }));
      const computed = { loss: detach(loss), predictions: argmax(logits), terms: kept };
      // The update comes last: everything before it can run out of memory, and the update allocates nothing.
      this.optimizer.step(gradients(objective, this.optimizer.values, { freeGraph: true }), learningRate);
      return computed;
    });
  }

  /** The same step. @throws AnomalyError for a number that is not finite. */
  #searchingCompute(batch: Batch, learningRate: number): Computed {
    try {
      return detectAnomaly(() => this.#compute(batch, learningRate), { model: this.model });
    } catch (error) {
      if (error instanceof AnomalyError)
        error.message +=
          `. This was step ${this.progress.step + 1} of epoch ${this.progress.epoch + 1} ` +
          `(learning rate ${Number(learningRate.toPrecision(4))})`;
      throw error;
    }
  }

  /** Ends the current epoch and returns its results. @param averaged The evaluation of the average of the weights. Default: none. */
  finishEpoch(evaluation: Evaluation | undefined, testSeconds: number, averaged?: Evaluation): EpochMetrics {
    const { epoch, tally } = this.progress;
    const metrics = {
      epoch: epoch + 1,
      trainLoss: tally.loss / tally.count,
      trainAccuracy: tally.correct / tally.count,
      testLoss: evaluation?.loss ?? null,
      testAccuracy: evaluation?.accuracy ?? null,
      ...(averaged === undefined ? {} : { averagedTestLoss: averaged.loss, averagedTestAccuracy: averaged.accuracy }),
      learningRate: this.learningRate(this.batchesPerEpoch - 1),
      seconds: tally.seconds,
      testSeconds,
      imagesPerSecond: tally.count / tally.seconds,
      peakBytes: tally.peakBytes,
    };
    this.progress = { ...untrained, epoch: epoch + 1 };
    return metrics;
  }
}
