/** Shows the progress of a long job on stderr: a bar on a terminal, a line every few seconds elsewhere. */

import cliProgress from "cli-progress";
import { formatDuration } from "./format.ts";
import type { Output } from "./terminal.ts";

export type ProgressStyle = "bar" | "lines" | "none";

/** The style for a stream. `wanted` is false under --no-progress and --json. */
export const progressStyle = (stderr: Output, wanted: boolean): ProgressStyle => (!wanted ? "none" : stderr.isTTY ? "bar" : "lines");

/** A job that goes from 0 to `total`. `stop` ends it, whether it is finished or not. */
export interface ProgressJob {
  update(done: number, note?: string): void;
  stop(): void;
}

export interface JobOptions {
  readonly label: string;
  readonly total: number;
  /** Formats amounts. Default: `String`. */
  readonly amount?: (done: number) => string;
  /** The amount that a resumed job begins with. Default: 0. */
  readonly start?: number;
}

/** Seconds between two lines where there is no terminal, so that the log of a long job stays short. */
const secondsBetweenLines = 15;

export function startJob(stderr: Output, style: ProgressStyle, options: JobOptions): ProgressJob {
  if (style === "none") return { update: () => undefined, stop: () => undefined };
  return style === "bar" ? barJob(stderr, options) : linesJob(stderr, options);
}

/** The time left at the pace so far; empty before the pace is known. */
function remaining(startedAt: number, start: number, done: number, total: number): string {
  const elapsed = (performance.now() - startedAt) / 1000;
  return done <= start || elapsed < 1 ? "" : `${formatDuration((elapsed * (total - done)) / (done - start))} left`;
}

function barJob(stderr: Output, { label, total, amount = String, start = 0 }: JobOptions): ProgressJob {
  const startedAt = performance.now();
  const bar = new cliProgress.SingleBar({
    stream: stderr as NodeJS.WritableStream,
    format: (options, { progress }, payload: { done?: string; note?: string; left?: string }) => {
      const done = `${label}  ${cliProgress.Format.BarFormat(progress, options)}  ${payload.done ?? ""}`;
      return [done, payload.note, payload.left].filter((part) => part !== undefined && part !== "").join("  ");
    },
    barCompleteChar: "━",
    barIncompleteChar: "─",
    barsize: 24,
    hideCursor: true,
    clearOnComplete: true,
    // The program handles Ctrl-C itself.
    gracefulExit: false,
    // The event loop turns only once a step, so a timer would draw the bar too late.
    synchronousUpdate: true,
    fps: 8,
  });
  bar.start(total, start, { done: `${amount(start)}/${amount(total)}` });
  return {
    update: (done, note = "") =>
      bar.update(done, { done: `${amount(done)}/${amount(total)}`, note, left: remaining(startedAt, start, done, total) }),
    stop: () => bar.stop(),
  };
}

function linesJob(stderr: Output, { label, total, amount = String, start = 0 }: JobOptions): ProgressJob {
  const startedAt = performance.now();
  let printedAt = startedAt;
  return {
    update: (done, note = "") => {
      const now = performance.now();
      if (done === total || now - printedAt < 1000 * secondsBetweenLines) return;
      printedAt = now;
      const parts = [label, `${amount(done)}/${amount(total)}`, note, remaining(startedAt, start, done, total)];
      stderr.write(`${parts.filter((part) => part !== "").join("  ")}\n`);
    },
    stop: () => undefined,
  };
}
