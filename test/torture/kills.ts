/** Kills the program with SIGKILL at a time that a seed decides, goes on with it, and compares what it comes to with an unbroken one. */

import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Random } from "../../src/core/random.ts";
import { type ProgramEnd, ProgramProcess } from "../cli/program-process.ts";
import { resultsOf } from "../cli/run-cli.ts";

/** What is killed. */
export const victims = ["train", "sweep", "report"] as const;
export type Victim = (typeof victims)[number];

const settings = "--data synthetic --limit-train 16 --limit-test 6 --batch-size 4 --epochs 2 --dropout 0.2 --threads 1 --backend wasm";

const grid = {
  settings: { data: "synthetic", limitTrain: 12, limitTest: 6, batchSize: 4, epochs: 1, threads: 1, backend: "wasm" },
  convolutions: ["Conv", "Sep"],
  seeds: [0],
};

/** The results of a sweep without what depends on time and place. */
const linesOf = async (out: string): Promise<string[]> =>
  (await readFile(join(out, "results.jsonl"), "utf8"))
    .trimEnd()
    .split("\n")
    .map((line) => {
      const { seconds: _, run: __, ...numbers } = JSON.parse(line) as Record<string, unknown>;
      return JSON.stringify(numbers);
    })
    .sort();

export class Kills {
  readonly #work: string;
  readonly #random: Random;
  /** Milliseconds that each victim takes when it is not killed, and what it comes to. */
  readonly #unbroken = new Map<Victim, { readonly milliseconds: number; readonly outcome: unknown }>();
  #count = 0;

  private constructor(work: string, random: Random) {
    this.#work = work;
    this.#random = random;
  }

  /** @param work An empty folder. */
  static async prepare(work: string, random: Random): Promise<Kills> {
    const kills = new Kills(work, random);
    await writeFile(join(work, "grid.json"), JSON.stringify(grid));
    for (const victim of victims) {
      const start = performance.now();
      const end = await kills.#start(victim, `whole-${victim}`, false).ended;
      if (end.code !== 0) throw new Error(`${victim} must end, got ${end.stderr}`);
      const milliseconds = performance.now() - start;
      kills.#unbroken.set(victim, { milliseconds, outcome: await kills.#outcome(victim, `whole-${victim}`) });
    }
    return kills;
  }

  /**
   * Kills a victim `times` times, each time when it has gone on from the kill before, and lets it end.
   * @returns what is wrong, which must be nothing.
   */
  async check(victim: Victim, times: number): Promise<string[]> {
    const name = `killed-${++this.#count}`;
    const { milliseconds, outcome } = this.#unbroken.get(victim)!;
    const wrong: string[] = [];
    for (let kill = 0; kill < times; kill++) {
      const program = this.#start(victim, name, await this.#isBegun(victim, name));
      const timer = setTimeout(() => program.child.kill("SIGKILL"), this.#random.uniform() * milliseconds);
      const { code, stderr } = await program.ended;
      clearTimeout(timer);
      if (code !== null && code !== 0) wrong.push(`${victim} ${name}, kill ${kill}: it must be killed or end, got ${code}: ${stderr}`);
    }
    const end = await this.#finish(victim, name);
    if (end.code !== 0) wrong.push(`${victim} ${name}: it must go on, got ${end.stderr}`);
    else {
      if (JSON.stringify(await this.#outcome(victim, name)) !== JSON.stringify(outcome))
        wrong.push(`${victim} ${name}: it must come to the same as an unbroken one`);
      const left = (await readdir(join(this.#work, name), { recursive: true })).filter((path) => /\.partial-|\.lock-/.test(path));
      if (left.length > 0) wrong.push(`${victim} ${name}: nothing must be left, got ${left.join(", ")}`);
    }
    await rm(join(this.#work, name), { recursive: true, force: true });
    return wrong;
  }

  async #finish(victim: Victim, name: string): Promise<ProgramEnd> {
    return this.#start(victim, name, await this.#isBegun(victim, name)).ended;
  }

  #start(victim: Victim, name: string, begun: boolean): ProgramProcess {
    const argv = {
      train: begun ? ["train", "--resume", name] : ["train", ...settings.split(" "), "--run", name],
      sweep: ["sweep", "grid.json", "--out", name, "--jobs", "1"],
      report: ["report", "whole-train", "--out", name],
    }[victim];
    return new ProgramProcess([...argv, "--json"], { cwd: this.#work });
  }

  async #isBegun(victim: Victim, name: string): Promise<boolean> {
    if (victim !== "train") return false;
    return (await readdir(join(this.#work, name)).catch((): string[] => [])).includes("config.json");
  }

  async #outcome(victim: Victim, name: string): Promise<unknown> {
    const path = join(this.#work, name);
    if (victim === "train") return resultsOf(path);
    if (victim === "sweep") return linesOf(path);
    return (await readdir(path)).sort();
  }
}
