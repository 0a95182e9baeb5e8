/** Sweeps over machines whose cables are pulled again and again: every run ends once, with the numbers of an undisturbed sweep. */

import { describe, expect, test } from "vitest";
import { networkRefusal } from "../cli/network-machines.ts";
import { sweepOverNetwork } from "../cli/network-sweep.ts";
import { redisAvailable } from "../cli/redis-server.ts";

const settings = { data: "synthetic", limitTrain: 400, limitTest: 16, batchSize: 8, epochs: 4, dropout: 0.1 } as const;
const seeds = [0, 1, 2, 3];
const refusal = redisAvailable ? networkRefusal() : "no redis-server; install it (Debian: apt-get install redis-server)";

describe.skipIf(refusal !== undefined)(`machines that are cut off in turn${refusal === undefined ? "" : ` (skipped: ${refusal})`}`, () => {
  test.each([true, false])("with a shared folder: %s", async (shared) => {
    const undisturbed = await sweepOverNetwork({ settings, seeds, shared, cuts: 0 });
    expect(await sweepOverNetwork({ settings, seeds, shared, cuts: 3 })).toEqual(undisturbed);
  });
});
