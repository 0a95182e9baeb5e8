/** Every numbered example runs as a reader would run it, prints what it promises, and stays short enough to read. */

import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";

const folder = fileURLToPath(new URL("../examples/", import.meta.url));
const programs = readdirSync(folder).filter((name) => /^\d\d-.*\.ts$/.test(name));

/** A line each must print when it did its work. */
const promises: Record<string, RegExp> = {
  "01-tensors.ts": /ShapeError: add: sizes must agree or be 1.*\[2,3\] and \[2\]/,
  "02-graph.ts": /largest error against finite differences: \d\.\de-(9|1\d) first, \d\.\de-(8|9|1\d) second/,
  "03-train-a-cnn.ts": /epoch 4: training loss 0\.\d+, test accuracy (7|8|9)\d\.\d %/,
};

describe("examples", () => {
  test("each numbered example has a promise here", () => expect(Object.keys(promises)).toEqual(programs));

  test.each(programs)("%s keeps its promise", async (name) => {
    const { stdout } = await promisify(execFile)(process.execPath, ["--import", "tsx", folder + name]);
    expect(stdout).toMatch(promises[name]!);
  });

  test.each(programs)("%s has fewer than 60 lines", (name) => {
    expect(
      readFileSync(folder + name, "utf8")
        .trimEnd()
        .split("\n").length,
    ).toBeLessThan(60);
  });
});
