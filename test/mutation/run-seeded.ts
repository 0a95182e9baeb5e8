/**
 * Applies the seeded mutants one at a time to a copy of the tree and runs the tests that should notice: `npm run test:mutation`. Prints a Markdown
 * table; exits 1 if any survives.
 */

import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type SeededMutant, seededMutants } from "./seeded-mutants.ts";

const root = resolve(import.meta.dirname, "../..");
const copy = mkdtempSync(join(tmpdir(), "separable-mutants-"));
for (const part of ["src", "test", "package.json", "tsconfig.json", "vitest.config.ts"])
  cpSync(join(root, part), join(copy, part), { recursive: true, filter: (path) => !path.includes("node_modules") });
symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));

/** The first test that failed; undefined when all passed. */
function killer(folders: readonly string[]): string | undefined {
  const env = { ...process.env, STRUCTURED_CASES: "20", NO_COLOR: "1" };
  const { status, stdout, stderr } = spawnSync("npx", ["vitest", "run", "--project", "node", ...folders, "--bail", "1"], {
    cwd: copy,
    env,
    encoding: "utf8",
  });
  if (status === 0) return undefined;
  // vitest names the project before the file.
  return /FAIL\s+(?:\|node\|\s+)?(.*)/.exec(stdout + stderr)?.[1]?.trim() ?? "the tests did not start";
}

function run({ file, find, replace, prelude = "" }: SeededMutant): string | undefined {
  const path = join(copy, file);
  const original = readFileSync(path, "utf8");
  if (original.split(find).length !== 2) throw new Error(`${file}: must hold exactly once: ${find}`);
  writeFileSync(path, prelude + original.replace(find, () => replace));
  try {
    return killer(file.startsWith("src/structured") ? ["test/structured"] : ["test/grad", "test/ops"]);
  } finally {
    writeFileSync(path, original);
  }
}

try {
  const before = killer(["test/structured", "test/grad", "test/ops"]);
  if (before !== undefined) throw new Error(`the tests must pass before anything is broken, got: ${before}`);
  console.log("| # | file | fault | put in the place of | killed by |\n|--:|---|---|---|---|");
  let survived = 0;
  for (const [i, mutant] of seededMutants.entries()) {
    const by = run(mutant);
    if (by === undefined) survived++;
    const shown = mutant.find.length > 60 ? `${mutant.find.slice(0, 57)}…` : mutant.find;
    console.log(`| ${i + 1} | ${mutant.file.slice(4)} | ${mutant.fault} | \`${shown.replaceAll("|", "\\|")}\` | ${by ?? "**survived**"} |`);
  }
  console.log(`\n${seededMutants.length - survived} of ${seededMutants.length} killed`);
  process.exitCode = survived === 0 ? 0 : 1;
} finally {
  rmSync(copy, { recursive: true, force: true });
}
