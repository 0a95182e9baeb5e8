/** Trainings with and without learning rates by structure: `results.jsonl` has one line for each, and measure.ts writes it. */

import { finite, flag, object, oneOf, text, whole } from "../../src/core/schema.ts";
import { measurementsIn } from "../.vitepress/figures/measurements.ts";

/** The optimisers, each with its rates from too small to too large. */
export const ratesOf = { sgd: [0.05, 0.2, 0.8], adamw: [0.001, 0.004, 0.016] } as const;
export type MeasuredOptimizer = keyof typeof ratesOf;
export const measuredOptimizers = Object.keys(ratesOf) as MeasuredOptimizer[];

/** Convolutions whose maps have several factors. */
export const factoredSpecs = ["Generic_0.25", "TensorTrain_0.5", "Tucker_0.5", "Monarch_4", "BlockTensorTrain_1", "ACDC_4"];

const schema = object({
  convolution: text,
  optimizer: oneOf(measuredOptimizers),
  rate: finite(0),
  /** Whether each factor had its own rate. */
  structured: flag,
  seed: whole(),
  /** The test accuracy of the last epoch. */
  accuracy: finite(0, 1),
});

export type RateResult = ReturnType<typeof rateResultsIn>[number];

/** The results in a file's text. @throws DataError for a line that is none. */
export const rateResultsIn = (lines: string) => measurementsIn(schema, lines, "structured rates: results.jsonl");
