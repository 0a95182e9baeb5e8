/**
 * The process that runs the cases. It writes the number of the current case to a file before it begins the case, so that the process which
 * watches it knows where it hangs or dies. It tells each finding, and the end of its cases.
 */

import { openSync, writeSync } from "node:fs";
import { useBackend } from "../../../src/backend/active.ts";
import { createReferenceBackend } from "../../../src/index.ts";
import { Dice } from "./randomness.ts";
import { createTargets, isOurs, type Target } from "./targets.ts";

export interface WorkerOptions {
  readonly seed: number;
  readonly run: string;
  readonly scratch: string;
  /** The file for the number of the current case. */
  readonly status: string;
}

export interface Finding {
  readonly case: number;
  readonly target: string;
  readonly kind: "raw error" | "long message" | "acting message" | "memory" | "time" | "death" | "pollution";
  readonly detail: string;
}

/** From the process that watches: cases to run. */
export interface Batch {
  readonly from: number;
  readonly to: number;
}

export type Report =
  | { readonly ready: true }
  | { readonly finding: Finding }
  | {
      readonly done: number;
      readonly accepted: number;
      readonly refused: number;
      readonly peakBytes: number;
      readonly targets: Record<string, number>;
    };

/** In UTF-16 units. */
const longestMessage = 4000;
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that must not be in a message.
const acting = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/;
const peakBytes = (): number => 1024 * process.resourceUsage().maxRSS;

const options = JSON.parse(process.argv[2]!) as WorkerOptions;
useBackend(createReferenceBackend());
const targets = await createTargets(options.run, options.scratch);
const wheel = targets.flatMap((target) => new Array<Target>(target.weight).fill(target));
const status = openSync(options.status, "w");
const send = (report: Report): void => void process.send!(report);

async function runCase(index: number): Promise<{ target: string; accepted: boolean; findings: Finding[] }> {
  const dice = new Dice(options.seed, index);
  const target = dice.pick(wheel);
  writeSync(status, `${index} ${target.name}`.padEnd(80), 0);
  const findings: Finding[] = [];
  const find = (kind: Finding["kind"], detail: string): void => void findings.push({ case: index, target: target.name, kind, detail });
  const before = peakBytes();
  let accepted = true;
  try {
    await target.run(dice);
  } catch (error) {
    accepted = false;
    if (!isOurs(error)) find("raw error", String(error instanceof Error ? error.stack : error).slice(0, 1500));
    else if (error.message.length > longestMessage) find("long message", error.message.slice(0, 200));
    else if (acting.test(error.message)) find("acting message", JSON.stringify(error.message.slice(0, 300)));
  }
  const grown = peakBytes() - before;
  if (grown > (target.memory ?? 2 ** 27)) find("memory", `${Math.round(grown / 2 ** 20)} MiB more`);
  if ("polluted" in {} || Object.keys(Object.prototype).length > 0) find("pollution", "Object.prototype has new keys");
  return { target: target.name, accepted, findings };
}

async function runBatch({ from, to }: Batch): Promise<void> {
  let [accepted, refused] = [0, 0];
  const counts: Record<string, number> = {};
  for (let index = from; index < to; index++) {
    const result = await runCase(index);
    if (result.accepted) accepted++;
    else refused++;
    counts[result.target] = (counts[result.target] ?? 0) + 1;
    for (const finding of result.findings) send({ finding });
  }
  send({ done: to, accepted, refused, peakBytes: peakBytes(), targets: counts });
}

process.on("message", (batch: Batch) => void runBatch(batch));
process.on("disconnect", () => process.exit(0));
send({ ready: true });
