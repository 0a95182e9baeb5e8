/** `--tensorboard`: a run's numbers as event files beside its own, step by step. */

import { readdir } from "node:fs/promises";
import { EventFileWriter } from "../../train/node/event-file.ts";
import type { EpochMetrics, StepReport } from "../../train/trainer.ts";

/** Steps between two points of the training curves. */
const interval = 10;

export class TensorBoardLog {
  readonly #events: EventFileWriter;
  readonly #stepsPerEpoch: number;

  private constructor(events: EventFileWriter, stepsPerEpoch: number) {
    this.#events = events;
    this.#stepsPerEpoch = stepsPerEpoch;
  }

  /** A log that goes on after `steps` steps; what earlier logs of the folder tell of later ones is withdrawn. @throws DataError */
  static async open(folder: string, steps: number, stepsPerEpoch: number): Promise<TensorBoardLog> {
    return new TensorBoardLog(await EventFileWriter.create(folder, { resumeStep: steps + 1 }), stepsPerEpoch);
  }

  step({ epoch, step, loss, learningRate }: StepReport): void {
    const steps = epoch * this.#stepsPerEpoch + step;
    if (steps % interval === 0) this.#events.scalars(steps, Date.now() / 1000, { "train/step_loss": loss, learning_rate: learningRate });
  }

  /** Everything so far is on the disk afterwards. */
  async epoch({ epoch, trainLoss, trainAccuracy, testLoss, testAccuracy, imagesPerSecond }: EpochMetrics): Promise<void> {
    const test = testLoss === null || testAccuracy === null ? {} : { "test/loss": testLoss, "test/accuracy": testAccuracy };
    const train = { "train/loss": trainLoss, "train/accuracy": trainAccuracy, images_per_second: imagesPerSecond };
    this.#events.scalars(epoch * this.#stepsPerEpoch, Date.now() / 1000, { ...train, ...test });
    await this.#events.flush();
  }

  close(): Promise<void> {
    return this.#events.close();
  }
}

/** Whether a run has been told to TensorBoard before, and so goes on being told. */
export const hasEvents = async (folder: string): Promise<boolean> =>
  (await readdir(folder)).some((name) => name.startsWith("events.out.tfevents."));
