/** Every differentiable export of src/ops against central differences, in float64 on the reference backend. */

import { readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { onReferenceBackend } from "../support/reference-backend.ts";
import { gradientTable, withoutGradient } from "./gradient-table.ts";

onReferenceBackend();

const folder = new URL("../../src/ops/", import.meta.url);

test("every function that src/ops exports has a row, or a reason to have none", async () => {
  const names: string[] = [];
  for (const file of readdirSync(folder)) {
    const exports = (await import(new URL(file, folder).href)) as Record<string, unknown>;
    for (const [name, value] of Object.entries(exports))
      if (typeof value === "function") names.push(`${file.replace(/\.ts$/, "")}/${name}`);
  }
  expect(names.sort()).toEqual([...Object.keys(gradientTable), ...Object.keys(withoutGradient)].sort());
});

describe.each(Object.entries(gradientTable))("%s", (_, row) => {
  test("first derivatives", () => row.first(40));
  test("second derivatives", () => row.second(12));
  test("derivatives along a direction", () => row.along(12));
});
