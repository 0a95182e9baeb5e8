/**
 * A disk that fails while a run is written, at a chosen change of all that the run makes: SQLite's test of crashes, for runs. After the
 * fault the run is continued as the program says, and must end as a run without a fault ends.
 */

import { cp, mkdir, open, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type EffectInterceptor, type FileEffect, interceptEffects } from "../../src/core/node/files.ts";
import { isLockName } from "../../src/train/node/folder-lock.ts";
import { type CliResult, jsonLines, positionOf, resultsOf, runCli, tinyRun } from "../cli/run-cli.ts";

/**
 * - `error`: the change is not made, and fails.
 * - `torn`: half of a write is made, any other change is made, and it fails nevertheless.
 * - `crash`: the same, and the process makes no change any more.
 * - `power`: the same, and the disk loses all changes that no flush has made safe.
 */
export const faults = ["error", "torn", "crash", "power"] as const;
export type Fault = (typeof faults)[number];

/** What the faults happen to: a new run, a stopped run that goes on, or a run that goes on with its newest checkpoint damaged. */
export const scenarios = ["begin", "resume", "repair"] as const;
export type Scenario = (typeof scenarios)[number];

// Steps of two images take half the time, and make the same changes of the disk. With this seed, both epochs write a best checkpoint. The
// backend is named, because a run records why it chose a backend, and a resumed run does not choose.
const options = "--limit-train 6 --limit-test 4 --batch-size 2 --seed 1 --backend wasm --json --tensorboard".split(" ");
const begin = (run: string): string[] => [...tinyRun, ...options, "--run", run];
const resume = (run: string): string[] => ["train", "--resume", run, "--json", "--no-progress"];

/** Everything in a run's folder that must not depend on faults. */
async function stateOf(run: string): Promise<unknown> {
  const best = await readFile(join(run, "best.safetensors"));
  const copy = await readFile(join(run, "best.copy.safetensors"));
  const evaluation = await readFile(join(run, "evaluation.json"), "utf8");
  return { ...(await resultsOf(run)), best: best.toString("base64"), copyIsEqual: copy.equals(best), evaluation };
}

export class FileFaults {
  readonly #work: string;
  #expected: unknown;

  private constructor(work: string) {
    this.#work = work;
  }

  /** @param work An empty folder. */
  static async prepare(work: string): Promise<FileFaults> {
    const harness = new FileFaults(work);
    const whole = join(work, "whole");
    await runCli(begin(whole));
    harness.#expected = await stateOf(whole);
    const { epoch } = JSON.parse(await readFile(join(whole, "evaluation.json"), "utf8")) as { epoch: number };
    if (epoch !== 2) throw new Error(`the second epoch must replace the best checkpoint of the first, got the best in epoch ${epoch}`);
    await runCli([...begin(join(work, "stopped")), "--steps", "4"]);
    return harness;
  }

  /** How many changes of the disk the scenario makes without a fault. */
  async countChanges(scenario: Scenario): Promise<number> {
    let changes = 0;
    await this.#attempt(scenario, (_, perform) => {
      changes++;
      return perform();
    });
    return changes;
  }

  /**
   * Lets the `n`-th change of the scenario fail, from 1, and continues the run.
   * @returns what is wrong, which must be nothing.
   */
  async check(scenario: Scenario, fault: Fault, n: number): Promise<string[]> {
    const disk = new FaultyDisk(fault, n);
    const { run, result } = await this.#attempt(scenario, disk.intercept);
    const wrong: string[] = [];
    const what = `${scenario}, ${fault} at change ${n} (${disk.failed?.kind} ${disk.failed?.path})`;
    const saved = jsonLines(result.stdout).filter(({ event }) => event === "epoch").length + (scenario === "begin" ? 0 : 1);
    if (result.code !== 0 && !/^\{"error":\{"name":"(DataError|ConfigError)"/m.test(result.stderr))
      wrong.push(`${what}: the error must be one of the library, got ${result.stderr}`);
    await disk.loseUnsafe();
    // The process has ended, and with it its lock. In this test it is the process that goes on, so the lock must be removed by hand.
    const names = await readdir(run).catch((): string[] => []);
    for (const name of names) if (isLockName(name)) await rm(join(run, name));
    const exists = names.includes("config.json");
    if (!exists && (saved > 0 || scenario !== "begin")) wrong.push(`${what}: the run must be there, got ${names.join(", ") || "nothing"}`);
    if (exists && saved > 0 && scenario !== "repair") {
      const { epoch } = await positionOf(run);
      if (epoch < saved) wrong.push(`${what}: the ${saved} epochs that were reported must be saved, got ${epoch}`);
    }
    const again = await runCli(exists ? resume(run) : begin(run));
    if (again.code !== 0) wrong.push(`${what}: the run must go on, got ${again.stderr}`);
    else if (JSON.stringify(await stateOf(run)) !== JSON.stringify(this.#expected))
      wrong.push(`${what}: the run must end as without a fault`);
    const left = (await readdir(run)).filter((name) => name.startsWith(".") || name.includes("partial"));
    if (left.length > 0) wrong.push(`${what}: nothing must be left, got ${left.join(", ")}`);
    await rm(run, { recursive: true });
    return wrong;
  }

  async #attempt(scenario: Scenario, intercept: EffectInterceptor): Promise<{ readonly run: string; readonly result: CliResult }> {
    const run = join(this.#work, "faulty");
    await rm(run, { recursive: true, force: true });
    if (scenario !== "begin") await cp(join(this.#work, "stopped"), run, { recursive: true });
    if (scenario === "repair") await damage(join(run, "checkpoint.safetensors"));
    const restore = interceptEffects(intercept);
    try {
      return { run, result: await runCli(scenario === "begin" ? begin(run) : resume(run)) };
    } finally {
      restore();
    }
  }
}

async function damage(path: string): Promise<void> {
  const bytes = await readFile(path);
  bytes[bytes.length - 5]! ^= 1;
  await writeFile(path, bytes);
}

const failure = (effect: FileEffect): Error =>
  Object.assign(new Error(`EIO: i/o error, ${effect.kind}`), { code: effect.kind === "write" ? "ENOSPC" : "EIO" });

class FaultyDisk {
  readonly #fault: Fault;
  readonly #at: number;
  #changes = 0;
  /** The change that failed. */
  failed: FileEffect | undefined;
  /** For each file with content that is not safe, the number of bytes that are. */
  readonly #unsafe = new Map<string, number>();
  /** Changes of names that are not safe, the latest last, and how they are undone. */
  #unsafeNames: { readonly folder: string; readonly undo: () => Promise<unknown> }[] = [];

  constructor(fault: Fault, at: number) {
    this.#fault = fault;
    this.#at = at;
  }

  readonly intercept: EffectInterceptor = async (effect, perform) => {
    const now = ++this.#changes;
    if (now < this.#at || (now > this.#at && (this.#fault === "error" || this.#fault === "torn"))) {
      await this.#watch(effect);
      return perform();
    }
    if (now === this.#at) {
      this.failed = effect;
      if (this.#fault !== "error") {
        await this.#watch(effect);
        // A flush that fails has made nothing safe.
        await (effect.kind === "write" ? perform(effect.content.subarray(0, effect.content.length / 2)) : perform());
      }
    }
    throw failure(effect);
  };

  /** Takes back what was not safe when the power failed. */
  async loseUnsafe(): Promise<void> {
    if (this.#fault !== "power") return;
    for (const [path, length] of this.#unsafe) await truncate(path, length).catch(() => undefined);
    for (const { undo } of this.#unsafeNames.reverse()) await undo();
  }

  async #watch(effect: FileEffect): Promise<void> {
    if (this.#fault !== "power") return;
    const { kind, path } = effect;
    const before = (name: string): Promise<Buffer | undefined> => readFile(name).catch(() => undefined);
    const restore = (name: string, content: Buffer | undefined) => async (): Promise<void> => {
      // A file with two names must not be written by one of them.
      await rm(name, { recursive: true, force: true });
      if (content !== undefined) await mkdir(dirname(name), { recursive: true }).then(() => writeFile(name, content));
    };
    const later = (name: string, undo: () => Promise<unknown>): void => void this.#unsafeNames.push({ folder: dirname(name), undo });
    if (kind === "write" && !this.#unsafe.has(path)) this.#unsafe.set(path, await lengthOf(path));
    if (kind === "sync" && this.#changes !== this.#at) this.#unsafe.delete(path);
    if (kind === "sync folder" && this.#changes !== this.#at) this.#unsafeNames = this.#unsafeNames.filter(({ folder }) => folder !== path);
    if (kind === "create" || (kind === "make folder" && !(await stat(path).catch(() => undefined)))) later(path, restore(path, undefined));
    if (kind === "remove") later(path, restore(path, await before(path)));
    if (kind === "link") later(effect.to, restore(effect.to, undefined));
    if (kind === "rename") {
      const { to } = effect;
      const [moved, replaced] = [await before(path), await before(to)];
      later(to, async () => {
        await restore(to, replaced)();
        await restore(path, moved)();
      });
      const safe = this.#unsafe.get(path);
      this.#unsafe.delete(path);
      if (safe === undefined) this.#unsafe.delete(to);
      else this.#unsafe.set(to, safe);
    }
  }
}

async function lengthOf(path: string): Promise<number> {
  const file = await open(path);
  try {
    return (await file.stat()).size;
  } finally {
    await file.close();
  }
}
