/** A SIGKILL to each program, at a time that a seed decides. `npm run test:torture` sends two hundred. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Random } from "../../src/core/random.ts";
import { Kills } from "../torture/kills.ts";
import { needsRedis, victimNames } from "../torture/victims.ts";
import { redisAvailable } from "./redis-server.ts";

let work = "";
let kills: Kills;
beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), "separable-kills-"));
  kills = new Kills(work, new Random(1));
});
afterAll(async () => {
  await kills.close();
  await rm(work, { recursive: true, force: true });
});

test.each(victimNames.filter((name) => redisAvailable || !needsRedis(name)))(
  "%s, killed at any time, goes on and comes to the same, and leaves nothing",
  async (name) => {
    expect((await kills.check(name, 1)).wrong).toEqual([]);
  },
);
