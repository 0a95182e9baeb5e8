/** The metrics of an epoch as another process reports them: a process that trains, in a line of its output, or a worker through Redis. */

import { DataError } from "../../../core/errors.ts";
import { parseJson } from "../../../core/json.ts";
import { checkSchema, finite, nullable, object, oneOf, only, optional, type Schema, whole } from "../../../core/schema.ts";
import type { EpochMetrics } from "../../../train/progress.ts";

const entries = {
  epoch: whole(1),
  trainLoss: finite(),
  trainAccuracy: finite(0, 1),
  testLoss: nullable(finite()),
  testAccuracy: nullable(finite(0, 1)),
  averagedTestLoss: optional(finite()),
  averagedTestAccuracy: optional(finite(0, 1)),
  learningRate: finite(),
  seconds: finite(0),
  testSeconds: finite(0),
  // JSON has null for the images per second of an epoch that took no measurable time.
  imagesPerSecond: nullable(finite(0)) as Schema<number>,
  peakBytes: finite(0),
};
const epochSchema = object(entries) as Schema<EpochMetrics>;
const eventSchema = object({ event: oneOf(["epoch"]) });
const source = "sweep: progress";

/** The result of a function that checks what another process says; undefined where it says something else, which is not worth a message. */
function orUndefined<T>(check: () => T): T | undefined {
  try {
    return check();
  } catch (error) {
    if (error instanceof DataError) return undefined;
    throw error;
  }
}

/** The metrics that a worker reported; undefined for anything else. */
export const metricsIn = (value: unknown): EpochMetrics | undefined =>
  orUndefined(() => only(checkSchema(epochSchema, value, { source }), entries));

/**
 * The metrics in a line that `train --json` printed; undefined for its other events, and for what is no event. A module of a family is a
 * program of the user's, and may print lines of its own.
 */
export function metricsInLine(line: string): EpochMetrics | undefined {
  const value = orUndefined(() => parseJson(line, source));
  return orUndefined(() => checkSchema(eventSchema, value, { source })) && metricsIn(value);
}
