/** What a training step of WRN-50-2 holds: `results.jsonl` has one line for each kind of convolution, and measure.ts writes it. */

import { finite, object, text, whole } from "../../src/core/schema.ts";
import { measurementsIn } from "../.vitepress/figures/measurements.ts";

/** The convolutions that are measured: the paper's and newer ones, most of them at two sizes. Tied low rank fits no 128 ← 256 map. */
export const memorySpecs = [
  "Conv",
  "Sep",
  "ACDC_3",
  "ACDC_3 dense",
  "ACDC_8",
  "ACDC_8 dense",
  "SepHashed_0.1",
  "SepHashed_0.3",
  "Generic_0.1",
  "Generic_0.3",
  "TensorTrain_0.2",
  "TensorTrain_0.4",
  "Tucker_0.2",
  "Tucker_0.4",
  "CP_0.2",
  "CP_0.4",
  "Shuffle_4",
  "Shuffle_8",
  "Monarch_4",
  "Monarch_8",
  "BlockTensorTrain_2",
  "MatrixTensorTrain_8",
  "Kronecker_4",
  "BLAST_0.25",
  "Butterfly",
] as const;

const schema = object({
  convolution: text,
  /** The images of a step. */
  images: whole(1),
  parameters: whole(1),
  /** The most that the step holds, in MB of 10⁶ bytes: parameters, momenta, gradients, activations and work space. */
  peak: finite(0),
});

export type MemoryResult = ReturnType<typeof memoryResultsIn>[number];

/** The measured steps in a file's text. @throws DataError for a line that is none. */
export const memoryResultsIn = (lines: string) => measurementsIn(schema, lines, "memory: results.jsonl");
