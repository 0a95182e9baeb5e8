/** What compressing and tuning a trained network came to: `results.jsonl` has one line for each family, and record.ts writes it. */

import { finite, object, text, whole } from "../../src/core/schema.ts";
import { measurementsIn } from "../.vitepress/figures/measurements.ts";

const share = finite(0, 1);

const schema = object({
  family: text,
  parametersBefore: whole(1),
  parametersAfter: whole(1),
  /** ‖K − K̃‖/‖K‖ over all convolutions. */
  relativeError: finite(0),
  /** The test accuracy of the dense network, of the compressed one, and of the compressed one after tuning. */
  before: share,
  after: share,
  tuned: share,
});

export type CompressResult = ReturnType<typeof compressResultsIn>[number];

/** The results in a file's text. @throws DataError for a line that is none. */
export const compressResultsIn = (lines: string) => measurementsIn(schema, lines, "compress: results.jsonl");
