import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decode } from "fast-png";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { parseLayer } from "../../src/inspect/layer-name.ts";
import { frobenius } from "../../src/linalg/matrix.ts";
import { convolutionKinds, parseConvolution } from "../../src/structured/convolution-text.ts";
import { families } from "../../src/structured/families.ts";
import { jsonLines, runCli } from "./run-cli.ts";

let folder = "";
const start = process.cwd();
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "separable-inspect-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));
afterEach(() => process.chdir(start));

interface Report {
  readonly layer: string;
  readonly parameters: number;
  readonly denseParameters: number;
  readonly factors: readonly { readonly name: string; readonly shape: readonly number[]; readonly size: number }[];
  readonly cost: Record<"factorized" | "dense", { readonly multiplyAdds: number; readonly perCall: number } | null>;
  readonly auto: readonly { readonly columns: number; readonly path: "factorized" | "dense"; readonly reason: string }[];
  readonly contractionError: Record<"factorized" | "dense", number | null>;
  readonly reconstruction: { readonly itself: number; readonly random: number } | null;
  readonly singularValues: readonly number[];
  readonly rank: number;
  readonly picture: string | null;
}

async function inspect(...argv: string[]): Promise<Report> {
  const { code, stdout, stderr } = await runCli(["inspect", ...argv, "--json"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return jsonLines(stdout)[0] as unknown as Report;
}

async function expectError(argv: readonly string[], message: RegExp): Promise<void> {
  const { code, stderr, stdout } = await runCli(["inspect", ...argv]);
  expect(stderr).toMatch(message);
  expect(stderr).toMatch(/^separable: ConfigError: [^\n]+\n$/);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
}

const square = ["--in", "64", "--out", "64"];
const kebab = (kind: string): string => kind.replaceAll(/([a-z])([A-Z])/g, "$1-$2").toLowerCase();

/** Whether a family is fitted by a descent, or by alternating least squares, and not by a closed form. */
const descends = (kind: string): boolean => ["CP", "BLAST", "ACDC", "OriginalACDC", "PlainACDC"].includes(kind);

describe("inspect", () => {
  test.each(convolutionKinds)("%s by its name: parameters add up, paths agree, and its own matrix is found again", async (kind) => {
    const report = await inspect("--layer", kebab(kind), ...square, "--no-out-file");
    expect(report.layer.split("_")[0]).toBe(kind);
    expect(report.denseParameters).toBe(4096);
    expect(report.factors.reduce((sum, { size }) => sum + size, 0)).toBe(report.parameters);
    for (const error of Object.values(report.contractionError)) if (error !== null) expect(error).toBeLessThan(1e-12);
    expect(report.contractionError.dense).not.toBeNull();
    for (const { path } of report.auto) expect(report.cost[path]).not.toBeNull();
    expect(report.singularValues).toHaveLength(64);
    for (const [at, value] of report.singularValues.entries())
      if (at > 0) expect(value).toBeLessThanOrEqual(report.singularValues[at - 1]!);
    if (report.reconstruction === null) return;
    const { itself, random } = report.reconstruction;
    if (kind === "BLAST") {
      // The descent promises to be at least as near as the truncated SVD of its rank, which is the length of the last axis of U.
      const rank = report.factors.find(({ name }) => name === "U")!.shape.at(-1)!;
      expect(itself).toBeLessThanOrEqual(frobenius(report.singularValues.slice(rank)) / frobenius(report.singularValues));
    }
    // The descents end in local minima. The families with a closed form find their own matrices again, up to rounding.
    if (descends(kind)) expect(itself).toBeLessThan(random);
    else expect(itself).toBeLessThan(1e-13);
    expect(random).toBeLessThan(1);
  });

  test("of a low-rank map finds its rank", async () => {
    const { rank, parameters } = await inspect("--layer", "low-rank", "--in", "32", "--out", "48", "--scale", "0.125", "--no-out-file");
    expect({ rank, parameters }).toEqual({ rank: 6, parameters: 6 * (32 + 48) });
  });

  test("draws a picture, in the current folder unless told where", async () => {
    process.chdir(folder);
    const { stdout } = await runCli(["inspect", "--layer", "tensor-train", ...square]);
    expect(stdout).toMatch(/^TensorTrain_0\.5, 64 → 64 features, reference initialisation, seed 0, float64$/m);
    expect(stdout).toMatch(/^1,280 parameters, 31\.3 % of the dense 4,096$/m);
    expect(stdout).toMatch(/^ {2}weight_core_1 +\[8,16,8\] +1,024$/m);
    expect(stdout).toMatch(/^ {2}factorized +2,048 +0 +\d\.\de-1\d$/m);
    expect(stdout).toMatch(/^Singular values of W: .* rank 32 of 64$/m);
    expect(await readdir(folder)).toEqual(["TensorTrain_0.5-64-64.png"]);
    expect(decode(await readFile(join(folder, "TensorTrain_0.5-64-64.png"))).width).toBeGreaterThan(448);
    const { picture } = await inspect("--conv", "Monarch_4", ...square, "--out-file", join(folder, "m.png"));
    expect(picture).toBe(join(folder, "m.png"));
    expect((await readdir(folder)).sort()).toEqual(["TensorTrain_0.5-64-64.png", "m.png"]);
  });

  test("is decided by its seed and initialisation", async () => {
    const values = async (...argv: string[]): Promise<readonly number[]> =>
      (await inspect("--layer", "tucker", "--in", "16", "--out", "16", "--no-out-file", ...argv)).singularValues;
    expect(await values()).toEqual(await values("--seed", "0", "--init", "reference"));
    expect(await values("--seed", "1")).not.toEqual(await values());
    expect(await values("--init", "spectral")).not.toEqual(await values());
  });

  test("in float32 on wasm agrees with float64 to seven digits", async () => {
    const of = (backend: string): Promise<Report> => inspect("--layer", "monarch", ...square, "--no-out-file", "--backend", backend);
    const [single, double] = [await of("wasm"), await of("reference")];
    for (const [at, value] of double.singularValues.entries())
      expect(Math.abs(single.singularValues[at]! - value)).toBeLessThan(1e-6 * double.singularValues[0]!);
    expect(single.contractionError.factorized!).toBeLessThan(1e-5);
  });

  test("fails in one line", async () => {
    await expectError(
      ["--layer", "tensor-trian", ...square],
      /inspect: --layer must be one of conv, .* tensor-train, .*got "tensor-trian"/,
    );
    await expectError(["--layer", "tensor-train", "--in", "0", "--out", "64"], /inspect: --in must be an integer in \[1, 4096\], got "0"/);
    await expectError(["--layer", "tensor-train", "--in", "64"], /inspect: a new layer needs --in and --out, got 64 and no --out/);
    await expectError(square, /inspect: needs either --layer or --conv, got neither/);
    await expectError(["--layer", "acdc", "--conv", "Sep", ...square], /inspect: needs either --layer or --conv, got both/);
    await expectError(
      ["--layer", "tensor-train", "--rank", "3", ...square],
      /inspect: tensor-train takes --scale, got --rank; leave it out/,
    );
    await expectError(["--layer", "butterfly", "--rank", "3", ...square], /inspect: butterfly has no hyper-parameters, got --rank/);
    await expectError(["--layer", "shuffle", "--groups", "1.5", ...square], /convolution: takes Shuffle as Shuffle_<groups>/);
    await expectError(
      ["--layer", "acdc", "--init", "spectral", ...square],
      /ACDC: init must not be spectral, as this family has no quick best approximation/,
    );
    await expectError(["--layer", "lr", "--in", "64", "--out", "32"], /LR: the outputs must be a multiple of the inputs/);
    await expectError(["--layer", "TensorTrain_x", ...square], /convolution: takes TensorTrain as TensorTrain_<scale>/);
  });
});

test("every kind has a name and usual hyper-parameters", () => {
  for (const { kind } of families) expect(parseLayer(kebab(kind)).kind).toBe(kind);
});

test("a kind as `--conv` writes it, without its numbers, has the usual hyper-parameters where it needs numbers", () => {
  for (const { kind, parameters } of families)
    expect(parseLayer(kind)).toEqual(
      parameters.some((parameter) => parameter.default === undefined) ? parseLayer(kebab(kind)) : parseConvolution(kind),
    );
});
