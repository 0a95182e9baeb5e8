/** Times repetitions. Each is awaited to its end, so that the time of a backend that computes asynchronously is counted too. */

export interface MeasureOptions {
  /** The smallest number of repetitions. */
  readonly repeats: number;
  /** Repetitions go on until they have taken so many seconds together. */
  readonly minSeconds: number;
}

/** Times of one repetition in milliseconds. */
export interface Timing {
  readonly medianMs: number;
  readonly minMs: number;
  readonly maxMs: number;
  readonly repeats: number;
}

/** Median and extremes of at least one sample. The median ignores a few samples during which the machine did other work. */
export function summarize(samples: readonly number[]): Timing {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const medianMs = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { medianMs, minMs: sorted[0]!, maxMs: sorted.at(-1)!, repeats: sorted.length };
}

/** The time of one repetition in milliseconds. */
export async function timeOnce(repetition: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await repetition();
  return performance.now() - start;
}

/**
 * Times repetitions until there are `repeats` and they have taken `minSeconds`. A warm-up of a quarter of that time comes first, since
 * engines compile code only after it has run often.
 */
export async function measure(repetition: () => Promise<void>, { repeats, minSeconds }: MeasureOptions): Promise<Timing> {
  const until = async (milliseconds: number, least: number): Promise<number[]> => {
    const samples: number[] = [];
    for (let total = 0; samples.length < least || total < milliseconds; total += samples.at(-1)!) samples.push(await timeOnce(repetition));
    return samples;
  };
  await until(250 * minSeconds, 0);
  return summarize(await until(1000 * minSeconds, repeats));
}
