/**
 * Applies the seeded mutants one at a time to a copy of the sources and runs the tests that should fail: `npm run test:mutation`. Prints a
 * Markdown table. Exits with 1 if a mutant survives, or if a mutant does not match its source.
 *
 *     --check          only checks that every mutant matches its source
 *     --only <text>    only mutants whose file or fault contains the text
 *     --limit <n>      at most n mutants
 *     --write          writes the table of all mutants into docs/mutation.md
 */

import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { withPart } from "../../docs/.vitepress/figures/markdown-tables.ts";
import { mismatches } from "./mismatches.ts";
import { type SeededMutant, seededMutants } from "./seeded-mutants.ts";

const root = resolve(import.meta.dirname, "../..");

const { values: options } = parseArgs({
  options: {
    check: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    limit: { type: "string", default: "Infinity" },
    write: { type: "boolean", default: false },
  },
});
const limit = Number(options.limit);
if (!(limit >= 1)) throw new Error(`--limit must be a number ≥ 1, got ${options.limit}`);

/** The mutants to run, with their numbers in the whole list. */
const chosen = [...seededMutants.entries()]
  .filter(([, { file, fault }]) => file.includes(options.only) || fault.includes(options.only))
  .slice(0, limit);
if (options.write && chosen.length < seededMutants.length) throw new Error("--write needs all mutants, without --only and --limit");
if (chosen.length === 0) throw new Error(`--only must be part of a mutant's file or fault, got ${options.only}`);

/** The tests that should fail: those that the mutant names, or those of its folder. */
const testsOf = ({ file, tests }: SeededMutant): readonly string[] =>
  tests ?? (file.startsWith("src/structured") ? ["test/structured"] : ["test/grad", "test/ops"]);

/** The first test that failed in the copy; undefined when all passed. */
function firstFailure(copy: string, tests: readonly string[]): string | undefined {
  const env = { ...process.env, STRUCTURED_CASES: "20", NO_COLOR: "1" };
  const args = ["vitest", "run", "--project", "node", ...tests, "--bail", "1"];
  const { status, stdout, stderr } = spawnSync("npx", args, { cwd: copy, env, encoding: "utf8" });
  if (status === 0) return undefined;
  // vitest prints the project before the file.
  return /FAIL\s+(?:\|node\|\s+)?(.*)/.exec(stdout + stderr)?.[1]?.trim() ?? "the tests did not start";
}

function apply(copy: string, mutant: SeededMutant): string | undefined {
  const { file, find, replace, prelude = "" } = mutant;
  const path = join(copy, file);
  const original = readFileSync(path, "utf8");
  writeFileSync(path, prelude + original.replace(find, () => replace));
  try {
    return firstFailure(copy, testsOf(mutant));
  } finally {
    writeFileSync(path, original);
  }
}

const cellsOf = ({ file, fault, find }: SeededMutant): readonly string[] => {
  const text = find.length > 60 ? `${find.slice(0, 57)}…` : find;
  return [file.slice("src/".length), fault, `\`${text.replaceAll(/\s+/g, " ").replaceAll("|", "\\|")}\``];
};

function runAll(): void {
  const copy = mkdtempSync(join(tmpdir(), "separable-mutants-"));
  try {
    for (const part of ["src", "test", "package.json", "tsconfig.json", "vitest.config.ts"])
      cpSync(join(root, part), join(copy, part), { recursive: true, filter: (path) => !path.includes("node_modules") });
    symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
    const failing = firstFailure(copy, [...new Set(chosen.flatMap(([, mutant]) => testsOf(mutant)))]);
    if (failing !== undefined) throw new Error(`the tests must pass before a mutant is applied, but this one failed: ${failing}`);
    const lines: string[] = [];
    const print = (line: string): void => {
      console.log(line);
      lines.push(line);
    };
    print("| # | file | fault | replaced text | killed by |\n|--:|---|---|---|---|");
    let survived = 0;
    for (const [i, mutant] of chosen) {
      const killer = apply(copy, mutant);
      if (killer === undefined) survived++;
      print(`| ${i + 1} | ${cellsOf(mutant).join(" | ")} | ${killer?.replaceAll("|", "\\|") ?? "**survived**"} |`);
    }
    print(`\nOf ${chosen.length} mutants, ${chosen.length - survived} were killed.`);
    if (survived > 0) process.exitCode = 1;
    if (options.write) {
      const page = join(root, "docs/mutation.md");
      writeFileSync(page, withPart(readFileSync(page, "utf8"), "mutants", lines.join("\n")));
    }
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

// All mismatches are reported before the tests run, which take minutes.
const wrong = mismatches();
if (wrong.length > 0) {
  console.error(`${wrong.length} of ${seededMutants.length} mutants do not match their source; update test/mutation/seeded-mutants.ts:`);
  for (const line of wrong) console.error(`  ${line}`);
  process.exitCode = 1;
} else if (!options.check) runAll();
