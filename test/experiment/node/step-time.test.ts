/** The times of steps: one number for each network, and nothing is left behind. */

import { afterAll, beforeAll, expect, test } from "vitest";
import { disposeBackend, initBackend, memory } from "../../../src/backend/active.ts";
import { stepTimes, type TimedNetwork } from "../../../src/experiment/node/step-time.ts";
import { parseConvolution } from "../../../src/structured/convolution-text.ts";

beforeAll(async () => {
  await initBackend(["wasm"], { threads: 1 });
});
afterAll(disposeBackend);

const networks = ["Conv", "Monarch_4"].map(
  (conv): TimedNetwork => ({ spec: { kind: "wrn", depth: 10, width: 1, convolution: parseConvolution(conv) }, classes: 3, size: 8 }),
);

test("every network has its turn in every round, and gives back what it takes", async () => {
  const before = memory().storages;
  const turns: unknown[] = [];
  const times = await stepTimes(networks, { images: 2, rounds: 2, onTurn: (done, total) => turns.push([done, total]) });
  expect(turns).toEqual([1, 2, 3, 4].map((done) => [done, 4]));
  expect(times).toHaveLength(2);
  for (const time of times) expect(time).toBeGreaterThan(0);
  expect(memory().storages).toBe(before);
});

test("an abort stops it between two turns", async () => {
  const stop = new AbortController();
  const times = stepTimes(networks, { images: 2, signal: stop.signal, onTurn: () => stop.abort(new Error("enough")) });
  await expect(times).rejects.toThrow("enough");
});
