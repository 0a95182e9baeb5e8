/**
 * The protocol of the thread team under schedules: every chunk runs once, in its own job, and nobody sleeps for ever. The bound on spinning.
 * The tests run the source of the kernels (team-model.ts), so they need no threads and no time.
 */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Run, schedule, stated, TeamModel } from "./team-model.ts";

/** The address of the arguments, where a job of the model writes its number. */
const argument = 512;

interface Case {
  readonly workers: number;
  /** The number of chunks of each job. */
  readonly jobs: readonly number[];
  readonly mayBlock: boolean;
  readonly tick?: number;
}

/** Runs the jobs of a case on a team, and fails unless each chunk of each job runs once, during the job. */
function runTeam({ workers, jobs, mayBlock, tick = 1 }: Case, choose: Parameters<typeof schedule>[1]): void {
  const model = new TeamModel("short");
  model.tick = tick;
  const runs = jobs.map((count) => new Array<number>(count).fill(0));
  const chunk = model.chunk(function* (i): Run<void> {
    yield { kind: "step" };
    runs[model.peek(argument)]![i]!++;
  });
  const caller = model.instance();
  function* call(): Run<void> {
    yield* caller.setWorkers(workers, mayBlock);
    for (const [job, count] of jobs.entries()) {
      model.poke(argument, job);
      yield* caller.parallel(chunk, count, true);
      expect(runs[job], `job ${job} when it returns`).toEqual(new Array(count).fill(1));
      if (count > workers) expect(model.overslept, `sleepers of job ${job}`).toBe(0);
    }
    yield* caller.dismiss();
  }
  const members = Array.from({ length: workers }, (_, i) => model.instance().work(i + 1));
  schedule([call(), ...members], choose);
  expect(runs).toEqual(jobs.map((count) => new Array(count).fill(1)));
}

const cases = fc.record({
  workers: fc.integer({ min: 1, max: 3 }),
  jobs: fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 4 }),
  mayBlock: fc.boolean(),
  tick: fc.constantFrom(0, 0.4, 1, 6),
});

describe("a team of threads", () => {
  test("computes every chunk once and wakes every sleeper under random schedules", () => {
    fc.assert(
      fc.property(cases, fc.infiniteStream(fc.nat({ max: 999 })), fc.integer({ min: 1, max: 30 }), (team, draws, stay) => {
        // A thread keeps running for about `stay` steps, because some faults need one thread to run far ahead.
        runTeam(team, (runnable, last) => {
          const draw = draws.next().value!;
          return last !== undefined && draw % (stay + 1) !== 0 ? last : runnable[draw % runnable.length]!;
        });
      }),
      { numRuns: 500 },
    );
  });

  test.each<Case & { readonly most: number }>([
    { workers: 1, jobs: [2, 2], mayBlock: true, most: 2 },
    { workers: 1, jobs: [3], mayBlock: false, most: 2 },
    { workers: 2, jobs: [3, 2], mayBlock: true, most: 1 },
  ])("does so under every schedule that takes a thread off the core at most `most` times: %o", ({ most, ...team }) => {
    // A schedule without interruptions runs a thread until it sleeps, pauses or ends. Interruption (step, k) gives the core to the k-th of
    // the other threads at that step. The longest schedule bounds the steps.
    let steps = 0;
    const at = (interruptions: readonly (readonly [number, number])[]): void => {
      let now = 0;
      runTeam(team, (runnable, last) => {
        const interruption = interruptions.find(([when]) => when === now);
        now++;
        const others = runnable.filter((thread) => thread !== last);
        if (last !== undefined && (interruption === undefined || others.length === 0)) return last;
        return others[(interruption?.[1] ?? 0) % others.length] ?? runnable[0]!;
      });
      steps = Math.max(steps, now);
    };
    at([]);
    const others = Array.from({ length: team.workers }, (_, k) => k);
    for (let first = 0; first < steps; first++)
      for (const k of others) {
        at([[first, k]]);
        for (let second = first + 1; most > 1 && second < steps; second++)
          for (const l of others)
            at([
              [first, k],
              [second, l],
            ]);
      }
  });
});

/** The looks at a counter that never changes, before `spin` gives up. The clock moves by each of `ticks` in turn. */
function looksOf(model: TeamModel, spin: (address: number, value: number) => Run<boolean>, ticks: readonly number[]): number {
  const before = model.loads;
  const run = spin(64, model.peek(64));
  let looks = 0;
  for (let point = run.next(); ; point = run.next()) {
    if (point.done) {
      expect(point.value).toBe(false);
      return model.loads - before;
    }
    if (++looks % stated.LOOKS === 0) model.tick = ticks[(looks / stated.LOOKS) % ticks.length]!;
  }
}

describe("a thread that waits", () => {
  const { LOOKS, ROUNDS, SPIN, LOST, CROWDED, CROWDED_SPIN } = stated;

  test("sleeps after a bounded number of looks, also by a clock that stands still", () => {
    const model = new TeamModel();
    expect(looksOf(model, model.instance().spin, [0])).toBe(LOOKS * ROUNDS);
  });

  test("sleeps when the limit has passed on the clock", () => {
    fc.assert(
      fc.property(fc.double({ min: 0.004, max: LOST, noNaN: true }), (tick) => {
        const model = new TeamModel();
        model.tick = tick;
        const rounds = looksOf(model, model.instance().spin, [tick]) / LOOKS;
        // The first look at the clock starts the limit.
        expect(Math.abs(rounds - Math.min(ROUNDS, Math.floor(SPIN / tick) + 2))).toBeLessThanOrEqual(1);
      }),
      { numRuns: 30 },
    );
  });

  test("sleeps at once where the core was lost, and soon until the core has been its own for a while", () => {
    const model = new TeamModel();
    const { spin } = model.instance();
    model.tick = 2 * LOST;
    expect(looksOf(model, spin, [2 * LOST])).toBe(2 * LOOKS);
    model.tick = CROWDED_SPIN / 4;
    const crowded = looksOf(model, spin, [model.tick]) / LOOKS;
    expect(crowded).toBeLessThanOrEqual(6);
    model.now += CROWDED + 2 * SPIN;
    expect(looksOf(model, spin, [model.tick]) / LOOKS).toBeGreaterThan(2 * crowded);
  });

  test("goes on as soon as the counter changes", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: LOOKS * 10 }), (after) => {
        const model = new TeamModel();
        const run = model.instance().spin(64, 0);
        for (let looks = 0; looks <= after; looks++) run.next();
        model.poke(64, 1);
        expect(run.next()).toEqual({ done: true, value: true });
      }),
    );
  });
});
