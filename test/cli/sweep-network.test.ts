/** Two workers on machines of their own, a Redis with TLS and a password, and a cable that is pulled in the midst of a run. */

import { expect, test } from "vitest";
import { networkRefusal } from "./network-machines.ts";
import { sweepOverNetwork } from "./network-sweep.ts";
import { redisAvailable } from "./redis-server.ts";

const refusal = redisAvailable ? networkRefusal() : "no redis-server; install it (Debian: apt-get install redis-server)";
if (refusal !== undefined) console.warn(`The test of several machines is skipped: ${refusal}`);
const reason = refusal === undefined ? "" : ` (skipped: ${refusal})`;

test.skipIf(refusal !== undefined)(`the run of a machine that is cut off ends once, on another machine${reason}`, async () => {
  const settings = { data: "synthetic", limitTrain: 40, limitTest: 16, batchSize: 8, epochs: 3, dropout: 0.1 } as const;
  expect(await sweepOverNetwork({ settings, seeds: [0, 1], shared: false, cuts: 1 })).toHaveLength(2);
});
