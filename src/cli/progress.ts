/** How far a long job has come: a bar on a terminal, a line now and then elsewhere, nothing when told to be quiet. Always on stderr. */

import cliProgress from "cli-progress";
import { formatDuration } from "./format.ts";
import type { Output } from "./terminal.ts";

export type ProgressStyle = "bar" | "lines" | "none";

export const progressStyle = (stderr: Output, wanted: boolean): ProgressStyle => (!wanted ? "none" : stderr.isTTY ? "bar" : "lines");

/** One job, from 0 to `total`. `stop` ends it, finished or not. */
export interface ProgressJob {
  update(done: number, note?: string): void;
  stop(): void;
}

export interface JobOptions {
  readonly label: string;
  readonly total: number;
  /** How to write amounts; as they are unless given. */
  readonly amount?: (done: number) => string;
  /** Where a resumed job begins. */
  readonly start?: number;
}

/** Without a terminal, a line for every so many seconds: a log that can be read, whatever the job takes. */
const secondsBetweenLines = 15;

export function startJob(stderr: Output, style: ProgressStyle, options: JobOptions): ProgressJob {
  if (style === "none") return { update: () => undefined, stop: () => undefined };
  return style === "bar" ? barJob(stderr, options) : linesJob(stderr, options);
}

/** Seconds left at the pace so far; undefined before there is one. */
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
    // The shape of an interrupted run is ours to decide.
    gracefulExit: false,
    // The event loop turns once a step: waiting for a timer would leave the bar behind.
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
