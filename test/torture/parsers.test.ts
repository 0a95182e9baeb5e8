/**
 * A million hostile inputs for the parsers. `TORTURE_CASES` and `TORTURE_SEED` choose the cases. `TORTURE_FOLDER` keeps the progress and
 * the log, so that the cases go on after a stop.
 */

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runCases } from "./parsers/run-cases.ts";

const cases = Number(process.env.TORTURE_CASES ?? 1_000_000);
const seed = Number(process.env.TORTURE_SEED ?? 1);
const folder = process.env.TORTURE_FOLDER;

test(`${cases} hostile inputs are read, or refused by name, within their time and memory`, async () => {
  if (folder !== undefined) await mkdir(folder, { recursive: true });
  const kept = folder === undefined ? {} : { progress: join(folder, "parsers.json"), log: join(folder, "parsers.jsonl") };
  const result = await runCases({ seed, cases, ...kept });
  console.log(JSON.stringify({ ...result, findings: result.findings.length }, null, 2));
  expect(result.findings).toEqual([]);
});
