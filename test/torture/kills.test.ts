/** Two hundred SIGKILLs over training with its checkpoints, sweeps, reports, downloads, and both sides of a queue. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Random } from "../../src/core/random.ts";
import { redisAvailable } from "../cli/redis-server.ts";
import { Kills } from "./kills.ts";
import { needsRedis, type VictimName } from "./victims.ts";

const seed = Number(process.env.SEED ?? 1);

let work = "";
let kills: Kills;
beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), "separable-kills-"));
  kills = new Kills(work, new Random(seed));
});
afterAll(async () => {
  await kills.close();
  await rm(work, { recursive: true, force: true });
});

const plan: readonly [VictimName, total: number, inOneRound: number][] = [
  ["train", 60, 3],
  ["sweep", 40, 4],
  ["report", 20, 2],
  ["download", 40, 4],
  ["worker", 20, 3],
  ["coordinator", 20, 3],
];

test.each(plan.filter(([name]) => redisAvailable || !needsRedis(name)))(
  "%s: %i kills, up to %i in a round",
  async (name, total, inOneRound) => {
    const wrong: string[] = [];
    let [done, rounds] = [0, 0];
    for (; done < total; rounds++) {
      const report = await kills.check(name, Math.min(inOneRound, total - done));
      done += report.kills;
      for (const sentence of report.wrong) console.log(sentence);
      wrong.push(...report.wrong);
    }
    console.log(`${name}: ${done} kills in ${rounds} rounds, ${wrong.length} wrong (SEED=${seed})`);
    expect(wrong).toEqual([]);
  },
);
