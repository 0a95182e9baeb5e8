/** A few SIGKILLs at times that a seed decides. `npm run test:torture` sends two hundred. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Random } from "../../src/core/random.ts";
import { Kills, victims } from "../torture/kills.ts";

let work = "";
let kills: Kills;
beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), "separable-kills-"));
  kills = await Kills.prepare(work, new Random(1));
});
afterAll(() => rm(work, { recursive: true, force: true }));

test.each(victims)("%s, killed at any time, goes on and comes to the same, and leaves nothing", async (victim) => {
  expect(await kills.check(victim, 1)).toEqual([]);
});
