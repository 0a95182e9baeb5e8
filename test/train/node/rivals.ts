/**
 * Processes that want the same lock at the same time, over and over, and leave stale locks. Each process proves by a file of its own making
 * that it was alone: it creates the file with the flag that fails when the file exists, and removes it before it releases the lock.
 */

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { Random } from "../../../src/core/random.ts";
import { deadName } from "../../core/node/dead-name.ts";

export interface RivalsOptions {
  readonly rounds: number;
  readonly seed: number;
  /** Called after each round. */
  readonly onRound?: (report: RivalsReport) => void;
}

export interface RivalsReport {
  /** How often the lock was taken. */
  readonly taken: number;
  /** How often a process found another one inside. */
  readonly overlaps: number;
  /** How many processes ended while they had the lock. */
  readonly killed: number;
  /** Names that were left in the folders, apart from the locks of killed processes. */
  readonly left: readonly string[];
}

const processes = 4;

const lock = fileURLToPath(new URL("../../../src/train/node/folder-lock.ts", import.meta.url));

/** The program of a rival. */
const contents = `
import { lockFolder } from ${JSON.stringify(lock)};
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
const turn = () => new Promise((resolve) => setImmediate(resolve));
const pause = () => new Promise((resolve) => setTimeout(resolve, 2 * Math.random()));
process.on("message", async ({ folder, turns, dies }) => {
  for (let tries = 0; ; tries++) {
    let unlock;
    try {
      unlock = await lockFolder(folder);
    } catch (error) {
      if (!/is being written by/.test(error.message)) { process.send({ error: String(error.stack) }); return; }
      await pause();
      continue;
    }
    const inside = join(folder, "inside");
    const alone = await open(inside, "wx").then((file) => file.close().then(() => true), () => false);
    for (let i = 0; i < turns; i++) await turn();
    if (alone) await rm(inside, { force: true });
    if (dies) process.kill(process.pid, "SIGKILL");
    await unlock();
    process.send({ alone });
    return;
  }
});
process.send({ ready: true });
`;

/** Lets four processes take the lock of a folder once each, for so many folders. */
export async function letRivalsRun({ rounds, seed, onRound }: RivalsOptions): Promise<RivalsReport> {
  const work = await mkdtemp(join(tmpdir(), "separable-rivals-"));
  const program = join(work, "rival.mjs");
  await build({ stdin: { contents, resolveDir: work }, outfile: program, bundle: true, platform: "node", format: "esm" });
  const random = new Random(seed);
  const below = (n: number): number => Math.floor(random.uniform() * n);
  const start = async (): Promise<ChildProcess> => {
    const started = fork(program, { stdio: "inherit", execArgv: [] });
    await once(started, "message");
    return started;
  };
  const rivals = await Promise.all(Array.from({ length: processes }, start));
  let [taken, overlaps, killed] = [0, 0, 0];
  const left = new Set<string>();
  const report = (): RivalsReport => ({ taken, overlaps, killed, left: [...left] });
  try {
    for (let round = 0; round < rounds; round++) {
      const folder = await mkdtemp(join(work, "round-"));
      await writeFile(join(folder, deadName(".lock-")), "{}");
      // In one round of a hundred, a process is killed while it has the lock.
      const victim = below(100) === 0 ? below(processes) : undefined;
      const answers = rivals.map(async (rival, index) => {
        const answer = once(rival, index === victim ? "exit" : "message");
        rival.send({ folder, turns: below(4), dies: index === victim });
        const [said] = (await answer) as [{ alone?: boolean; error?: string } | null];
        if (said?.error !== undefined) throw new Error(said.error);
        return said?.alone;
      });
      for (const [index, alone] of (await Promise.all(answers)).entries()) {
        taken++;
        if (alone === false) overlaps++;
        if (index !== victim) continue;
        killed++;
        rivals[index] = await start();
      }
      for (const entry of await readdir(folder)) if (victim === undefined) left.add(entry);
      await rm(folder, { recursive: true });
      onRound?.(report());
    }
  } finally {
    for (const rival of rivals) rival.kill();
    await rm(work, { recursive: true, force: true });
  }
  return report();
}
