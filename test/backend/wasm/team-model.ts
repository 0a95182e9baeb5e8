/**
 * Runs the real source of the thread team (src/backend/wasm/assembly/team.ts) under a schedule that a test chooses. The source is turned
 * into JavaScript whose functions are generators, and each access to the memory is a point where another thread may go on.
 */

import { readFileSync } from "node:fs";

/** What a thread does at a point: it goes on, it lets the others run first, or it sleeps until `woken` is set. */
type Point = { readonly kind: "step" } | { readonly kind: "pause" } | { readonly kind: "sleep"; readonly sleeper: Sleeper };
interface Sleeper {
  readonly address: number;
  /** What the counter held when the thread fell asleep. */
  readonly value: number;
  woken: boolean;
}
export type Run<T> = Generator<Point, T, void>;

/** One thread's instance of the module. */
export interface TeamModule {
  setWorkers(count: number, callerMayBlock: boolean): Run<void>;
  parallel(chunk: (i: number) => Run<void>, count: number, shared: boolean): Run<void>;
  work(index: number): Run<void>;
  dismiss(): Run<void>;
  spin(address: number, value: number): Run<boolean>;
}

const step: Point = { kind: "step" };
const calls = /\b(atomic\.\w+|load|store|call_indirect|clock|waiting|rangeOf|drain|spin|awaitWorkers|chunk)\(/g;

/** The place of the parenthesis that closes the one at `open`. */
function closing(text: string, open: number): number {
  for (let depth = 0, at = open; ; at++) {
    if (text[at] === "(") depth++;
    if (text[at] === ")" && --depth === 0) return at;
  }
}

/** `text` with each call f(…) as (yield* f(…)). */
function yielding(text: string): string {
  let result = "";
  let at = 0;
  for (let match = calls.exec(text); match !== null; match = calls.exec(text)) {
    const open = match.index + match[0].length - 1;
    result += text.slice(at, match.index);
    if (/function\*? $/.test(result)) {
      result += match[0];
      at = calls.lastIndex;
      continue;
    }
    const close = closing(text, open);
    const inner = text.slice(open + 1, close);
    const resume = close + 1;
    result += `(yield* ${match[1]}(${yielding(inner)}))`;
    calls.lastIndex = resume;
    at = resume;
  }
  return result + text.slice(at);
}

/** The constants of `spin`, and those that a model replaces, because its schedules must stay short. */
export type SpinConstants = Readonly<Record<"LOOKS" | "ROUNDS" | "SPIN" | "LOST" | "CROWDED" | "CROWDED_SPIN", number>>;

const source = readFileSync(new URL("../../../src/backend/wasm/assembly/team.ts", import.meta.url), "utf8")
  .replace(/\/\*[\s\S]*?\*\//g, "")
  .replace(/\/\/.*$/gm, "")
  .replace(/^import .*$/gm, "")
  .replace(/^@.*$/gm, "")
  .replace(/^declare .*$/gm, "")
  .replaceAll("memory.data(64 * 64, 64)", "4096")
  .replaceAll("jobAddress", "512")
  .replaceAll(", <i32>(", ", Math.trunc(")
  .replaceAll(": (i: i32) => void", "")
  .replace(/: (usize|i32|i64|f64|bool|void)\b/g, "")
  .replace(/<(usize|u32|i32|i64|f64|void)>/g, "");

/** The constants as the source states them. */
export const stated = Object.fromEntries(
  [...source.matchAll(/^const (LOOKS|ROUNDS|SPIN|LOST|CROWDED|CROWDED_SPIN)\b.*= ([\d.]+);$/gm)].map(([, name, value]) => [
    name,
    Number(value),
  ]),
) as SpinConstants;

const replaced = (constants: Partial<SpinConstants>): string =>
  Object.entries(constants).reduce(
    (text, [name, value]) => text.replace(new RegExp(`^const ${name}\\b.*$`, "m"), `const ${name} = ${value};`),
    source,
  );

type Environment = Readonly<Record<(typeof names)[number], unknown>>;
const names = ["atomic", "load", "store", "call_indirect", "clock", "waiting"] as const;

/** Makes instances of the module with these constants. */
function moduleMaker(constants: Partial<SpinConstants>): (environment: Environment) => TeamModule {
  const script = yielding(
    replaced(constants)
      .replace(/\bexport /g, "")
      .replace(/\bfunction /g, "function* "),
  );
  const make = new Function(...names, `${script}; return { setWorkers, parallel, work, dismiss, spin };`);
  return (environment) => make(...names.map((name) => environment[name])) as TeamModule;
}

/** Constants for models with schedules: so few looks that a schedule stays short. The clock moves by 1 from look to look. */
export const shortSpins: SpinConstants = { LOOKS: 2, ROUNDS: 3, SPIN: 1.5, LOST: 5, CROWDED: 20, CROWDED_SPIN: 0.5 };
const makers = { stated: moduleMaker({}), short: moduleMaker(shortSpins) };

/** One memory with the threads that use it. */
export class TeamModel {
  readonly #memory = new Map<number, number>();
  readonly #sleepers: Sleeper[] = [];
  readonly #make: (environment: Environment) => TeamModule;
  /** Milliseconds that the clock shows. */
  now = 0;
  /** Milliseconds that pass from one look at the clock to the next. */
  tick = 0;
  /** How often a thread has looked at a counter. */
  loads = 0;
  readonly #chunks: ((i: number) => Run<void>)[] = [];

  constructor(spins: keyof typeof makers = "stated") {
    this.#make = makers[spins];
  }

  /** What the memory holds at `address`, read at once. */
  peek(address: number): number {
    return this.#memory.get(address) ?? 0;
  }

  poke(address: number, value: number): void {
    this.#memory.set(address, value);
  }

  /** How many threads sleep although the counter that they wait for has changed, and nobody has woken them. */
  get overslept(): number {
    return this.#sleepers.filter(({ address, value, woken }) => !woken && this.peek(address) !== value).length;
  }

  /** A chunk function with the index that the module knows it by. */
  chunk(run: (i: number) => Run<void>): (i: number) => Run<void> {
    const index = this.#chunks.push(run) - 1;
    return Object.assign((i: number) => run(i), { index });
  }

  instance(): TeamModule {
    const model = this;
    const change = (by: number) =>
      function* (address: number, value: number): Run<number> {
        yield step;
        const old = model.peek(address);
        model.poke(address, old + by * value);
        return old;
      };
    function* load(address: number, offset = 0): Run<number> {
      yield step;
      model.loads++;
      return model.peek(address + offset);
    }
    function* store(address: number, value: number): Run<void> {
      yield step;
      model.poke(address, value);
    }
    const atomic = {
      load,
      store,
      add: change(1),
      sub: change(-1),
      /** Time-outs never pass, so a thread that nobody wakes sleeps for ever. */
      *wait(address: number, value: number): Run<void> {
        yield step;
        if (model.peek(address) !== value) return;
        const sleeper: Sleeper = { address, value, woken: false };
        model.#sleepers.push(sleeper);
        while (!sleeper.woken) yield { kind: "sleep", sleeper };
      },
      *notify(address: number, count: number): Run<void> {
        yield step;
        let left = count < 0 ? Number.POSITIVE_INFINITY : count;
        for (const sleeper of model.#sleepers) if (sleeper.address === address && !sleeper.woken && left-- > 0) sleeper.woken = true;
      },
    };
    return this.#make({
      atomic,
      load,
      store,
      *call_indirect(index: number, i: number): Run<void> {
        yield* model.#chunks[index]!(i);
      },
      // biome-ignore lint/correctness/useYield: the module calls it as it calls the others.
      *clock(): Run<number> {
        model.now += model.tick;
        return model.now;
      },
      *waiting(): Run<void> {
        yield { kind: "pause" };
      },
    });
  }
}

/**
 * Runs threads until all have ended. `choose` picks which of the threads that can run does its next step; `last` is the thread that ran
 * before, unless it ended, sleeps, or lets the others go first.
 * @throws Error when every thread that has not ended sleeps, or after `limit` steps.
 */
export function schedule(
  threads: readonly Run<void>[],
  choose: (runnable: readonly number[], last: number | undefined) => number,
  limit = 100_000,
): void {
  const points: (Point | "ended")[] = threads.map(() => step);
  let last: number | undefined;
  let paused: number | undefined;
  for (let steps = 0; steps < limit; steps++) {
    const runnable = points.flatMap((point, i) => (point !== "ended" && (point.kind !== "sleep" || point.sleeper.woken) ? [i] : []));
    if (runnable.length === 0) {
      const asleep = points.flatMap((point, i) => (point === "ended" ? [] : [i]));
      if (asleep.length === 0) return;
      throw new Error(`threads ${asleep.join(", ")} sleep, and nobody will wake them`);
    }
    const ready = runnable.length > 1 ? runnable.filter((thread) => thread !== paused) : runnable;
    const chosen = choose(ready, last !== undefined && ready.includes(last) ? last : undefined);
    const { done, value } = threads[chosen]!.next();
    points[chosen] = done ? "ended" : (value as Point);
    paused = !done && (value as Point).kind === "pause" ? chosen : undefined;
    last = done || (value as Point).kind !== "step" ? undefined : chosen;
  }
  throw new Error(`the threads have not ended after ${limit} steps`);
}
