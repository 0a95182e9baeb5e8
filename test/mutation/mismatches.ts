/** Which seeded mutants can no longer be applied, because their source has changed. */

import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type SeededMutant, seededMutants } from "./seeded-mutants.ts";

const root = resolve(import.meta.dirname, "../..");

/** Why a mutant cannot be applied: its file is gone, or does not hold its text exactly once. */
function mismatch({ file, find }: SeededMutant): string | undefined {
  const path = join(root, file);
  if (!existsSync(path)) return "there is no such file";
  const count = readFileSync(path, "utf8").split(find).length - 1;
  return count === 1 ? undefined : `the text must occur once, but occurs ${count} times`;
}

/** A line for each such mutant. */
export const mismatches = (): readonly string[] =>
  seededMutants.flatMap((mutant, i) => {
    const reason = mismatch(mutant);
    return reason === undefined ? [] : [`mutant ${i + 1}, ${mutant.file}: ${reason}: ${mutant.find}`];
  });
