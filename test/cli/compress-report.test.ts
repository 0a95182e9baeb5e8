/** When `compress` warns that the network has lost most of what it knew. */

import { expect, test } from "vitest";
import { type CompressReport, lossWarning } from "../../src/cli/compress-report.ts";

interface Case {
  readonly before?: number;
  readonly after?: number;
  readonly tuned?: number;
  readonly relativeError?: number;
}

const evaluation = (accuracy: number | undefined) => (accuracy === undefined ? undefined : { accuracy });

/** The warning for a network of ten classes. */
const warning = ({ before, after, tuned, relativeError = 0.9 }: Case): string | undefined =>
  lossWarning({
    compression: { relativeError },
    before: evaluation(before),
    after: evaluation(after),
    tuned: evaluation(tuned),
    images: before === undefined ? undefined : { dataset: { classes: Array.from({ length: 10 }, String) } },
  } as CompressReport);

test.each<Case>([{ before: 0.9, after: 0.49 }, { before: 0.2, after: 0.1 }, { relativeError: 0.51 }])("warns of %j", (given) =>
  expect(warning(given)).toMatch(/; (test it with eval, )?train it further, or choose convolutions with more parameters$/),
);

test.each<Case>([
  { before: 0.9, after: 0.51 },
  { before: 0.9, after: 0.1, tuned: 0.8 },
  { relativeError: 0.5 },
  // A network at or below chance has nothing to lose.
  { before: 0.1, after: 0 },
  { before: 0, after: 0 },
])("does not warn of %j", (given) => expect(warning(given)).toBeUndefined());
