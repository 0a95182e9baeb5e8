/** Timing: each repetition on its own, awaited to the end, so that a backend that computes later cannot look fast. */

export interface MeasureOptions {
  /** Least number of repetitions. */
  readonly repeats: number;
  /** Repetitions go on until they have taken this long together. */
  readonly minSeconds: number;
}

/** Milliseconds of one repetition. */
export interface Timing {
  readonly medianMs: number;
  readonly minMs: number;
  readonly maxMs: number;
  readonly repeats: number;
}

/** The median tells what usually happens whatever else the machine did meanwhile; the extremes, how much it did. `samples` has one or more. */
export function summarize(samples: readonly number[]): Timing {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const medianMs = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { medianMs, minMs: sorted[0]!, maxMs: sorted.at(-1)!, repeats: sorted.length };
}

export async function timeOnce(repetition: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await repetition();
  return performance.now() - start;
}

/** Repetitions until there are enough and they have taken long enough, after a quarter as long of warming up: engines compile hot code late. */
export async function measure(repetition: () => Promise<void>, { repeats, minSeconds }: MeasureOptions): Promise<Timing> {
  const until = async (milliseconds: number, least: number): Promise<number[]> => {
    const samples: number[] = [];
    for (let total = 0; samples.length < least || total < milliseconds; total += samples.at(-1)!) samples.push(await timeOnce(repetition));
    return samples;
  };
  await until(250 * minSeconds, 0);
  return summarize(await until(1000 * minSeconds, repeats));
}
