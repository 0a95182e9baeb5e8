/** Two hundred SIGKILLs over training with its checkpoints, a sweep, and a report, at times that the seed decides. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Random } from "../../src/core/random.ts";
import { Kills, type Victim } from "./kills.ts";

const seed = Number(process.env.SEED ?? 1);

let work = "";
let kills: Kills;
beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), "separable-kills-"));
  kills = await Kills.prepare(work, new Random(seed));
});
afterAll(() => rm(work, { recursive: true, force: true }));

test.each<[Victim, rounds: number, kills: number]>([
  ["train", 40, 3],
  ["sweep", 15, 4],
  ["report", 10, 2],
])("%s: %i rounds of %i kills", async (victim, rounds, times) => {
  const wrong: string[] = [];
  for (let round = 0; round < rounds; round++) wrong.push(...(await kills.check(victim, times)));
  console.log(`${victim}: ${rounds * times} kills, ${wrong.length} wrong (SEED=${seed})`);
  expect(wrong).toEqual([]);
});
