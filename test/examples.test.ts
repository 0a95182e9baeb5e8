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
  "02-graph.ts":
    /tanh +\[2,2\] +value 0\.635149 .*\n +∂L\/∂· +1\.270298 (.*\n)+.*against finite differences: \d\.\de-(9|1\d) first, \d\.\de-(8|9|1\d) second/,
  "03-scalar-engine.ts": /^(∂y\/∂[xwb]: forty lines (-?\d\.\d{12}), library \2\n){3}$/,
  "04-check-a-gradient.ts":
    /3·x²·ȳ: largest error of six derivatives \d\.\de-(9|1\d)\n2·x²·ȳ: checkGradients: gradients must match .*\nsecond derivatives: .* \d\.\de-(8|9|1\d)\n$/,
  "05-fit-a-line.ts": /descent: +(y = 1\.\d{4}·x \+ -0\.\d{4})\nleast squares: \1\n$/,
  "06-two-spirals.ts": /\n200 of 200 points are classified correctly\n([#.AB]{42}\n){21}$/,
  "07-einsum.ts": /einsum chose takes 131072\nthe gradient of ij,jk->ik is ik,jk->ij, apart by (\d\.\de-1\d|0\.0e\+0)\n$/,
  "08-convolution-by-hand.ts": /^y \[.*\]: largest difference \d+e-[67]\n(gradient of [xw] \[.*\]: largest difference \d+e-[67]\n){2}$/,
  "09-batch-norm.ts": /^(.*: equal to 12 digits\n){3}(.* true\n){2}$/,
  "10-tensor-train-layer.ts": /apply\(x\) is the equation, in 200 layers of 200/,
  "11-your-own-layer.ts": /50 of 50 layers keep every promise/,
  "12-decompose-a-matrix.ts": /four Kronecker products(?:.*\n){3} *Kronecker sum +parameters → error: +1024 → 0\.0000/,
  "13-train-a-cnn.ts": /epoch 4: training loss 0\.\d+, test accuracy (7|8|9)\d\.\d %/,
  "14-wide-resnet-in-15-lines.ts": /^13898 parameters, test accuracy [5-9]\d\.\d %\n$/,
  "15-your-own-images.ts":
    /160 images to train on, 40 to test on\nthe network of the file knows lying and standing: accuracy (7|8|9|10)\d\.\d %\n$/,
  "16-attention-transfer.ts":
    /student alone: .*\nstudent and teacher: .*\nattention apart, alone: \d\d\.\d+\nattention apart, taught: \d\.\d+\n$/,
  "17-compress-a-network.ts": /TensorTrain: \d+ parameters, error of the weights 0\.9\d+, accuracy \d+\.\d %, [89]\d\.\d % after an epoch/,
  "18-curvature.ts":
    /H·v, with and without H 850\.0+ {2}280\.0+ and 850\.0+ {2}280\.0+\n(?:step.*\n){6}minimum \d\.\de-20 at 1\.0+ {2}1\.0+\n/,
  "19-on-a-gpu.ts": /computing on cpu\n\d+ launches, \d+ uploads, 2 readbacks\nloss .*the same but for rounding/,
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
