import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CompressedLayer } from "../../src/compress/compress.ts";
import { decodeSafetensors, encodeSafetensors } from "../../src/train/safetensors.ts";
import { jsonLines, positionOf, runCli, tinyRun } from "./run-cli.ts";

let folder = "";
const at = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "separable-compress-"));
  await runCli([...tinyRun, "--run", at("dense")]);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const compress = ["compress", "--threads", "1", "--no-progress", "--no-evaluate"];
const withoutNotes = (text: string): string => text.replaceAll(/^note: .*\n/gm, "");

interface Report {
  readonly parametersBefore: number;
  readonly parametersAfter: number;
  readonly relativeError: number;
  readonly layers: readonly CompressedLayer[];
  readonly before: { readonly accuracy: number; readonly loss: number };
  readonly after: { readonly accuracy: number; readonly loss: number };
  readonly tuned?: { readonly accuracy: number; readonly loss: number };
  readonly run: string | null;
  readonly warning: string | null;
}

/** Options after these overwrite them, so that a test can give --evaluate. */
async function compressTo(out: string, conv: string, ...more: string[]): Promise<Report> {
  const { code, stdout, stderr } = await runCli([
    ...compress,
    "--checkpoint",
    at("dense"),
    "--conv",
    conv,
    "--out",
    out,
    "--json",
    ...more,
  ]);
  expect({ code, stderr: withoutNotes(stderr) }).toEqual({ code: 0, stderr: "" });
  expect(jsonLines(stdout)).toHaveLength(1);
  return jsonLines(stdout)[0] as unknown as Report;
}

const evaluated = async (...argv: string[]): Promise<Record<string, unknown>> =>
  jsonLines((await runCli(["eval", "--threads", "1", "--no-progress", "--json", ...argv])).stdout)[0]!;

async function expectError(argv: readonly string[], message: RegExp): Promise<void> {
  const before = await readdir(folder);
  const { code, stderr, stdout } = await runCli(argv);
  expect(withoutNotes(stderr)).toMatch(message);
  expect(withoutNotes(stderr)).toMatch(/^separable: [A-Z]\w+Error: [^\n]+\n$/);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(await readdir(folder)).toEqual(before);
}

describe("compress", () => {
  test("writes a run that eval agrees with, and reports sums that match its rows", async () => {
    const report = await compressTo(at("generic"), "Generic_0.5", "--evaluate");
    expect(await readdir(at("generic"))).toEqual(["checkpoint.safetensors", "config.json"]);
    expect(await evaluated("--run", at("generic"))).toMatchObject({ network: "wrn-10-1-Generic_0.5", ...report.after, count: 6 });
    expect(await evaluated("--run", at("dense"))).toMatchObject({ network: "wrn-10-1-Conv", ...report.before });
    expect(report.layers).toHaveLength(6);
    const saved = report.layers.reduce((sum, { parametersBefore, parametersAfter }) => sum + parametersBefore - parametersAfter, 0);
    expect(report.parametersBefore - report.parametersAfter).toBe(saved);
    expect(report.parametersBefore).toBe(77_850);
  });

  test("writes a run that train --resume trains from its first step", async () => {
    await compressTo(at("sep"), "Sep", "--epochs", "1");
    expect(await positionOf(at("sep"))).toEqual({ epoch: 0, step: 0 });
    const { code, stderr } = await runCli(["train", "--resume", at("sep"), "--no-progress"]);
    expect({ code, stderr: withoutNotes(stderr) }).toEqual({ code: 0, stderr: "" });
    expect(await positionOf(at("sep"))).toEqual({ epoch: 1, step: 0 });
  });

  test("to Conv changes nothing", async () => {
    const { before, after, relativeError } = await compressTo(at("conv"), "Conv", "--evaluate");
    expect(relativeError).toBe(0);
    expect(after).toEqual(before);
  });

  test("reads the run from its first argument, and from the older options", async () => {
    const reportOf = async (...run: string[]): Promise<Record<string, unknown>> =>
      jsonLines((await runCli([...compress, ...run, "--conv", "Sep", "--dry-run", "--json"])).stdout)[0]!;
    const expected = await reportOf(at("dense"));
    expect(expected).toMatchObject({ compressed: "wrn-10-1-Sep" });
    for (const option of ["--run", "--checkpoint"]) expect(await reportOf(option, at("dense"))).toEqual(expected);
    await expectError(
      [...compress, at("dense"), "--run", at("dense"), "--conv", "Sep"],
      /needs one run, as its first argument, got .* and /,
    );
  });

  test("tests both networks unless it is told not to", async () => {
    const argv = ["compress", at("dense"), "--conv", "Generic_0.5", "--threads", "1", "--no-progress", "--dry-run", "--json"];
    const [report] = jsonLines((await runCli(argv)).stdout) as unknown as [Report];
    expect(await evaluated(at("dense"))).toMatchObject(report.before);
    expect(report.after).toMatchObject({ count: 6 });
    const [untested] = jsonLines((await runCli([...argv, "--no-evaluate"])).stdout) as unknown as [Report];
    expect(untested.before).toBeUndefined();
  });

  test("warns when the convolutions lose most of their norm, and not when they lose nothing", async () => {
    const warning = async (conv: string): Promise<{ text: string; json: unknown }> => {
      const { stdout, stderr } = await runCli([...compress, at("dense"), "--conv", conv, "--dry-run", "--json"]);
      return { text: stderr, json: jsonLines(stdout)[0]!.warning };
    };
    const lost = await warning("Generic_0.1");
    expect(lost.text).toMatch(/^note: the convolutions have lost \d+\.\d % of their norm, .*choose convolutions with more parameters$/m);
    expect(lost.text).toContain(`note: ${lost.json}`);
    expect(await warning("Conv")).toEqual({ text: "", json: null });
  });

  test("names the folder it writes, and with --dry-run writes none", async () => {
    const text = await runCli([...compress, "--checkpoint", at("dense"), "--conv", "Monarch_2", "--out", at("monarch")]);
    expect(text.stdout).toMatch(/^ {2}block1\.0\.layer\.0\.conv1 +2,304 +\S+ +\d+\.\d % +\d+\.\d % +\d+\.\d %$/m);
    expect(text.stdout).toContain(`separable train --resume ${at("monarch")}`);
    const before = await readdir(folder);
    const dry = await runCli([...compress, "--checkpoint", at("dense"), "--conv", "Monarch_2", "--dry-run", "--json"]);
    expect(jsonLines(dry.stdout)[0]).toMatchObject({ run: null });
    expect(await readdir(folder)).toEqual(before);
  });

  test("chooses the ranks by an error or a budget, and keeps to them", async () => {
    const near = await compressTo(at("near"), "Generic", "--error", "0.8", "--windows", "4", "--picture", at("layers.svg"));
    for (const { relativeError } of near.layers) expect(relativeError).toBeLessThanOrEqual(0.8);
    expect(near.parametersAfter).toBeLessThan(near.parametersBefore);
    expect(await readFile(at("layers.svg"), "utf8")).toMatch(/^<svg[\s\S]*block3\.0\.layer\.0\.conv2: [\d,]+ parameters, error/);
    const half = await compressTo(at("half"), "Monarch", "--budget", "0.5x", "--windows", "1");
    expect(half.parametersAfter).toBeLessThanOrEqual(half.parametersBefore / 2);
    // The run has a spec for each layer, and can be read again.
    const config = JSON.parse(await readFile(at("half/config.json"), "utf8")) as { settings: { conv: string } };
    expect(config.settings.conv.split(",")).toHaveLength(half.layers.length);
    expect(await evaluated(at("half"))).toHaveProperty("accuracy");
  });

  test("tunes the result and reports three accuracies", async () => {
    const argv = [
      "compress",
      at("dense"),
      "--conv",
      "Generic_0.25x2",
      "--tune",
      "1",
      "--out",
      at("tuned"),
      "--threads",
      "1",
      "--no-progress",
    ];
    const { code, stdout } = await runCli(argv);
    expect(code).toBe(0);
    expect(stdout).toMatch(/: [\d.]+ % before, [\d.]+ % after compressing, [\d.]+ % after tuning for 1 epoch\nWritten to /);
    const report = await compressTo(at("tuned-2"), "Sep", "--tune", "1", "--evaluate");
    const { accuracy, count } = await evaluated(at("tuned-2"));
    expect(report.tuned).toMatchObject({ accuracy, count });
    expect(await positionOf(at("tuned-2"))).toEqual({ epoch: 1, step: 0 });
  });

  test("refuses options that contradict each other", async () => {
    const dense = [...compress, at("dense"), "--conv", "Generic"];
    await expectError(dense, /ConfigError: convolution: takes Generic as Generic_<scale>/);
    await expectError(
      [...dense, "--error", "0.5", "--budget", "0.5x"],
      /ConfigError: compress: --error and --budget both choose the ranks/,
    );
    await expectError([...dense, "--error", "1.5"], /ConfigError: compress: --error must be a number/);
    await expectError([...dense, "--budget", "2x"], /ConfigError: compress: --budget must be a number of parameters, such as 30000/);
    const full = [...compress, at("dense"), "--conv", "Generic_0.5"];
    await expectError([...full, "--error", "0.5"], /ConfigError: compress: --conv must be a family such as Generic beside --error/);
    await expectError([...full, "--windows", "2"], /ConfigError: compress: --windows belongs to --error or --budget/);
    await expectError([...full, "--tune", "1", "--dry-run"], /ConfigError: compress: --tune trains the run that is written/);
    await expectError(
      [...dense, "--budget", "100"],
      /ConfigError: planCompression: parameters must be at least the [\d,]+ of the smallest/,
    );
  });

  test("needs options that describe the network of a bare state dict, and then agrees", async () => {
    const { tensors } = decodeSafetensors(await readFile(join(at("dense"), "best.safetensors")), "best");
    const model = [...tensors].filter(([name]) => name.startsWith("model/")).map(([name, value]) => [name.slice(6), value] as const);
    const bare = at("bare.safetensors");
    await writeFile(bare, encodeSafetensors(new Map(model)));
    const argv = [...compress, "--checkpoint", bare, "--conv", "Sep", "--dry-run"];
    const [ofFile] = jsonLines((await runCli([...argv, "--depth", "10", "--width", "1", "--json"])).stdout);
    const [ofRun] = jsonLines((await runCli([...compress, "--checkpoint", at("dense"), "--conv", "Sep", "--dry-run", "--json"])).stdout);
    expect({ ...ofFile, checkpoint: "" }).toEqual({ ...ofRun, checkpoint: "" });
    await expectError(argv, /ConfigError: compress: .*bare\.safetensors does not say what its network is, got no --depth and --width/);
  });

  test("fails in one line and leaves nothing behind", async () => {
    const dense = [...compress, "--checkpoint", at("dense")];
    await expectError([...dense, "--conv", "Generic_0.01", "--out", at("x")], /ConfigError: Generic: .*raise the scale/);
    await expectError([...dense, "--conv", "Sep", "--out", at("dense")], /ConfigError: run: .*dense must not exist yet, or be empty/);
    await expectError([...dense, "--conv", "Sep", "--dry-run", "--out", at("x")], /ConfigError: compress: --dry-run writes nothing/);
    await expectError(
      [...dense, "--conv", "Sepp"],
      /ConfigError: compress: --conv must be one of Conv, Sep, .*, got "Sepp"; did you mean Sep\?/,
    );
    await expectError(
      [...compress, "--conv", "Sep"],
      /ConfigError: compress: needs one run, as its first argument, got none; write separable compress runs/,
    );
    await expectError(
      [...compress, "--checkpoint", at("absent"), "--conv", "Sep"],
      /DataError: run: .*absent must be readable, got ENOENT/,
    );
    await compressTo(at("again"), "Sep");
    await expectError(
      [...compress, "--checkpoint", at("again"), "--conv", "Generic_0.5"],
      /ConfigError: compress: the network must be made of dense convolutions \(Conv\), got Sep in .*again/,
    );
    await cp(at("dense"), at("damaged"), { recursive: true });
    const bytes = await readFile(join(at("damaged"), "best.safetensors"));
    for (const file of ["best.safetensors", "best.copy.safetensors"])
      await writeFile(join(at("damaged"), file), bytes.subarray(0, bytes.length - 1));
    await expectError(
      [...compress, "--checkpoint", at("damaged"), "--conv", "Sep", "--out", at("x")],
      /DataError: safetensors: .*truncated or corrupted/,
    );
  });
});
