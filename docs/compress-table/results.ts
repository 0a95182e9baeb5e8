/** What compressing and tuning a trained network came to: `results.jsonl` has one line for each family, and record.ts writes it. */

import { parseJsonLines } from "../../src/core/json.ts";
import { checkSchema, finite, object, text, whole } from "../../src/core/schema.ts";

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

export type CompressResult = ReturnType<typeof checkResult>;

export const checkResult = (value: unknown, source: string) => checkSchema(schema, value, { source });

/** The results in a file's text. @throws DataError for a line that is none. */
export const compressResultsIn = (lines: string): CompressResult[] =>
  parseJsonLines(lines, (line) => `compress: results.jsonl:${line}`).values.map((value, i) =>
    checkResult(value, `compress: results.jsonl:${i + 1}`),
  );
