/** A sweep over several machines, of which one is cut off while it trains. Shared by the short test and the long one. */

import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import type { RunOptions } from "../../src/experiment/node/sweep/sweep-run.ts";
import { createCertificates, createNetwork } from "./network-machines.ts";
import { ProgramProcess } from "./program-process.ts";
import { startRedis } from "./redis-server.ts";
import { jsonLines } from "./run-cli.ts";

const password = "correct-horse";

export interface NetworkSweep {
  readonly settings: RunOptions;
  readonly seeds: readonly number[];
  /** Whether the workers see the folder of the sweep. Otherwise each has a folder of its own, and a run that moves begins anew. */
  readonly shared: boolean;
  /** How often a worker is cut off in the midst of a run. The workers take turns. */
  readonly cuts: number;
}

/**
 * Runs the sweep, and checks that every run has one line and that no line came from a worker that was cut off at that time.
 * @returns the lines without their times and places.
 */
export async function sweepOverNetwork({ settings, seeds, shared, cuts }: NetworkSweep): Promise<unknown[]> {
  const folder = await mkdtemp(join(tmpdir(), "separable-network-"));
  const network = createNetwork(3);
  const programs: ProgramProcess[] = [];
  let redis: Awaited<ReturnType<typeof startRedis>> | undefined;
  try {
    const [server, ...hosts] = network.machines;
    const { ca, options } = createCertificates(folder, server!.address);
    // The password stands in a file, because a command line shows it.
    const config = join(folder, "redis.conf");
    await writeFile(config, `requirepass ${password}\n`);
    redis = await startRedis(folder, options, { ...server!, config, tls: true });
    const env = { ...process.env, REDIS_URL: redis.url, REDIS_PASSWORD: password };
    const start = (prefix: readonly string[], ...argv: string[]): ProgramProcess => {
      const program = new ProgramProcess([...argv, "--redis-ca", ca, "--json"], { cwd: folder, env, prefix });
      programs.push(program);
      return program;
    };
    const out = join(folder, "grid");
    await mkdir(out);
    // On a machine that does not share the folder, the path leads to an empty disk.
    const hidden = ["sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', out];
    const work = async (i: number): Promise<ProgramProcess> => {
      const prefix = [...hosts[i]!.prefix, ...(shared ? [] : hidden)];
      const own = join(folder, `machine${i}`);
      const worker = start(prefix, "sweep-worker", "--jobs", "1", "--threads", "1", "--silence", "2", "--out", own);
      await worker.until("ready");
      return worker;
    };
    await writeFile(join(folder, "grid.json"), JSON.stringify({ settings, seeds }));
    // The option stands last, so that its argument, which comes from the environment, is not taken from what follows.
    const coordinator = start(server!.prefix, "sweep", "grid.json", "--out", out, "--redis");
    const workers = [await work(0), await work(1)];
    for (let cut = 0; cut < cuts; cut++) {
      const i = cut % 2;
      const worker = workers[i]!;
      const ended = new Set(worker.idsOf("run-end"));
      const begun = await worker.until("epoch", ({ id }) => !ended.has(id!));
      hosts[i]!.cut();
      await worker.until("run-back", ({ id }) => id === begun.id);
      // The other worker has the run before the cable is mended.
      await workers[1 - i]!.until("run-begin", ({ id }) => id === begun.id);
      hosts[i]!.mend();
    }
    expect((await coordinator.ended).code).toBe(0);
    const results = jsonLines(await readFile(join(folder, "grid", "results.jsonl"), "utf8"));
    expect(results.map(({ seed }) => seed).sort()).toEqual([...seeds].sort());
    expect(workers.flatMap((worker) => worker.idsOf("run-end")).sort()).toEqual(results.map(({ id }) => id).sort());
    expect(coordinator.idsOf("run-end").sort()).toEqual(results.map(({ id }) => id).sort());
    for (const program of programs) expect(JSON.stringify([program.child.spawnargs, program.events])).not.toContain(password);
    return results.map(({ seconds: _, run: __, ...numbers }) => numbers).sort((a, b) => Number(a.seed) - Number(b.seed));
  } finally {
    for (const { child } of programs) child.kill("SIGKILL");
    await Promise.all(programs.map(({ ended }) => ended));
    await redis?.stop();
    network.close();
    await rm(folder, { recursive: true, force: true });
  }
}
