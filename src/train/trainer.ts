/**
 * The training loop. A step is: batch → tensors → loss → gradients → update, in one scope; everything that decides the next step is
 * in the model, the optimiser, the dropout stream and `progress`, so a checkpoint of those continues bit for bit. Nothing here
 * touches files or clocks the numbers depend on: it runs in a browser as it does in Node.
 */

import { kernels } from "../backend/active.ts";
import { DataError } from "../core/errors.ts";
import type { Random } from "../core/random.ts";
import type { Batch } from "../data/batches.ts";
import { gradients } from "../grad/gradients.ts";
import { argmax } from "../ops/reductions.ts";
import { detach } from "../tape/tape.ts";
import { scope } from "../tensor/scope.ts";
import { type Batches, type Classifier, type EvaluateOptions, type Evaluation, evaluate, type ImageShape, imagesOf } from "./evaluate.ts";
import { learnFromLabels, type Objective } from "./objective.ts";
import type { Schedule } from "./schedules.ts";
import type { Optimizer } from "./sgd.ts";

/** Sums over the epoch so far, from which its means are read. */
export interface Tally {
  readonly count: number;
  readonly loss: number;
  readonly correct: number;
  readonly seconds: number;
  readonly peakBytes: number;
}

/** How far training has come: whole epochs, steps of the epoch under way, and that epoch's sums. */
export interface Progress {
  readonly epoch: number;
  readonly step: number;
  readonly tally: Tally;
}

export const untrained: Progress = { epoch: 0, step: 0, tally: { count: 0, loss: 0, correct: 0, seconds: 0, peakBytes: 0 } };

export interface TrainerOptions {
  readonly model: Classifier;
  readonly optimizer: Optimizer;
  readonly schedule: Schedule;
  readonly imageShape: ImageShape;
  readonly batchesPerEpoch: number;
  /** What a step minimises: cross-entropy with the labels unless given. */
  readonly objective?: Objective;
  /** Rate of drop-path by the epoch, for networks that have parallel paths. */
  readonly dropPath?: Schedule | undefined;
  /** Where dropout's chance comes from. */
  readonly random: Random;
}

/** What is known after a step. */
export interface StepReport extends Progress {
  readonly learningRate: number;
  /** The loss of this step's batch. */
  readonly loss: number;
}

/** What is known after an epoch. */
export interface EpochMetrics {
  /** From 1. */
  readonly epoch: number;
  readonly trainLoss: number;
  readonly trainAccuracy: number;
  /** Null when this epoch was not evaluated. */
  readonly testLoss: number | null;
  readonly testAccuracy: number | null;
  /** Of the epoch's last step. */
  readonly learningRate: number;
  /** Spent on training steps. */
  readonly seconds: number;
  readonly testSeconds: number;
  readonly imagesPerSecond: number;
  /** The most the backend held at once. */
  readonly peakBytes: number;
}

export class Trainer {
  readonly model: Classifier;
  readonly optimizer: Optimizer;
  readonly random: Random;
  readonly imageShape: ImageShape;
  readonly batchesPerEpoch: number;
  progress: Progress = untrained;
  readonly #schedule: Schedule;
  readonly #objective: Objective;
  readonly #dropPath: Schedule | undefined;

  constructor({ model, optimizer, schedule, imageShape, batchesPerEpoch, objective, dropPath, random }: TrainerOptions) {
    this.model = model;
    this.optimizer = optimizer;
    this.random = random;
    this.imageShape = imageShape;
    this.batchesPerEpoch = batchesPerEpoch;
    this.#schedule = schedule;
    this.#objective = objective ?? learnFromLabels(model);
    this.#dropPath = dropPath;
  }

  /** Steps taken since the beginning. */
  get steps(): number {
    return this.progress.epoch * this.batchesPerEpoch + this.progress.step;
  }

  /** Learning rate of a step of the epoch under way. */
  learningRate(step: number = this.progress.step): number {
    return this.#schedule(this.progress.epoch + step / this.batchesPerEpoch);
  }

  /**
   * One step. All of it is dispatched before the first await, so the caller can prepare the next batch while the loss is read.
   * @param start when the step began to cost time, its wait for the batch included (performance.now()).
   * @throws DataError for a loss that is not finite.
   */
  async step(batch: Batch, start: number = performance.now()): Promise<StepReport> {
    const learningRate = this.learningRate();
    const result = scope(() => {
      const dropPath = this.#dropPath?.(this.progress.epoch) ?? 0;
      const images = imagesOf(batch, this.imageShape);
      const { logits, loss, objective } = this.#objective(images, batch.labels, { training: true, random: this.random, dropPath });
      const parameters = this.optimizer.parameters.map(({ value }) => value);
      this.optimizer.step(gradients(objective, parameters), learningRate);
      return { loss: detach(loss), predictions: argmax(logits) };
    });
    const [loss, predictions] = await Promise.all([result.loss.item(), result.predictions.data()]);
    result.loss.dispose();
    result.predictions.dispose();
    const { epoch, step, tally } = this.progress;
    if (!Number.isFinite(loss))
      throw new DataError(
        `train: the loss must be finite, got ${loss} at step ${step + 1} of epoch ${epoch + 1} (learning rate ${learningRate}); ` +
          "lower the learning rate, or look for values that are not finite in the data",
      );
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

  /** Closes the epoch under way and says how it went. */
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
  /** The batches of an epoch from `startBatch` on: `batchesPerEpoch` in all. */
  readonly trainBatches: (epoch: number, startBatch: number) => Batches;
  readonly testBatches: () => Batches;
  /** Number of classes in the confusion counts. */
  readonly classes: number;
  /** Evaluates after every so many epochs, and after the last. */
  readonly evaluateEvery?: number;
  /** Stops once so many steps have been taken since the beginning of the run. */
  readonly maximumSteps?: number | undefined;
  /** Stops after the step under way. */
  readonly signal?: AbortSignal;
  /** Awaited after every step: the place to let the event loop turn. */
  readonly onStep?: (report: StepReport) => void | Promise<void>;
  readonly onTestBatch?: EvaluateOptions["onBatch"];
  /** Awaited after every epoch, when the trainer stands at the beginning of the next: the place to save. */
  readonly onEpoch?: (metrics: EpochMetrics, evaluation: Evaluation | undefined) => void | Promise<void>;
}

/**
 * Trains from where `trainer` stands up to `epochs`, mid-epoch or not. "stopped" leaves the trainer after a whole step (or before an
 * evaluation): a checkpoint then continues as if nothing had happened.
 * @throws DataError for a loss that is not finite.
 */
export async function trainEpochs(trainer: Trainer, options: TrainEpochsOptions): Promise<"finished" | "stopped"> {
  const { epochs, testBatches, classes, evaluateEvery = 1, signal, onEpoch, onTestBatch } = options;
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

/** The rest of the epoch under way. */
async function trainEpoch(trainer: Trainer, options: TrainEpochsOptions): Promise<"finished" | "stopped"> {
  const { trainBatches, signal, onStep, maximumSteps = Infinity } = options;
  const { epoch, step } = trainer.progress;
  let start = performance.now();
  const batches = sequence(trainBatches(epoch, step));
  try {
    let next = await batches.next();
    // A limit met by the epoch's last step lets the epoch be evaluated; an interruption waits for nothing.
    const stopped = (): boolean => signal?.aborted === true || (trainer.steps >= maximumSteps && next.done !== true);
    while (!stopped() && !next.done) {
      const [report, following] = await Promise.all([trainer.step(next.value, start), batches.next()]);
      start = performance.now();
      next = following;
      await onStep?.(report);
    }
    return stopped() ? "stopped" : "finished";
  } finally {
    await batches.return();
  }
}

async function* sequence(batches: Batches): AsyncGenerator<Batch, void, void> {
  yield* batches;
}
