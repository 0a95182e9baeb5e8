/** The text of a progress bar, in as many columns as the terminal has. */

import { formatCount, formatDuration } from "./format.ts";

export interface Progress {
  readonly label: string;
  /** The share of the work that is done, in [0, 1]. */
  readonly share: number;
  /** `165/782`. */
  readonly amount: string;
  /** Details, the most important first. */
  readonly details?: readonly string[] | undefined;
  /** Images per second; undefined where the work is not made of images. */
  readonly imagesPerSecond?: number | undefined;
  /** Seconds left at the pace so far; undefined before the pace is known. */
  readonly secondsLeft?: number | undefined;
}

/** Columns of the bar. A short bar replaces the long one where a detail needs its place. */
const [longBar, shortBar] = [24, 10];

const drawBar = (share: number, columns: number): string => {
  const done = Math.round(Math.min(1, Math.max(0, share)) * columns);
  return "━".repeat(done) + "─".repeat(columns - done);
};

/** The pace and the time left: `692 images/s  0:56 left`, or `692 img/s 0:56` where there is little room. */
function pace({ imagesPerSecond, secondsLeft }: Progress, compact: boolean): string {
  const images = imagesPerSecond === undefined ? [] : [`${formatCount(imagesPerSecond)} ${compact ? "img/s" : "images/s"}`];
  const left = secondsLeft === undefined ? [] : [compact ? formatDuration(secondsLeft) : `${formatDuration(secondsLeft)} left`];
  return [...images, ...left].join(compact ? " " : "  ");
}

const join = (parts: readonly (string | undefined)[]): string => parts.filter((part) => part !== undefined && part !== "").join("  ");

/**
 * The parts of a progress on one line: label, bar, amount, details, pace and time left. The line has at most `columns` columns. Where they
 * are too few, the bar becomes short, then the details go from the last to the first, then the bar, the label and the amount. The images
 * per second and the time left stay.
 */
export function progressLine(progress: Progress, columns: number): string {
  const { label, share, amount, details = [] } = progress;
  const whole = pace(progress, false);
  const some = (count: number): readonly string[] => details.slice(0, count);
  const lines = function* (): Generator<string> {
    for (const bar of [longBar, shortBar]) yield join([label, drawBar(share, bar), amount, ...details, whole]);
    for (let count = details.length - 1; count >= 0; count--) yield join([label, drawBar(share, shortBar), amount, ...some(count), whole]);
    yield join([label, amount, whole]);
    yield join([amount, whole]);
    yield whole === "" ? amount : whole;
  };
  for (const line of lines()) if (line.length <= columns) return line;
  return (pace(progress, true) || amount).slice(0, columns);
}

/** The same parts without a bar and without a limit: a line of a log. */
export const logLine = (progress: Progress): string =>
  join([progress.label, progress.amount, ...(progress.details ?? []), pace(progress, false)]);
