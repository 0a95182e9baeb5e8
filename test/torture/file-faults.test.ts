/** Every change of the disk that a short run makes fails in every way, one after another. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FileFaults, faults, scenarios } from "./file-faults.ts";

let work = "";
let harness: FileFaults;
beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), "separable-faults-"));
  harness = await FileFaults.prepare(work);
});
afterAll(() => rm(work, { recursive: true, force: true }));

test.each(scenarios.flatMap((scenario) => faults.map((fault) => ({ scenario, fault }))))(
  "$scenario: $fault at every change",
  async ({ scenario, fault }) => {
    const changes = await harness.countChanges(scenario);
    const wrong: string[] = [];
    for (let n = 1; n <= changes; n++) {
      const found = await harness.check(scenario, fault, n);
      for (const sentence of found) console.log(sentence);
      wrong.push(...found);
    }
    console.log(`${scenario}, ${fault}: ${changes} points of failure, ${wrong.length} wrong`);
    expect(wrong).toEqual([]);
  },
);
