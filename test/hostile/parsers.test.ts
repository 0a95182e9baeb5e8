/** The short form of `npm run test:torture` for parsers: as many hostile inputs as a few seconds allow, the same ones at every run. */

import { expect, test } from "vitest";
import { runCases } from "../torture/parsers/run-cases.ts";

test("2,000 hostile inputs are read, or refused by name, within their time and memory", async () => {
  const { findings, accepted, refused, cases } = await runCases({ seed: 12, cases: 2000 });
  expect(findings).toEqual([]);
  expect(accepted + refused).toBe(cases);
  // Damage that every parser refuses at its first check would test little.
  expect(Math.min(accepted, refused)).toBeGreaterThan(200);
});
