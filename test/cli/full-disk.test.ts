/** A disk that fills up while a run is written. What was saved last stays, and the run can be resumed from it. */

import type * as fs from "node:fs/promises";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { resultsOf, runCli, tinyRun } from "./run-cli.ts";

/** The number of writes that still succeed. */
let room = Infinity;

vi.mock("node:fs/promises", async (original) => {
  const real = await original<typeof fs>();
  return {
    ...real,
    open: async (path: string, flags: string) => {
      const file = await real.open(path, flags);
      const { writeFile } = file;
      file.writeFile = async (content) => {
        if (room-- > 0) return writeFile.call(file, content);
        await writeFile.call(file, content.slice(0, 100) as string);
        throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
      };
      return file;
    },
  };
});

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "separable-cli-"));
  await runCli([...tinyRun, "--run", join(folder, "whole")]);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

// The files are written in this order: the first checkpoint; after each of two epochs best (if it is better), metrics and checkpoint.
test.each([0, 1, 2, 3, 4])("a disk that is full after %i files", async (writes) => {
  const run = join(folder, `full-${writes}`);
  room = writes;
  const { code, stderr } = await runCli([...tinyRun, "--run", run]);
  room = Infinity;
  expect(code).toBe(1);
  expect(stderr.replaceAll(/^note: .*\n/gm, "")).toMatch(
    /^separable: DataError: write: \S+ must be writable, got ENOSPC for \S+; free some room on that disk\. What was saved before is untouched[^\n]*\n$/,
  );
  // A run without a first checkpoint is removed.
  if (writes === 0) return expect(await readdir(folder)).not.toContain("full-0");
  expect((await readdir(run)).filter((name) => name.includes("partial"))).toEqual([]);
  expect((await runCli(["train", "--resume", run, "--no-progress"])).code).toBe(0);
  expect(await resultsOf(run)).toEqual(await resultsOf(join(folder, "whole")));
});
