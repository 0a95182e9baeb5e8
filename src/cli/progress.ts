/** Shows the progress of a long job on stderr: a bar on a terminal, a line every few seconds elsewhere. */

import cliProgress from "cli-progress";
import { type Output, printableLine, streamOf } from "./printable-output.ts";
import { logLine, type Progress, progressLine } from "./progress-line.ts";

export type ProgressStyle = "bar" | "lines" | "none";

/** The style for a stream. `wanted` is false under --no-progress and --json. */
export const progressStyle = (stderr: Output, wanted: boolean): ProgressStyle => (!wanted ? "none" : stderr.isTTY ? "bar" : "lines");

/** What a job tells beside the amount that is done. */
export type JobState = Pick<Progress, "details" | "imagesPerSecond">;

/** A job that goes from 0 to `total`. `stop` ends it, whether it is finished or not. */
export interface ProgressJob {
  update(done: number, state?: JobState): void;
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

/** The width of a terminal that does not tell its own. */
const usualColumns = 80;

export function startJob(stderr: Output, style: ProgressStyle, options: JobOptions): ProgressJob {
  if (style === "none") return { update: () => undefined, stop: () => undefined };
  return style === "bar" ? barJob(stderr, options) : linesJob(stderr, options);
}

/** Gives the progress of a job that begins now. */
function progressOf({ label, total, amount = String, start = 0 }: JobOptions): (done: number, state?: JobState) => Progress {
  const startedAt = performance.now();
  return (done, state = {}) => {
    const elapsed = (performance.now() - startedAt) / 1000;
    // The first second says little about the pace.
    const secondsLeft = done <= start || elapsed < 1 ? undefined : (elapsed * (total - done)) / (done - start);
    return { label, share: total === 0 ? 1 : done / total, amount: `${amount(done)}/${amount(total)}`, ...state, secondsLeft };
  };
}

function barJob(stderr: Output, options: JobOptions): ProgressJob {
  const { total, start = 0 } = options;
  const at = progressOf(options);
  const bar = new cliProgress.SingleBar({
    stream: streamOf(stderr) as NodeJS.WritableStream,
    // The width is read at every draw, because the user may change it.
    format: (_options, _params, { progress }: { progress: Progress }) =>
      printableLine(progressLine(progress, stderr.columns ?? usualColumns)),
    hideCursor: true,
    clearOnComplete: true,
    // The program handles Ctrl-C itself.
    gracefulExit: false,
    // The event loop turns only once a step, so a timer would draw the bar too late.
    synchronousUpdate: true,
    fps: 8,
  });
  bar.start(total, start, { progress: at(start) });
  return { update: (done, state) => bar.update(done, { progress: at(done, state) }), stop: () => bar.stop() };
}

function linesJob(stderr: Output, options: JobOptions): ProgressJob {
  const at = progressOf(options);
  let printedAt = performance.now();
  return {
    update: (done, state) => {
      const now = performance.now();
      if (done === options.total || now - printedAt < 1000 * secondsBetweenLines) return;
      printedAt = now;
      stderr.write(`${logLine(at(done, state))}\n`);
    },
    stop: () => undefined,
  };
}
