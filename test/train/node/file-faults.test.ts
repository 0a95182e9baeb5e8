/** A few of the points at which a disk can fail while a run is written. `npm run test:torture` takes all of them. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Random } from "../../../src/core/random.ts";
import { FileFaults, faults, type Scenario, scenarios } from "../../torture/file-faults.ts";

let work = "";
let harness: FileFaults;
const changes = new Map<Scenario, number>();
beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), "separable-faults-"));
  harness = await FileFaults.prepare(work);
  for (const scenario of scenarios) changes.set(scenario, await harness.countChanges(scenario));
  // These are five runs, which take a minute where other programs keep the cores busy.
}, 300_000);
afterAll(() => rm(work, { recursive: true, force: true }));

test.each(scenarios.flatMap((scenario) => faults.map((fault) => ({ scenario, fault }))))(
  "$scenario: after $fault at any change, the run goes on and ends as without it",
  async ({ scenario, fault }) => {
    const random = new Random(scenarios.indexOf(scenario)).fork(faults.indexOf(fault));
    const n = 1 + Math.floor(random.uniform() * changes.get(scenario)!);
    expect(await harness.check(scenario, fault, n)).toEqual([]);
  },
);
