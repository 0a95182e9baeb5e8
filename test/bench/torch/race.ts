/** Measures one benchmark in two workers by turns. Their results must agree first. */

import { summarize, type Timing } from "../../../src/bench/measure.ts";
import { checkAgreement } from "../peers/agreement.ts";
import { decodeFloats, type Request, type Worker } from "./protocol.ts";

export interface RaceOptions {
  /** The number of turns of each worker. */
  readonly rounds: number;
  /** The time of a turn; a turn has at least one repetition. */
  readonly turnMilliseconds: number;
}

/** The quotient of the medians of a round: its median over the rounds, and its extremes. */
export interface Ratio {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export interface RaceResult {
  readonly ours: Timing;
  /** Why the other worker has no times, or its times and the time of ours divided by its time. */
  readonly other: { readonly error: string } | { readonly timing: Timing; readonly ratio: Ratio };
}

const samplesOf = async (worker: Worker, milliseconds: number): Promise<number[]> =>
  (await worker.ask<{ times: number[] }>({ do: "turn", milliseconds })).times;

/**
 * Prepares both workers, and lets them run in turns, ours first in every other round. A round before the first warms up and is not counted.
 */
export async function race(
  [ours, other]: readonly [Worker, Worker],
  request: Extract<Request, { do: "prepare" }>,
  { rounds, turnMilliseconds }: RaceOptions,
): Promise<RaceResult> {
  const resultsOf = async (worker: Worker): Promise<Float32Array[]> =>
    (await worker.ask<{ results: string[] }>(request)).results.map(decodeFloats);
  const expected = await resultsOf(ours);
  let error: string | undefined;
  try {
    checkAgreement(await resultsOf(other), expected);
  } catch (reason) {
    error = (reason as Error).message;
  }
  const contenders = error === undefined ? [ours, other] : [ours];
  const samples = contenders.map((): number[][] => []);
  for (let round = 0; round <= rounds; round++) {
    const order = round % 2 === 0 ? contenders : contenders.toReversed();
    for (const worker of order) {
      const times = await samplesOf(worker, turnMilliseconds);
      if (round > 0) samples[contenders.indexOf(worker)]!.push(times);
    }
  }
  const timings = samples.map((all) => summarize(all.flat()));
  if (error !== undefined) return { ours: timings[0]!, other: { error } };
  const medians = samples.map((all) => all.map((times) => summarize(times).medianMs));
  const { medianMs, minMs, maxMs } = summarize(medians[0]!.map((own, round) => own / medians[1]![round]!));
  return { ours: timings[0]!, other: { timing: timings[1]!, ratio: { median: medianMs, min: minMs, max: maxMs } } };
}
