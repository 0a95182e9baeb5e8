/**
 * The training loop. A step is batch → tensors → loss → gradients → update, in one scope. The next step depends on the model, the
 * optimiser, the random stream and `progress` only, so a checkpoint of these continues bit for bit. Nothing here uses files, and no number
 * of the network depends on a clock. So the loop runs in browsers and in Node.
 */

import { kernels } from "../backend/active.ts";
import { ConfigError, DataError } from "../core/errors.ts";
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
import { type Batches, type Classifier, type EvaluateOptions, type Evaluation, evaluate, type ImageShape, imagesOf } from "./evaluate.ts";
import { learnFromLabels, type Objective, type ObjectiveTerm } from "./objective.ts";
import type { Optimizer } from "./optimizer.ts";
import type { Schedule } from "./schedules.ts";

/** Sums over the steps of an epoch so far. The means of the epoch are computed from them. */
export interface Tally {
  /** Images seen. */
  readonly count: number;
  /** Sum of the images' losses. */
  readonly loss: number;
  /** Images whose prediction was right. */
  readonly correct: number;
  readonly seconds: number;
  /** The largest number of bytes that the backend held at once. */
  readonly peakBytes: number;
}

/** How far training has come. */
export interface Progress {
  /** Finished epochs. */
  readonly epoch: number;
  /** Finished steps of the current epoch. */
  readonly step: number;
  /** Sums over the current epoch. */
  readonly tally: Tally;
}

/** The progress before the first step. */
export const untrained: Progress = { epoch: 0, step: 0, tally: { count: 0, loss: 0, correct: 0, seconds: 0, peakBytes: 0 } };

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

/** The progress after a step, with the step's own numbers. */
export interface StepReport extends Progress {
  readonly learningRate: number;
  /** Mean cross-entropy over this step's batch. */
  readonly loss: number;
}

/** The results of an epoch. Losses are means over images, and accuracies are shares in [0, 1]. */
export interface EpochMetrics {
  /** From 1. */
  readonly epoch: number;
  readonly trainLoss: number;
  readonly trainAccuracy: number;
  /** Null when the network was not evaluated after this epoch. */
  readonly testLoss: number | null;
  /** Null when the network was not evaluated after this epoch. */
  readonly testAccuracy: number | null;
  /** The learning rate of the epoch's last step. */
  readonly learningRate: number;
  /** Time of the training steps. */
  readonly seconds: number;
  /** Time of the evaluation. */
  readonly testSeconds: number;
  /** Training images per second. */
  readonly imagesPerSecond: number;
  /** The largest number of bytes that the backend held at once. */
  readonly peakBytes: number;
}

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
    if (step >= this.batchesPerEpoch)
      throw new ConfigError(
        `Trainer: epoch ${epoch + 1} must have batchesPerEpoch = ${this.batchesPerEpoch} batches, got more; ` +
          "give the number of batches that the data set has",
      );
    const learningRate = this.learningRate();
    const result = this.around(() =>
      this.detectAnomaly ? this.#searchingCompute(batch, learningRate) : this.#compute(batch, learningRate),
    );
    const [loss, predictions, ...terms] = await Promise.all([
      result.loss.item(),
      result.predictions.data(),
      ...result.terms.map(({ value }) => value.item()),
    ]);
    result.loss.dispose();
    result.predictions.dispose();
    for (const { value } of result.terms) value.dispose();
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
      } = this.#objective(images, batch.labels, { training: true, random: this.random, dropPath });
      if (!this.#checked) checkRegistered(this.model, logits);
      this.#checked = true;
      // An objective of one term needs no further number to be read.
      const kept = terms.length < 2 ? [] : terms.map((term) => ({ ...term, value: detach(term.value) }));
      const computed = { loss: detach(loss), predictions: argmax(logits), terms: kept };
      // The update comes last: everything before it can run out of memory, and the update allocates nothing.
      this.optimizer.step(gradients(objective, this.optimizer.values), learningRate);
      return computed;
    });
  }

  /** The same step. @throws AnomalyError for a number that is not finite. */
  #searchingCompute(batch: Batch, learningRate: number): Computed {
    try {
      return detectAnomaly(() => this.#compute(batch, learningRate), { model: this.model });
    } catch (error) {
      if (error instanceof AnomalyError)
        error.message += `. This was step ${this.progress.step + 1} of epoch ${this.progress.epoch + 1} (learning rate ${Number(learningRate.toPrecision(4))})`;
      throw error;
    }
  }

  /** Ends the current epoch and returns its results. */
  finishEpoch(evaluation: Evaluation | undefined, testSeconds: number): EpochMetrics {
    const { epoch, tally } = this.progress;
    const metrics = {
      epoch: epoch + 1,
      trainLoss: tally.loss / tally.count,
      trainAccuracy: tally.correct / tally.count,
      testLoss: evaluation?.loss ?? null,
      testAccuracy: evaluation?.accuracy ?? null,
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

export interface TrainEpochsOptions {
  readonly epochs: number;
  /** The batches of an epoch from `startBatch` on. A whole epoch has `batchesPerEpoch` batches. */
  readonly trainBatches: (epoch: number, startBatch: number) => Batches;
  readonly testBatches: () => Batches;
  /** Number of classes in the confusion matrix. */
  readonly classes: number;
  /** Number of epochs from one evaluation to the next. The last epoch is always evaluated. Default: 1. */
  readonly evaluateEvery?: number;
  /** Number of steps, since the start of the run, after which training stops. Default: no limit. */
  readonly maximumSteps?: number | undefined;
  /** Stops training after the current step when aborted. */
  readonly signal?: AbortSignal;
  /** Called and awaited after every step, so it can let the event loop turn. */
  readonly onStep?: (report: StepReport) => void | Promise<void>;
  /** Called and awaited after every batch of an evaluation, with the number of images done. */
  readonly onTestBatch?: EvaluateOptions["onBatch"];
  /** Called and awaited after every epoch, when the trainer is at the start of the next one. A checkpoint can be saved here. */
  readonly onEpoch?: (metrics: EpochMetrics, evaluation: Evaluation | undefined) => void | Promise<void>;
}

/** The names of `TrainEpochsOptions`. */
export const trainEpochsOptions: OptionNames = optionNames<TrainEpochsOptions>({
  epochs: true,
  trainBatches: true,
  testBatches: true,
  classes: true,
  evaluateEvery: true,
  maximumSteps: true,
  signal: true,
  onStep: true,
  onTestBatch: true,
  onEpoch: true,
});

/**
 * Trains from the trainer's progress, which may be within an epoch, up to `epochs`.
 * @returns "stopped" when an abort or the limit of steps ended training. The trainer is then between two steps, or before an evaluation,
 * and a checkpoint of it continues bit for bit.
 * @throws DataError for a loss that is not finite.
 */
export async function trainEpochs(trainer: Trainer, options: TrainEpochsOptions): Promise<"finished" | "stopped"> {
  checkOptions("trainEpochs", options, trainEpochsOptions);
  const { epochs, testBatches, classes, evaluateEvery = 1, maximumSteps = Infinity, signal, onEpoch, onTestBatch } = options;
  checkNumbers("trainEpochs", { epochs, classes, evaluateEvery }, { integer: true, least: 1 });
  if (maximumSteps !== Infinity) checkNumbers("trainEpochs", { maximumSteps }, { integer: true, least: 0 });
  while (trainer.progress.epoch < epochs) {
    kernels().resetPeak();
    if ((await trainEpoch(trainer, options)) === "stopped") return "stopped";
    const epoch = trainer.progress.epoch + 1;
    const start = performance.now();
    let evaluation: Evaluation | undefined;
    if (epoch % evaluateEvery === 0 || epoch === epochs) {
      const { imageShape } = trainer;
      evaluation = await evaluate(trainer.model, testBatches(), { imageShape, classes, signal, onBatch: onTestBatch });
      if (evaluation === undefined) return "stopped";
      if (!Number.isFinite(evaluation.loss))
        throw new DataError(
          `train: the test loss must be finite, got ${evaluation.loss} after epoch ${epoch} (learning rate ${trainer.learningRate()}); ` +
            "lower the learning rate",
        );
    }
    const metrics = trainer.finishEpoch(evaluation, (performance.now() - start) / 1000);
    await onEpoch?.(metrics, evaluation);
  }
  return "finished";
}

/** Trains on the rest of the current epoch. */
async function trainEpoch(trainer: Trainer, options: TrainEpochsOptions): Promise<"finished" | "stopped"> {
  const { trainBatches, signal, onStep, maximumSteps = Infinity } = options;
  const { epoch, step } = trainer.progress;
  let start = performance.now();
  const batches = sequence(trainBatches(epoch, step));
  try {
    let next = await batches.next();
    // When the epoch's last step reaches the limit of steps, the epoch is still evaluated. An abort stops at once.
    const stopped = (): boolean => signal?.aborted === true || (trainer.steps >= maximumSteps && next.done !== true);
    while (!stopped() && !next.done) {
      const [report, following] = await Promise.all([trainer.step(next.value, start), batches.next()]);
      start = performance.now();
      next = following;
      await onStep?.(report);
    }
    if (stopped()) return "stopped";
    if (trainer.progress.step !== trainer.batchesPerEpoch)
      throw new ConfigError(
        `Trainer: epoch ${epoch + 1} must have batchesPerEpoch = ${trainer.batchesPerEpoch} batches, got ${trainer.progress.step}; ` +
          "give the number of batches that the data set has",
      );
    return "finished";
  } finally {
    await batches.return();
  }
}

async function* sequence(batches: Batches): AsyncGenerator<Batch, void, void> {
  yield* batches;
}
