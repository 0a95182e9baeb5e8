/** Writes the numbers of a run into TensorBoard's event files (`--tensorboard`). */

import { readdir } from "node:fs/promises";
import { EventFileWriter } from "../../train/node/event-file.ts";
import type { EpochMetrics, StepReport } from "../../train/progress.ts";

/** The number of steps between two points of the training curves. */
const interval = 10;

export class TensorBoardLog {
  readonly #events: EventFileWriter;
  readonly #stepsPerEpoch: number;

  private constructor(events: EventFileWriter, stepsPerEpoch: number) {
    this.#events = events;
    this.#stepsPerEpoch = stepsPerEpoch;
  }

  /**
   * Opens a log of a run that has taken `steps` steps. TensorBoard drops the later steps that earlier logs in the folder have.
   *
   * @throws DataError when the folder cannot be written.
   */
  static async open(folder: string, steps: number, stepsPerEpoch: number): Promise<TensorBoardLog> {
    return new TensorBoardLog(await EventFileWriter.create(folder, { resumeStep: steps + 1 }), stepsPerEpoch);
  }

  /** Logs a step, if it is one of every ten. */
  step({ epoch, step, loss, learningRate }: StepReport): void {
    const steps = epoch * this.#stepsPerEpoch + step;
    if (steps % interval === 0) this.#events.scalars(steps, Date.now() / 1000, { "train/step_loss": loss, learning_rate: learningRate });
  }

  /** Logs an epoch and writes everything so far to the disk. */
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

/** Whether the folder of a run has event files. A resumed run goes on writing them. */
export const hasEvents = async (folder: string): Promise<boolean> =>
  (await readdir(folder)).some((name) => name.startsWith("events.out.tfevents."));
