/** Every numbered example runs as a reader runs it, prints the line expected of it, and has fewer than 60 lines. */

import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";

const folder = fileURLToPath(new URL("../examples/", import.meta.url));
const programs = readdirSync(folder).filter((name) => /^\d\d-.*\.ts$/.test(name));

/** What each example prints when it works. */
const expectedOutput: Record<string, RegExp> = {
  "01-tensors.ts": /ShapeError: add: sizes must agree or be 1.*\[2,3\] and \[2\]/,
  "02-graph.ts": /largest error against finite differences: \d\.\de-(9|1\d) first, \d\.\de-(8|9|1\d) second/,
  "03-train-a-cnn.ts": /epoch 4: training loss 0\.\d+, test accuracy (7|8|9)\d\.\d %/,
  "04-structured-layer.ts": /apply\(x\) is the equation, in 200 layers of 200/,
  "05-your-own-layer.ts": /50 of 50 layers keep every promise/,
  "06-decompose-a-matrix.ts": /four Kronecker products(?:.*\n){3} *Kronecker sum +parameters → error: +1024 → 0\.0000/,
  "07-compress-a-network.ts": /TensorTrain: \d+ parameters, error of the weights 0\.9\d+, accuracy \d+\.\d %, [89]\d\.\d % after an epoch/,
  "08-on-a-gpu.ts": /computing on cpu\n\d+ launches, \d+ uploads, 2 readbacks\nloss .*the same but for rounding/,
  "09-curvature.ts":
    /H·v, with and without H 850\.0+ {2}280\.0+ and 850\.0+ {2}280\.0+\n(?:step.*\n){6}minimum \d\.\de-20 at 1\.0+ {2}1\.0+\n/,
};

describe("examples", () => {
  test("each numbered example has an expected output here", () => expect(Object.keys(expectedOutput)).toEqual(programs));

  test.each(programs)("%s prints its expected output", async (name) => {
    const { stdout } = await promisify(execFile)(process.execPath, ["--import", "tsx", folder + name]);
    expect(stdout).toMatch(expectedOutput[name]!);
  });

  test.each(programs)("%s has fewer than 60 lines", (name) => {
    expect(
      readFileSync(folder + name, "utf8")
        .trimEnd()
        .split("\n").length,
    ).toBeLessThan(60);
  });
});
