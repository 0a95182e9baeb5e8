/** What the files of a run hold beside the configuration: the metrics of each epoch, and the evaluation of the best checkpoint. */

import { checkSchema, finite, list, nullable, object, oneOf, optional, type Schema, text, where, whole } from "../core/schema.ts";
import type { Evaluation } from "./evaluate.ts";
import type { EpochMetrics } from "./progress.ts";

/** An evaluation with its epoch and the names of the classes. */
export interface RecordedEvaluation extends Evaluation {
  /** The epoch after which the network was evaluated, from 1. */
  readonly epoch: number;
  readonly classes: readonly string[];
}

export const evaluationSchema: Schema<RecordedEvaluation> = where(
  object({
    epoch: whole(1),
    classes: list(text),
    count: whole(),
    loss: finite(),
    accuracy: finite(0, 1),
    confusion: list(list(whole())),
  }),
  "one row and one column of the confusion for each class",
  ({ classes, confusion }) => confusion.length === classes.length && confusion.every((row) => row.length === classes.length),
);

/** Fields that may be null belong to the evaluation, which not every epoch has. An epoch of no measurable time has no images per second. */
const metricsOf = (epoch: number): Schema<EpochMetrics> =>
  object({
    epoch: oneOf([epoch]),
    trainLoss: finite(),
    trainAccuracy: finite(),
    testLoss: nullable(finite()),
    testAccuracy: nullable(finite()),
    averagedTestLoss: optional(finite()),
    averagedTestAccuracy: optional(finite()),
    learningRate: finite(),
    seconds: finite(),
    testSeconds: finite(),
    imagesPerSecond: optional(nullable(finite())),
    peakBytes: optional(nullable(finite())),
  }) as Schema<EpochMetrics>;

/** A line of metrics. @param source What an error begins with. @throws DataError unless `value` holds the metrics of `epoch`. */
export const checkMetrics = (value: unknown, epoch: number, source: string): EpochMetrics =>
  checkSchema(metricsOf(epoch), value, {
    source,
    remedy: "restore the file from a copy, or delete this line and all lines after it",
  });
