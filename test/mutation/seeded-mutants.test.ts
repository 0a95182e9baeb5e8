/** The list of seeded mutants stays true to the sources. A mutant that matches nothing would hold no test. */

import { expect, test } from "vitest";
import { mismatches } from "./mismatches.ts";

test("every seeded mutant matches its source", () => {
  expect(mismatches()).toEqual([]);
});
