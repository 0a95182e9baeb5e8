/**
 * The training loop: steps up to the end of an epoch, then the evaluation, epoch after epoch. Nothing here uses files, so the loop runs in
 * browsers and in Node. The callbacks print, and save checkpoints.
 */

import { kernels } from "../backend/active.ts";
import { DataError } from "../core/errors.ts";
import { checkNumbers } from "../core/numbers.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import type { Batch } from "../data/batches.ts";
import { type Batches, type EvaluateOptions, type Evaluation, evaluate } from "./evaluate.ts";
import type { EpochMetrics, StepReport } from "./progress.ts";
import type { Trainer } from "./trainer.ts";

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
  const { epochs, classes, evaluateEvery = 1, maximumSteps = Infinity, onEpoch } = options;
  checkNumbers("trainEpochs", { epochs, classes, evaluateEvery }, { integer: true, least: 1 });
  if (maximumSteps !== Infinity) checkNumbers("trainEpochs", { maximumSteps }, { integer: true, least: 0 });
  while (trainer.progress.epoch < epochs) {
    kernels().resetPeak();
    if ((await trainEpoch(trainer, options)) === "stopped") return "stopped";
    const epoch = trainer.progress.epoch + 1;
    const start = performance.now();
    let evaluation: Evaluation | undefined;
    let averaged: Evaluation | undefined;
    if (epoch % evaluateEvery === 0 || epoch === epochs) {
      evaluation = await test(trainer, options);
      if (evaluation === undefined) return "stopped";
      const { average } = trainer.optimizer;
      averaged = average && (await average.instead(() => test(trainer, options)));
      if (average !== undefined && averaged === undefined) return "stopped";
    }
    const metrics = trainer.finishEpoch(evaluation, (performance.now() - start) / 1000, averaged);
    await onEpoch?.(metrics, evaluation);
  }
  return "finished";
}

/** Evaluates the present weights. @returns undefined after an abort. @throws DataError for a loss that is not finite. */
async function test(trainer: Trainer, options: TrainEpochsOptions): Promise<Evaluation | undefined> {
  const { testBatches, classes, signal, onTestBatch } = options;
  const { imageShape, progress } = trainer;
  const evaluation = await evaluate(trainer.model, testBatches(), { imageShape, classes, signal, onBatch: onTestBatch });
  if (evaluation !== undefined && !Number.isFinite(evaluation.loss))
    throw new DataError(
      `train: the test loss must be finite, got ${evaluation.loss} after epoch ${progress.epoch + 1} ` +
        `(learning rate ${trainer.learningRate()}); lower the learning rate`,
    );
  return evaluation;
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
    if (trainer.progress.step !== trainer.batchesPerEpoch) throw trainer.wrongBatches(trainer.progress.step);
    return "finished";
  } finally {
    await batches.return();
  }
}

async function* sequence(batches: Batches): AsyncGenerator<Batch, void, void> {
  yield* batches;
}
