/**
 * The roofline of each launch (Williams, Waterman & Patterson 2009, "Roofline: an insightful visual performance model for multicore
 * architectures"): the slowest of arithmetic, loads and memory bounds it, if a card overlaps all three perfectly.
 */

import { countLaunch, type LaunchCounts } from "./count-launch.ts";
import { launchesOf, type Problem } from "./problems.ts";

/** The rates of a card, in multiply-adds: what it computes in the time that one load, or one element from or to its memory, takes. */
export interface Card {
  /** The multiply-adds in the time in which as many threads load one element each. */
  readonly perLoad: number;
  /** The multiply-adds in the time in which the memory delivers one element of 4 bytes. */
  readonly perWord: number;
  /** The threads that compute at the same time. */
  readonly units: number;
}

/**
 * NVIDIA H100 SXM by its data sheet: 67 TFLOP/s in float32, so 33.5 T multiply-adds, and 3.35 TB/s, so 0.84 T elements. Each of
 * its 132 multiprocessors has 128 float32 units and 32 load units.
 */
export const h100: Card = { perLoad: 128 / 32, perWord: 33.5e12 / (3.35e12 / 4), units: 132 * 128 };

/** `threads`: the launch has so few that most of the card is idle. */
export type Bound = "arithmetic" | "loads" | "memory" | "threads";

export interface RooflineRow extends LaunchCounts {
  readonly name: string;
  readonly program: string;
  /** The multiply-adds of a thread that the result needs; undefined where the loads are counted in their place. */
  readonly multiplyAdds: number | undefined;
  /**
   * FLOP for each byte that threads load, that a workgroup loads if its threads share what they load, and that must pass the memory once.
   */
  readonly intensity: { readonly loaded: number; readonly shared: number; readonly memory: number };
  readonly bound: Bound;
  /** The part of the card's multiply-adds that the launch can use at most. */
  readonly share: number;
}

/** The rows of a problem, one for each launch. */
export const rooflineOf = (problem: Problem, card: Card): RooflineRow[] =>
  launchesOf(problem).map((launch, index): RooflineRow => {
    const counts = countLaunch(launch);
    const { threads, lanes, loads, sharedLoads, words } = counts;
    const multiplyAdds = index === 0 && problem.multiplyAdds !== undefined ? problem.multiplyAdds / threads : undefined;
    const operations = multiplyAdds ?? loads;
    const busy = Math.min(1, threads / card.units);
    const times = { arithmetic: operations / busy, loads: (card.perLoad * loads) / busy, memory: (card.perWord * words) / threads };
    const slowest = (Object.keys(times) as (keyof typeof times)[]).reduce((slow, each) => (times[each] > times[slow] ? each : slow));
    const perByte = (elements: number): number => (2 * operations) / (4 * elements);
    return {
      ...counts,
      name: problem.name,
      program: launch.program.name,
      multiplyAdds,
      intensity: { loaded: perByte(loads), shared: perByte(sharedLoads + lanes), memory: perByte(words / threads) },
      bound: slowest !== "memory" && busy < 0.5 ? "threads" : slowest,
      share: operations / times[slowest],
    };
  });
