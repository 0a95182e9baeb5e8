/** Trains a run up to its end, and saves it after every epoch and when it is stopped. */

import { SeparableError } from "../../core/errors.ts";
import { largest } from "../../core/extent.ts";
import { encodeCheckpoint } from "../../train/checkpoint.ts";
import type { Evaluation } from "../../train/evaluate.ts";
import { trainEpochs } from "../../train/train-epochs.ts";
import { profileTraining, warmUpSteps } from "./profile-training.ts";
import { TensorBoardLog } from "./tensorboard-log.ts";
import type { StartedRun, TrainControl, TrainOutcome } from "./train-observer.ts";

export interface TrainingLimits {
  /** The run stops after so many steps in all; undefined for no limit. */
  readonly steps: number | undefined;
  /** Whether event files for TensorBoard are written into the folder. */
  readonly tensorboard: boolean;
  /** Whether one step is profiled. */
  readonly profile: boolean;
}

/**
 * Trains a run whose folder is locked.
 * @throws DataError when the folder cannot be written. The run stays as it was saved last.
 */
export async function trainAndSave(run: StartedRun, limits: TrainingLimits, control: TrainControl): Promise<TrainOutcome> {
  const { config, images, folder, session, saved } = run;
  const { steps, tensorboard, profile } = limits;
  const { signal, observer = {} } = control;
  const { trainer } = session;
  let savedStep = saved ? trainer.steps : undefined;
  const save = async (bytes: Uint8Array): Promise<void> => {
    await folder.writeCheckpoint(bytes, config.keep);
    savedStep = trainer.steps;
  };
  let log: TensorBoardLog | undefined;
  let evaluation: Evaluation | undefined;
  const profiler = profile ? profileTraining(trainer) : undefined;
  let profiled = false;
  try {
    // A checkpoint before the first step makes the run resumable from the start, and shows a full disk now instead of after an hour.
    if (!saved) await save(await encodeCheckpoint(trainer, config));
    if (tensorboard) log = await TensorBoardLog.open(folder.path, trainer.steps, trainer.batchesPerEpoch);
    const result = await trainEpochs(trainer, {
      epochs: config.settings.epochs,
      classes: images.dataset.classes.length,
      evaluateEvery: config.settings.evaluateEvery,
      trainBatches: session.trainBatches,
      testBatches: session.testBatches,
      maximumSteps: steps,
      ...(signal === undefined ? {} : { signal }),
      onStep: async (report) => {
        observer.step?.(report);
        log?.step(report);
        const taken = profiler?.take();
        if (taken !== undefined) observer.profile?.(taken);
        profiled ||= taken !== undefined;
        await turnEventLoop();
      },
      onTestBatch: async (done) => {
        observer.testBatch?.(done);
        await turnEventLoop();
      },
      onEpoch: async (metrics, tested) => {
        evaluation = tested;
        const { testAccuracy } = metrics;
        const best = largest([-1, ...folder.metrics.map((line) => line.testAccuracy ?? -1)]);
        const improved = testAccuracy !== null && testAccuracy > best;
        const bytes = await encodeCheckpoint(trainer, config);
        // The checkpoint is written last: after a crash between two files, the epoch is repeated and all files are written again.
        if (improved) await folder.writeBest(bytes);
        if (improved && tested) await folder.writeEvaluation({ epoch: metrics.epoch, classes: images.dataset.classes, ...tested });
        await log?.epoch(metrics);
        await folder.appendMetrics(metrics);
        await save(bytes);
        observer.epoch?.(metrics);
      },
    });
    if (profile && !profiled)
      observer.note?.(`no step was profiled, because fewer than ${warmUpSteps + 1} steps were trained; train longer`);
    if (savedStep !== trainer.steps) await save(await encodeCheckpoint(trainer, config));
    return { result, evaluation, images, folder, trainer };
  } catch (error) {
    // The folder of a new run that could not begin would block the next run.
    if (savedStep === undefined && !run.resumed) await folder.discard();
    else if (error instanceof SeparableError && savedStep !== undefined)
      error.message += `. ${folder.path} is as it was saved after step ${savedStep}`;
    throw error;
  } finally {
    await session.close();
    await log?.close();
  }
}

/**
 * Signals, and the messages of the worker that prepares batches, arrive only when the event loop turns. Awaiting a settled promise does not
 * turn it.
 */
const turnEventLoop = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
