/** `inspect --checkpoint`: the layers of a trained network. */

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decodeSafetensors } from "../../src/train/safetensors.ts";
import { jsonLines, runCli } from "../cli/run-cli.ts";

let folder = "";
let run = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "separable-trained-"));
  run = join(folder, "run");
  const sizes = ["--limit-train", "32", "--limit-test", "10", "--batch-size", "16", "--epochs", "1"];
  const { code, stderr } = await runCli([
    "train",
    "--data",
    "synthetic",
    "--conv",
    "TensorTrain_0.5",
    ...sizes,
    "--run",
    run,
    "--no-progress",
  ]);
  expect({ code, stderr }).toMatchObject({ code: 0 });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const inspect = (...argv: string[]): ReturnType<typeof runCli> => runCli(["inspect", "--checkpoint", run, ...argv]);

/** Values of the checkpoint that did best, by state name. */
async function trained(): Promise<ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: ArrayLike<number> }>> {
  const { tensors } = decodeSafetensors(await readFile(join(run, "best.safetensors")), run);
  return tensors as never;
}

test("without a layer it lists the layers", async () => {
  const { stdout, code } = await inspect("--json");
  expect(code).toBe(0);
  const [{ layers }] = jsonLines(stdout) as unknown as [{ layers: { name: string; parameters: number }[] }];
  expect(layers.map(({ name }) => name)).toEqual(
    expect.arrayContaining(["conv1", "block1.0.layer.0.conv1", "block1.0.layer.0.conv1.grouped", "fc"]),
  );
  expect(layers.find(({ name }) => name === "fc")!.parameters).toBe(64 * 10 + 10);
});

describe("a structured layer", () => {
  test("has the factors of the checkpoint, and its spectrum is that of their product", async () => {
    const picture = join(folder, "layer.svg");
    const { stdout, stderr, code } = await inspect("--layer", "block3.0.layer.0.conv2", "--json", "--out-file", picture);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const report = jsonLines(stdout)[0] as unknown as {
      factors: { name: string; shape: number[] }[];
      singularValues: number[];
      in: number;
      out: number;
    };
    const values = await trained();
    const prefix = [...values.keys()].find((name) => name.endsWith("block3.0.layer.0.conv2.weight_core_0"))!.replace("weight_core_0", "");
    const cores = [0, 1, 2].map((k) => values.get(`${prefix}weight_core_${k}`)!);
    expect(report.factors.map(({ shape }) => shape)).toEqual(cores.map(({ shape }) => shape));
    // ‖W‖² by the train's own contraction over its modes is the sum of the squared singular values.
    const [g1, g2, g3] = cores as [(typeof cores)[0], (typeof cores)[0], (typeof cores)[0]];
    const [[, d1, r1], [, d2, r2], [, d3]] = [g1.shape, g2.shape, g3.shape] as unknown as number[][] as [number[], number[], number[]];
    let norm = 0;
    for (let a = 0; a < d1!; a++)
      for (let b = 0; b < d2!; b++)
        for (let c = 0; c < d3!; c++) {
          let entry = 0;
          for (let i = 0; i < r1!; i++)
            for (let k = 0; k < r2!; k++) entry += g1.data[a * r1! + i]! * g2.data[(i * d2! + b) * r2! + k]! * g3.data[k * d3! + c]!;
          norm += entry ** 2;
        }
    const squares = report.singularValues.reduce((total, value) => total + value ** 2, 0);
    expect(squares / norm).toBeCloseTo(1, 4);
    const svg = await readFile(picture, "utf8");
    expect(svg).toContain("block3.0.layer.0.conv2 of run: TensorTrain_0.5, 64 → 64 features, trained");
    expect(svg).toContain(">weight_core_1  [");
  });

  test("is described as a new one is", async () => {
    const { stdout, code } = await inspect("--layer", "block1.0.layer.0.conv1", "--no-out-file");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^block1\.0\.layer\.0\.conv1 of run: TensorTrain_0\.5, 16 → 16 features, trained$/m);
    expect(stdout).toMatch(/^ {2}factorized +/m);
    expect(stdout).toMatch(/^Singular values of W: /m);
  });
});

test("a dense convolution is its kernel, one row for each output", async () => {
  const { stdout } = await inspect("--layer", "conv1", "--json", "--no-out-file");
  expect(jsonLines(stdout)[0]).toMatchObject({ in: 27, out: 16, parameters: 432, auto: [], reconstruction: null });
});

test("an unknown layer, sizes and file types are refused with what to do", async () => {
  const error = async (...argv: string[]): Promise<string> => (await inspect(...argv)).stderr;
  expect(await error("--layer", "conv9")).toMatch(
    /--layer must be a layer of the network, such as conv1, got "conv9"; leave --layer out for a list/,
  );
  expect(await error("--layer", "conv1", "--in", "3")).toMatch(
    /sizes of a trained layer are those of its checkpoint, got --in; leave them out/,
  );
  expect(await error("--layer", "conv1", "--out-file", "picture.gif")).toMatch(/--out-file must end in \.png or \.svg/);
});
