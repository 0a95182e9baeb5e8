/** A disk that fills up while a run is written. What was saved last stays, and the run can be resumed from it. */

import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { interceptEffects } from "../../src/core/node/files.ts";
import { resultsOf, runCli, tinyRun } from "./run-cli.ts";

/** The number of writes that still succeed. */
let room = Infinity;

let restore = (): void => {};
let folder = "";
beforeAll(async () => {
  restore = interceptEffects(async (effect, perform) => {
    // The small files of locks, and the lines that they get, fit on a full disk. A later test lets every change fail.
    if (effect.kind !== "write" || effect.path.includes(".lock-") || room-- > 0) return perform();
    await perform(effect.content.subarray(0, 100));
    throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
  });
  folder = await mkdtemp(join(tmpdir(), "separable-cli-"));
  await runCli([...tinyRun, "--run", join(folder, "whole")]);
});
afterAll(async () => {
  restore();
  await rm(folder, { recursive: true, force: true });
});

// The files are written in this order: the configuration and the first checkpoint; after each of two epochs best twice and its evaluation,
// if it is better, metrics and checkpoint.
test.each([0, 1, 2, 3, 4, 5, 6, 7])("a disk that is full after %i files", async (writes) => {
  const run = join(folder, `full-${writes}`);
  room = writes;
  const { code, stderr } = await runCli([...tinyRun, "--run", run]);
  room = Infinity;
  expect(code).toBe(1);
  expect(stderr.replaceAll(/^note: .*\n/gm, "")).toMatch(
    /^separable: DataError: write: \S+ must be writable, got ENOSPC for \S+; free some room on that disk\. What was saved before is untouched[^\n]*\n$/,
  );
  // A run without a first checkpoint is removed.
  if (writes < 2) return expect(await readdir(folder)).not.toContain(`full-${writes}`);
  expect((await readdir(run)).filter((name) => name.includes("partial"))).toEqual([]);
  expect((await runCli(["train", "--resume", run, "--no-progress"])).code).toBe(0);
  expect(await resultsOf(run)).toEqual(await resultsOf(join(folder, "whole")));
});
