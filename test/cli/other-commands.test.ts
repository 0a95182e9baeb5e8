import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { commands } from "../../src/cli/commands.ts";
import { decodeSafetensors, encodeSafetensors } from "../../src/train/safetensors.ts";
import { jsonLines, runCli, tinyRun } from "./run-cli.ts";

let folder = "";
let run = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "separable-cli-"));
  run = join(folder, "run");
  await runCli([...tinyRun, "--run", run]);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const evaluate = ["eval", "--threads", "1", "--no-progress"];
const withoutNotes = (text: string): string => text.replaceAll(/^note: .*\n/gm, "");

async function expectError(argv: readonly string[], message: RegExp): Promise<void> {
  const { code, stderr, stdout } = await runCli(argv);
  expect(withoutNotes(stderr)).toMatch(message);
  expect(withoutNotes(stderr)).toMatch(/^separable: [A-Z]\w+Error: [^\n]+\n$/);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
}

describe("eval", () => {
  test("of a run gives the numbers that its best epoch recorded", async () => {
    const metrics = jsonLines(await readFile(join(run, "metrics.jsonl"), "utf8")) as { testLoss: number; testAccuracy: number }[];
    const best = metrics.reduce((a, b) => (b.testAccuracy > a.testAccuracy ? b : a));
    const { code, stdout } = await runCli([...evaluate, "--run", run, "--json"]);
    expect(code).toBe(0);
    expect(jsonLines(stdout)).toHaveLength(1);
    expect(jsonLines(stdout)[0]).toMatchObject({ loss: best.testLoss, accuracy: best.testAccuracy, count: 6, data: "synthetic" });
  });

  test("of a bare state dict needs options that describe the network, and then agrees", async () => {
    const { tensors } = decodeSafetensors(await readFile(join(run, "best.safetensors")), "best");
    const model = [...tensors].filter(([name]) => name.startsWith("model/")).map(([name, value]) => [name.slice(6), value] as const);
    const bare = join(folder, "bare.safetensors");
    await writeFile(bare, encodeSafetensors(new Map(model)));
    const argv = [...evaluate, "--checkpoint", bare, "--data", "synthetic", "--limit-test", "6", "--batch-size", "4"];
    const [ofRun] = jsonLines((await runCli([...evaluate, "--run", run, "--json"])).stdout);
    const [ofFile] = jsonLines((await runCli([...argv, "--json"])).stdout);
    expect({ ...ofFile, checkpoint: "" }).toEqual({ ...ofRun, checkpoint: "" });
    await expectError(
      [...argv, "--width", "2"],
      /DataError: checkpoint: .*bare\.safetensors must hold the 303706 parameters of wrn-10-2-Conv, got 78337 numbers;/,
    );
  });

  test("reads the run from its first argument, and from the older options", async () => {
    const { stdout } = await runCli([...evaluate, run, "--json"]);
    expect(jsonLines(stdout)[0]).toMatchObject({ count: 6 });
    for (const option of ["--run", "--checkpoint"]) expect((await runCli([...evaluate, option, run, "--json"])).stdout).toBe(stdout);
  });

  test("prints a row per class", async () => {
    const { stdout } = await runCli([...evaluate, run]);
    expect(stdout).toMatch(/Test accuracy \d+\.\d % \(loss \d\.\d{4}\) on 6 images/);
    for (const name of ["horizontal stripes", "disc", "spots"]) expect(stdout).toMatch(new RegExp(`^ {2}${name} +\\d`, "m"));
  });

  test("needs a run or a checkpoint that exists and is not damaged", async () => {
    await expectError(evaluate, /ConfigError: eval: needs one run, as its first argument, got none; write separable eval runs/);
    await expectError([...evaluate, run, "--checkpoint", "x"], /ConfigError: eval: needs one run, as its first argument, got .*run and x;/);
    await expectError([...evaluate, "--run", join(folder, "absent")], /DataError: run: .*absent must be readable, got ENOENT/);
    await expectError([...evaluate, "--checkpoint", join(folder, "absent")], /DataError: run: .*absent must be readable, got ENOENT/);
    const damaged = join(folder, "damaged");
    await cp(run, damaged, { recursive: true });
    const bytes = await readFile(join(damaged, "best.safetensors"));
    for (const file of ["best.safetensors", "best.copy.safetensors"])
      await writeFile(join(damaged, file), bytes.subarray(0, bytes.length - 1));
    await expectError([...evaluate, "--run", damaged], /DataError: safetensors: .*best\.safetensors .*truncated or corrupted/);
  });

  test("refuses limits beyond the data", () =>
    expectError(
      [...evaluate, "--run", run, "--limit-test", "0"],
      /ConfigError: eval: --limit-test must be an integer in \[1, 100000000\], got "0"/,
    ));
});

describe("data", () => {
  test("describes the data set", async () => {
    const { code, stdout } = await runCli(["data", "--name", "synthetic", "--json"]);
    expect(code).toBe(0);
    expect(jsonLines(stdout)[0]).toMatchObject({ name: "synthetic", source: "synthetic", train: 10_000, test: 2_000, channels: 3 });
  });

  test("fails without any source, and says what to do", async () => {
    const before = process.env.SEPARABLE_CACHE;
    process.env.SEPARABLE_CACHE = join(folder, "no-cache");
    try {
      await expectError(
        ["data", "--check"],
        /DataUnavailableError: cifar10: needs a folder, a filled cache or a download, .*Download the official/,
      );
    } finally {
      if (before === undefined) delete process.env.SEPARABLE_CACHE;
      else process.env.SEPARABLE_CACHE = before;
    }
  });

  test("names the data sets that are allowed", () =>
    expectError(["data", "--name", "mnist"], /ConfigError: data: --name must be one of cifar10, .*, got "mnist"/));

  test("names a near data set", () => expectError(["data", "--name", "cifar"], /got "cifar"; did you mean cifar10\?/));
});

describe("info", () => {
  test("names versions, backend and cache", async () => {
    const { code, stdout } = await runCli(["info", "--threads", "1", "--json"]);
    expect(code).toBe(0);
    expect(jsonLines(stdout)[0]).toMatchObject({
      separable: expect.stringMatching(/^\d+\.\d+\.\d+/),
      node: process.versions.node,
      backend: { name: "wasm", threads: 1, simd: expect.stringMatching(/^(baseline|relaxed|wide)$/) },
      memory: { backend: "wasm", used: 0 },
    });
    expect((await runCli(["info", "--backend", "reference"])).stdout).toMatch(/^backend +reference, 1 thread$/m);
  });
});

describe("errors under --json", () => {
  test("are one JSON object on stderr", async () => {
    const { code, stdout, stderr } = await runCli([...evaluate, join(folder, "absent"), "--json"]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    const message = expect.stringMatching(/^run: .*absent must be readable, got ENOENT/);
    expect(jsonLines(stderr)).toEqual([{ error: { name: "DataError", message } }]);
  });

  test("hold for wrong options too, and have a stack under --verbose", async () => {
    const { stderr } = await runCli(["eval", "--epoch", "3", "--json", "--verbose"]);
    const message = "unknown option '--epoch'; see separable --help";
    expect(jsonLines(stderr)).toEqual([{ error: { name: "ConfigError", message, stack: expect.stringContaining("at ") } }]);
  });
});

describe("help", () => {
  test("describes every option by words that stand alone", async () => {
    for (const { name } of commands) {
      const { stdout } = await runCli([name, "--help"]);
      const descriptions = stdout.match(/^ {2}-.*?\S {2,}(\S.*)$/gm) ?? [];
      expect(descriptions.length).toBeGreaterThan(1);
      for (const description of descriptions) expect(description).not.toMatch(/ {2,}(of |likewise)|such a network/);
    }
  });

  test.each(["eval", "predict", "compress"])("%s needs a run, and hides the older options that name it", async (command) => {
    const { stdout } = await runCli([command, "--help"]);
    expect(stdout).toMatch(new RegExp(`^Usage: separable ${command} \\[options\\] <run>`));
    expect(stdout).not.toMatch(/^ +--(run|checkpoint) /m);
    expect((await runCli(["--help"])).stdout).toMatch(new RegExp(`^ {2}${command} \\[options\\] <run>`, "m"));
  });

  test.each(["", "train ", "eval ", "predict ", "compress ", "inspect ", "data ", "info "])(
    "separable %s--help goes to stdout, exit code 0",
    async (command) => {
      const { code, stdout, stderr } = await runCli([...command.split(" ").filter((word) => word !== ""), "--help"]);
      expect(stdout).toMatch(new RegExp(`^Usage: separable ${command}`));
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    },
  );

  test("--version", async () => expect((await runCli(["--version"])).stdout).toMatch(/^\d+\.\d+\.\d+\S*\n$/));

  test("no command is an error that shows the help", async () => {
    const { code, stderr } = await runCli([]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^Usage: separable/);
  });
});
