/**
 * Compares all libraries on one benchmark. Their results must agree; then they are timed in turns, so that a slower machine slows all of
 * them.
 */

import { type Benchmark, compulsoryBytes } from "../../../src/bench/benchmarks.ts";
import { summarize, timeOnce } from "../../../src/bench/measure.ts";
import { countMultiplyAdds } from "../../../src/bench/multiply-adds.ts";
import type { BenchmarkRow } from "../../../src/bench/run-benchmark.ts";
import { prepareWorkload } from "../../../src/bench/workload.ts";
import { scope } from "../../../src/tensor/scope.ts";
import { checkAgreement } from "./agreement.ts";
import type { Contender, Run } from "./contender.ts";

export interface CompareOptions {
  /** The number of turns of each contender. */
  readonly rounds: number;
  /**
   * The time of all turns of a contender, in seconds. A slow contender has at least one repetition for each turn, and stops after three
   * times as long.
   */
  readonly seconds: number;
  /** Whether to measure benchmarks that need minutes in a library. */
  readonly slow: boolean;
}

type Times = Pick<BenchmarkRow, "ms" | "minMs" | "maxMs" | "repeats" | "gflops" | "gigabytesPerSecond">;

export interface Measured extends Times {
  /** The median time divided by that of the first contender. */
  readonly ratio: number;
}

/** The outcome of one contender: its times, its error, or why it was skipped. */
export type ComparisonRow = { readonly name: string; readonly contender: string } & (
  | Measured
  | { readonly error: string }
  | { readonly skipped: string }
);

interface Entrant {
  readonly contender: Contender;
  readonly run: Run;
  readonly samples: number[];
  /** Milliseconds of the measured repetitions, and of the first one if it alone takes longer than all turns should. */
  spent: number;
}

/** Times the contenders whose results agree with those of the first, and gives the reason for the others. */
export async function compare(
  { name, problem }: Benchmark,
  contenders: readonly Contender[],
  { rounds, seconds, slow }: CompareOptions,
): Promise<ComparisonRow[]> {
  const outcomes = new Map<Contender, { readonly error: string } | { readonly skipped: string }>();
  const entrants: Entrant[] = [];
  let expected: ArrayLike<number>[] | undefined;
  for (const contender of contenders) {
    const reason = contender.slow(problem);
    if (reason !== undefined && !slow) {
      outcomes.set(contender, { skipped: `${reason}; --slow measures it` });
      continue;
    }
    await contenders[0]!.activate();
    await contender.activate();
    try {
      const run = await contender.prepare(problem);
      let results: ArrayLike<number>[] = [];
      const firstMs = await timeOnce(async () => {
        results = await run.results();
      });
      expected ??= results;
      checkAgreement(results, expected);
      entrants.push({ contender, run, samples: [], spent: firstMs / 1000 > seconds ? firstMs : 0 });
    } catch (error) {
      outcomes.set(contender, { error: error instanceof Error ? error.message : String(error) });
    }
  }
  const slice = (1000 * seconds) / rounds;
  // Round 0 warms up and is not measured.
  for (let round = 0; round <= rounds; round++)
    for (const entrant of entrants) {
      const outOfTime = entrant.spent > 3000 * seconds && entrant.samples.length > 0;
      const alreadyWarm = round === 0 && entrant.spent > 0;
      if (outOfTime || alreadyWarm) continue;
      await entrant.contender.activate();
      for (let turn = 0; turn < slice; ) {
        const ms = await timeOnce(entrant.run.repeat);
        turn += ms;
        if (round === 0) continue;
        entrant.samples.push(ms);
        entrant.spent += ms;
      }
    }
  await contenders[0]!.activate();
  const workload = prepareWorkload(problem);
  const multiplyAdds = countMultiplyAdds(() => scope(() => void workload.run()));
  workload.dispose();
  const bytes = compulsoryBytes(problem);
  const base = entrants[0] === undefined ? Number.NaN : summarize(entrants[0].samples).medianMs;
  const rows: ComparisonRow[] = [];
  for (const contender of contenders) {
    const entrant = entrants.find((candidate) => candidate.contender === contender);
    if (entrant === undefined) {
      rows.push({ name, contender: contender.name, ...outcomes.get(contender)! });
      continue;
    }
    await contender.activate();
    entrant.run.dispose();
    const { medianMs, minMs, maxMs, repeats } = summarize(entrant.samples);
    const rate = (amount: number): number => rounded(amount / (medianMs * 1e6));
    rows.push({
      name,
      contender: contender.name,
      ms: rounded(medianMs),
      minMs: rounded(minMs),
      maxMs: rounded(maxMs),
      repeats,
      gflops: rate(2 * multiplyAdds),
      ...(bytes === undefined ? {} : { gigabytesPerSecond: rate(bytes) }),
      ratio: rounded(medianMs / base),
    });
  }
  return rows;
}

const rounded = (value: number): number => Number(value.toPrecision(5));
