/** Kills programs with SIGKILL at times that a seed decides, lets them go on, and compares what they come to with undisturbed ones. */

import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Random } from "../../src/core/random.ts";
import type { ProgramEnd, ProgramProcess } from "../cli/program-process.ts";
import { type Victim, type VictimName, Victims } from "./victims.ts";

export interface KillReport {
  /** How many processes were killed before the work was over. */
  readonly kills: number;
  /** What is wrong, which must be nothing. */
  readonly wrong: readonly string[];
}

/** A victim that was not killed. */
interface Undisturbed {
  /** Milliseconds from the start to the end, and from the beginning of the work to the end. */
  readonly whole: number;
  readonly work: number;
  /** As JSON. */
  readonly outcome: string;
}

export class Kills {
  readonly #work: string;
  readonly #random: Random;
  readonly #victims: Victims;
  readonly #known = new Map<VictimName, { readonly victim: Victim; readonly undisturbed: Undisturbed }>();
  #rounds = 0;

  /** @param work An empty folder. */
  constructor(work: string, random: Random) {
    this.#work = work;
    this.#random = random;
    this.#victims = new Victims(work);
  }

  close(): Promise<void> {
    return this.#victims.close();
  }

  /** Kills a victim `times` times, each time when it has gone on from the kill before, and lets it end. */
  async check(name: VictimName, times: number): Promise<KillReport> {
    const { victim, undisturbed } = await this.#prepared(name);
    const folder = `killed-${++this.#rounds}`;
    const wrong: string[] = [];
    const expectIt = (holds: boolean, what: string): void => void (holds || wrong.push(`${name} ${folder}: ${what}`));
    const other = await victim.beside?.(folder);
    let kills = 0;
    try {
      while (kills < times) {
        const program = await victim.start(folder);
        const killed = await this.#killSometime(program, other, victim, undisturbed);
        const { code, stderr } = await program.ended;
        expectIt(code === null || code === 0, `it must be killed or end, got ${code}: ${stderr}`);
        // The work is over, and the next kill belongs to another round.
        if (!killed) break;
        kills++;
      }
      const end = await this.#finish(victim, folder, other);
      expectIt(end.code === 0, `it must go on, got ${end.code}: ${end.stderr}`);
      if (end.code === 0) {
        expectIt(JSON.stringify(await victim.outcome(folder)) === undisturbed.outcome, "it must come to the same as an undisturbed one");
        const left = (await readdir(join(this.#work, folder), { recursive: true })).filter((path) => /\.partial-|\.lock-/.test(path));
        expectIt(left.length === 0, `nothing must be left, got ${left.join(", ")}`);
      }
    } finally {
      await other?.kill("SIGKILL");
    }
    await rm(join(this.#work, folder), { recursive: true, force: true });
    return { kills, wrong };
  }

  async #prepared(name: VictimName): Promise<{ victim: Victim; undisturbed: Undisturbed }> {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const victim = await this.#victims.prepare(name);
    const folder = `undisturbed-${name}`;
    const other = await victim.beside?.(folder);
    const start = performance.now();
    const program = await victim.start(folder);
    if (victim.begins !== undefined) await program.until(victim.begins);
    const begin = performance.now();
    const { code, stderr } = await (victim.endsWithOther ? other! : program).ended;
    const end = performance.now();
    for (const one of [program, other]) await one?.kill("SIGKILL");
    if (code !== 0) throw new Error(`${name} must end, got ${stderr}`);
    const outcome = JSON.stringify(await victim.outcome(folder));
    const prepared = { victim, undisturbed: { whole: end - start, work: end - begin, outcome } };
    this.#known.set(name, prepared);
    return prepared;
  }

  /**
   * Kills the program: in one case of four at any time, and otherwise while it works, because half of its time is the start of Node.
   * @returns whether it was killed before the work was over.
   */
  async #killSometime(
    program: ProgramProcess,
    other: ProgramProcess | undefined,
    { begins, endsWithOther }: Victim,
    { whole, work }: Undisturbed,
  ): Promise<boolean> {
    const [anyTime, share] = [this.#random.uniform() < 0.25, this.#random.uniform()];
    const over = endsWithOther ? other!.ended : program.ended;
    if (!anyTime && begins !== undefined) await Promise.race([program.until(begins).catch(() => undefined), over]);
    let timer: NodeJS.Timeout | undefined;
    const time = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(true), share * (anyTime || begins === undefined ? whole : work));
    });
    const killed = await Promise.race([time, over.then(() => false)]);
    clearTimeout(timer);
    program.child.kill("SIGKILL");
    return killed;
  }

  async #finish(victim: Victim, folder: string, other: ProgramProcess | undefined): Promise<ProgramEnd> {
    if (victim.endsWithOther && other!.child.exitCode !== null) return other!.ended;
    const program = await victim.start(folder);
    if (!victim.endsWithOther) return program.ended;
    const end = await other!.ended;
    await program.kill("SIGKILL");
    return end;
  }
}
