/** `separable verify`: recomputes the numbers in a folder of fixtures, case by case. */

import type { Command } from "commander";
import type { Simd } from "../backend/wasm/host/simd.ts";
import { type BackendOption, backendHelp, backendRule } from "../experiment/backend-names.ts";
import { startBackend } from "../experiment/node/start-backend.ts";
import { path } from "../experiment/rules.ts";
import { collectCases } from "../verify/collect-cases.ts";
import { type Outcome, type Precision, precisions } from "../verify/comparison.ts";
import { argument } from "./argument.ts";
import type { CommandContext } from "./command.ts";
import { addWasmOptions } from "./setting-options.ts";
import { writeJson } from "./terminal.ts";

interface VerifyOptions {
  readonly fixtures: string;
  readonly backend: BackendOption;
  readonly threads?: number;
  readonly simd?: Simd;
  readonly json?: boolean;
}

/** The largest relative error of one precision, with its case and its tensor. */
interface WorstCase {
  readonly relativeError: number;
  readonly case: string;
  readonly tensor: string;
}

export interface VerifySummary {
  passed: number;
  failed: number;
  skipped: number;
  readonly worst: Partial<Record<Precision, WorstCase>>;
  readonly failures: { readonly case: string; readonly reason: string }[];
}

export function verifyCommand(command: Command, context: CommandContext): void {
  command
    .requiredOption(
      "--fixtures <folder>",
      "a folder with counts.json, blocks/, wrn_step/ or decomp.json",
      argument("verify", "--fixtures", path),
    )
    .option("--backend <name>", `one of ${backendHelp}`, argument("verify", "--backend", backendRule), "reference");
  addWasmOptions(command);
  command
    .option("--json", "print only the summary to stdout, and the cases to stderr")
    .action((options: VerifyOptions) => verify(options, context));
}

async function verify({ fixtures, backend, threads, simd, json }: VerifyOptions, context: CommandContext): Promise<void> {
  const { stdout, stderr } = context.terminal;
  const cases = await collectCases(fixtures);
  await startBackend({ backend, threads, simd });
  const summary: VerifySummary = { passed: 0, failed: 0, skipped: 0, worst: {}, failures: [] };
  for (const { name, run } of cases) {
    const outcome = await run();
    (json ? stderr : stdout).write(`${outcome.status.padEnd(8)}${name}${describe(outcome)}\n`);
    add(summary, name, outcome);
  }
  writeJson(stdout, summary);
  if (summary.failed > 0) context.exitCode = 1;
}

function describe(outcome: Outcome): string {
  if (outcome.status !== "passed") return `: ${outcome.reason}`;
  const errors = precisions.flatMap((precision) => {
    const worst = outcome.worst[precision];
    return worst === undefined ? [] : [`${worst.relativeError.toExponential(1)} in ${precision}`];
  });
  const remarks = [...errors, ...(outcome.note === undefined ? [] : [outcome.note])];
  return remarks.length === 0 ? "" : `: ${remarks.join(", ")}`;
}

function add(summary: VerifySummary, name: string, outcome: Outcome): void {
  summary[outcome.status]++;
  if (outcome.status === "skipped") return;
  if (outcome.status === "failed") summary.failures.push({ case: name, reason: outcome.reason });
  for (const precision of precisions) {
    const found = outcome.worst[precision];
    if (found !== undefined && !(found.relativeError <= (summary.worst[precision]?.relativeError ?? -1)))
      summary.worst[precision] = { relativeError: found.relativeError, case: name, tensor: found.tensor };
  }
}
