import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readFolder, shownSteps } from "../train/node/event-reader.ts";
import { jsonLines, positionOf, resultsOf, runCli, tinyRun } from "./run-cli.ts";

let folder = "";
const at = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "separable-cli-"));
  // The run the others are compared with and copied from.
  const { code, stderr } = await runCli([...tinyRun, "--run", at("whole")]);
  expect({ code, stderr: stderr.replaceAll(/^note: batches.*\n/gm, "") }).toEqual({ code: 0, stderr: "" });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Notes apart, stderr is the one line of the error. */
const errorOf = (stderr: string): string => stderr.replaceAll(/^note: .*\n/gm, "");

async function expectError(argv: readonly string[], message: RegExp): Promise<void> {
  const { code, stderr, stdout } = await runCli(argv);
  expect(errorOf(stderr)).toMatch(message);
  expect(errorOf(stderr)).toMatch(/^separable: [A-Z]\w+Error: [^\n]+\n$/);
  expect(stdout).not.toContain("\n    at ");
  expect(code).toBe(1);
}

describe("a run's folder", () => {
  test("holds configuration, a line per epoch, the last two states, and the best one twice", async () => {
    expect((await readdir(at("whole"))).sort()).toEqual([
      "best.copy.safetensors",
      "best.safetensors",
      "checkpoint.1.safetensors",
      "checkpoint.safetensors",
      "config.json",
      "evaluation.json",
      "metrics.jsonl",
    ]);
    const config = JSON.parse(await readFile(join(at("whole"), "config.json"), "utf8"));
    expect(config.settings).toMatchObject({ data: "synthetic", depth: 10, width: 1, conv: "Conv", epochs: 2, batchSize: 4, seed: 0 });
    expect(config.environment.backend).toMatchObject({ name: "wasm", threads: 1 });
    const lines = jsonLines(await readFile(join(at("whole"), "metrics.jsonl"), "utf8"));
    expect(lines.map(({ epoch }) => epoch)).toEqual([1, 2]);
    for (const name of [
      "trainLoss",
      "trainAccuracy",
      "testLoss",
      "testAccuracy",
      "learningRate",
      "seconds",
      "imagesPerSecond",
      "peakBytes",
    ])
      for (const line of lines) expect(line[name], name).toEqual(expect.any(Number));
  });

  test("is repeated bit for bit by the same settings", async () => {
    await runCli([...tinyRun, "--run", at("again")]);
    expect(await resultsOf(at("again"))).toEqual(await resultsOf(at("whole")));
    await runCli([...tinyRun, "--run", at("other"), "--seed", "1"]);
    expect(await resultsOf(at("other"))).not.toEqual(await resultsOf(at("whole")));
  });

  test("of another run is never written over", async () => {
    const before = await resultsOf(at("whole"));
    await expectError([...tinyRun, "--run", at("whole")], /ConfigError: run: .*whole must not exist yet, or be empty/);
    expect(await resultsOf(at("whole"))).toEqual(before);
  });
});

describe("resuming", () => {
  test.each([1, 3, 4, 5])("after %i of six steps continues bit for bit", async (steps) => {
    const run = at(`stopped-${steps}`);
    const stopped = await runCli([...tinyRun, "--run", run, "--steps", String(steps)]);
    expect(stopped.code).toBe(0);
    expect(stopped.stdout).toContain(`separable train --resume ${run}`);
    expect(await positionOf(run)).toEqual({ epoch: Math.floor(steps / 3), step: steps % 3 });
    expect((await runCli(["train", "--resume", run, "--no-progress"])).code).toBe(0);
    expect(await resultsOf(run)).toEqual(await resultsOf(at("whole")));
  });

  test("after Ctrl-C continues bit for bit", async () => {
    const run = at("interrupted");
    const stopped = await runCli([...tinyRun, "--run", run, "--json"], {
      onStdout: (text, signal) => {
        if (text.includes('"event":"epoch"')) signal();
      },
    });
    expect(stopped.code).toBe(130);
    expect(stopped.exits).toEqual([]);
    expect(await positionOf(run)).toEqual({ epoch: 1, step: 0 });
    expect(jsonLines(stopped.stdout).at(-1)).toMatchObject({
      event: "stopped",
      interrupted: true,
      resume: `separable train --resume ${run}`,
    });
    await runCli(["train", "--resume", run, "--no-progress"]);
    expect(await resultsOf(run)).toEqual(await resultsOf(at("whole")));
  });

  test("a second Ctrl-C leaves at once", async () => {
    const { exits } = await runCli([...tinyRun, "--run", at("twice"), "--json"], {
      onStdout: (text, signal) => {
        if (!text.includes('"start"')) return;
        signal();
        signal();
      },
    });
    expect(exits).toEqual([130]);
  });

  test("survives a torn last line of metrics", async () => {
    const run = at("torn");
    await runCli([...tinyRun, "--run", run, "--steps", "4"]);
    const file = join(run, "metrics.jsonl");
    await writeFile(file, `${await readFile(file, "utf8")}{"epoch":2,"trainLo`);
    expect((await runCli(["train", "--resume", run, "--no-progress"])).code).toBe(0);
    expect(await resultsOf(run)).toEqual(await resultsOf(at("whole")));
  });

  test("repeats an epoch that was recorded but not saved", async () => {
    const run = at("behind");
    await runCli([...tinyRun, "--run", run, "--steps", "4"]);
    await cp(join(at("whole"), "metrics.jsonl"), join(run, "metrics.jsonl"));
    expect((await runCli(["train", "--resume", run, "--no-progress"])).code).toBe(0);
    expect(await resultsOf(run)).toEqual(await resultsOf(at("whole")));
  });

  test("of a finished run says so and changes nothing", async () => {
    const { code, stdout } = await runCli(["train", "--resume", at("whole")]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/finished already: test accuracy \d/);
  });
});

describe("bad input", () => {
  const cases: readonly (readonly [argv: string, message: RegExp])[] = [
    ["--depth 11", /ConfigError: train: --depth must be 6n \+ 4 .*, got "11"/],
    ["--width 0", /ConfigError: train: --width must be an integer in \[1, 512\], got "0"/],
    ["--epochs 1.5", /ConfigError: train: --epochs must be an integer in \[1, 1000000\], got "1\.5"/],
    ["--batch-size x", /ConfigError: train: --batch-size must be an integer in \[1, 65536\], got "x"/],
    ["--learning-rate -1", /ConfigError: train: --learning-rate must be a number in \(0, 1000000000000\], got "-1"/],
    ["--momentum 1", /ConfigError: train: --momentum must be a number in \[0, 1\), got "1"/],
    ["--dropout nan", /ConfigError: train: --dropout must be a number in \[0, 1\), got "nan"/],
    ["--optimizer lion", /ConfigError: train: --optimizer must be one of sgd, adam, adamw, muon, got "lion"/],
    ["--schedule linear", /ConfigError: train: --schedule must be one of one-cycle, triangular, cosine, multi-step, got "linear"/],
    ["--schedule multi-step", /ConfigError: train: --schedule multi-step needs --milestones/],
    ["--milestones 5,3", /ConfigError: train: --milestones must be increasing epochs/],
    ["--milestones 5", /ConfigError: train: --milestones belongs to --schedule multi-step/],
    ["--optimizer adam --momentum 0.5", /ConfigError: train: --momentum belongs to --optimizer sgd or muon, got --optimizer adam/],
    ["--conv Butterfly9", /ConfigError: train: --conv must be one of Conv, Sep.*, got "Butterfly9"/],
    ["--network vgg", /ConfigError: train: --network must be .*, got "vgg"/],
    ["--augment crop:0", /ConfigError: train: --augment must be none, or of crop.*, got "crop:0"/],
    ["--data mnist", /ConfigError: train: --data must be one of cifar10, cifar100, synthetic, or the path of a folder .*, got "mnist"/],
    ["--preset slow", /ConfigError: train: --preset must be one of .*quick.*, got "slow"/],
    [
      "--backend webgl",
      /ConfigError: train: --backend must be one of auto, gpu, webgpu, webgl2, headlessgl, webasm, cpu, wasm, reference, got "webgl"/,
    ],
    ["--threads 0", /ConfigError: train: --threads must be an integer in \[1, 64\], got "0"/],
    ["--backend reference --threads 1", /ConfigError: train: --threads belongs to --backend wasm/],
    ["--seed -1", /ConfigError: train: --seed must be an integer in \[0, 4294967296\), got "-1"/],
    ["--label-smoothing 2", /ConfigError: train: --label-smoothing must be a number in \[0, 1\], got "2"/],
    ["--preset acurate", /--preset must be one of quick, .*, got "acurate"; did you mean accurate\?/],
    ["--conv TT_0.5", /--conv must be one of Conv, .*, got "TT_0\.5"; did you mean TensorTrain_0\.5\?/],
    ["--conv tensortrain", /got "tensortrain"; did you mean TensorTrain_<scale>\?/],
    ["--schedule one-cicle", /got "one-cicle"; did you mean one-cycle\?/],
    ["--backend wsam", /got "wsam"; did you mean wasm\?/],
    ["--lr 0.1", /ConfigError: unknown option '--lr' \(Did you mean --learning-rate\?\); see/],
    ["--dataset=cifar10", /ConfigError: unknown option '--dataset=cifar10' \(Did you mean --data\?\); see/],
    ["--epoch 3", /ConfigError: unknown option '--epoch' \(Did you mean --epochs\?\)/],
    ["--epochs", /ConfigError: option '--epochs <n>' argument missing/],
    ["extra", /ConfigError: too many arguments/],
  ];

  test.each(cases)("train %s", async (argv, message) => {
    // Without the tiny run's own options: some of these contradict them.
    await expectError(["train", "--data", "synthetic", "--run", at("bad"), ...argv.split(" ")], message);
    expect(await readdir(folder)).not.toContain("bad");
  });

  test("an unknown command is told what is near", () =>
    expectError(["trian"], /ConfigError: unknown command 'trian' \(Did you mean train\?\)/));

  test("a folder of data that does not exist", async () => {
    await expectError(
      ["train", "--folder", at("nowhere"), "--threads", "1", "--run", at("bad")],
      /DataError: cifar10: needs .*nowhere, got no such folder; name the folder/,
    );
    expect(await readdir(folder)).not.toContain("bad");
  });

  test("a data file that was cut short", async () => {
    await mkdir(at("cut"));
    for (let i = 1; i <= 5; i++) await writeFile(join(at("cut"), `data_batch_${i}.bin`), new Uint8Array(3073 * 7));
    await expectError(
      ["train", "--folder", at("cut"), "--threads", "1", "--run", at("bad")],
      /DataError: cifar10: .*data_batch_1\.bin must be 30730000 bytes .*, got 21511; the file is truncated/,
    );
    expect(await readdir(folder)).not.toContain("bad");
  });

  test("a run that does not exist", () =>
    expectError(["train", "--resume", at("nowhere")], /DataError: run: .*nowhere must be the folder of a run, got ENOENT/));

  test("settings beside --resume that the run has decided", () =>
    expectError(
      ["train", "--resume", at("whole"), "--batch-size", "8", "--seed", "1"],
      /ConfigError: train: --resume takes its settings from the run's config\.json, got --batch-size, --seed too/,
    ));

  test("a loss that is not finite: the state before stands", async () => {
    const run = at("diverged");
    await expectError(
      [...tinyRun, "--run", run, "--learning-rate", "1e12"],
      /DataError: train: the loss must be finite, got (NaN|Infinity) at step \d of epoch 1 \(learning rate .*\); lower the learning rate.*\. .*diverged is as it was saved after step 0/,
    );
    expect((await readdir(run)).sort()).toEqual(["checkpoint.safetensors", "config.json"]);
    expect((await runCli(["train", "--resume", run, "--steps", "0", "--no-progress"])).code).toBe(0);
  });

  test("an arena too small for a step", async () => {
    await expectError(
      [...tinyRun, "--batch-size", "12", "--width", "4", "--memory-limit", "16", "--run", at("small")],
      /BackendError: wasm: the arena is exhausted: asked for .* limit 16\.0 MiB; use a smaller batch/,
    );
  });

  test("a run that is resumed with too little memory for its parameters, before anything is made", async () => {
    const run = at("wide");
    const limits = ["--batch-size", "2", "--limit-train", "2", "--limit-test", "1", "--width", "5", "--steps", "0"];
    expect((await runCli([...tinyRun, ...limits, "--run", run])).code).toBe(0);
    await expectError(
      ["train", "--resume", run, "--memory-limit", "16"],
      /ConfigError: train: wrn-10-5-Conv has .* parameters, .* needs \d\d MiB or more, got a limit of 16 MiB; .* or raise --memory-limit/,
    );
  });

  describe("a damaged run", () => {
    const damaged = async (name: string, damage: (run: string) => Promise<void>, message: RegExp): Promise<void> => {
      const run = at(name);
      await cp(at("whole"), run, { recursive: true });
      await damage(run);
      const before = await readdir(run);
      await expectError(["train", "--resume", run], message);
      expect(await readdir(run)).toEqual(before);
    };
    const checkpoint = (run: string): string => join(run, "checkpoint.safetensors");

    test("a checkpoint of another network", async () => {
      await runCli([...tinyRun, "--conv", "Sep", "--steps", "1", "--run", at("separable")]);
      await damaged(
        "other-network",
        (run) => cp(checkpoint(at("separable")), checkpoint(run)),
        /StateError: checkpoint .*: the state must fit the network, got .*conv1\.conv\.weight is missing/,
      );
    });

    test("a configuration that is not JSON", () =>
      damaged("no-json", (run) => writeFile(join(run, "config.json"), "{"), /DataError: run: .*config\.json must be JSON/));

    const edit = (change: (settings: Record<string, unknown>) => void) => async (run: string) => {
      const config = JSON.parse(await readFile(join(run, "config.json"), "utf8"));
      change(config.settings);
      await writeFile(join(run, "config.json"), JSON.stringify(config));
    };

    test("a configuration with a setting out of range", () =>
      damaged(
        "bad-setting",
        edit((settings) => Object.assign(settings, { momentum: 2 })),
        /DataError: settings: momentum in .*config\.json must be a number in \[0, 1\), got 2/,
      ));

    test("a configuration changed since the checkpoint", () =>
      damaged(
        "edited",
        edit((settings) => Object.assign(settings, { seed: 5 })),
        /DataError: run: .*config\.json must be as it was .*, got another seed/,
      ));
  });
});

describe("what is printed", () => {
  test("--json: stdout is JSON lines, from start to finish", async () => {
    const { stdout } = await runCli([...tinyRun, "--run", at("json"), "--json"]);
    const lines = jsonLines(stdout);
    expect(lines.map(({ event }) => event)).toEqual(["start", "epoch", "epoch", "finished"]);
    expect(lines[0]).toMatchObject({ run: at("json"), data: { source: "synthetic", train: 12, test: 6 }, stepsPerEpoch: 3 });
    expect(lines[3]!.classes).toHaveLength(10);
  });

  test("without data: synthetic images, said loudly at the start and at the end, and exit code 0", async () => {
    const before = process.env.SEPARABLE_CACHE;
    process.env.SEPARABLE_CACHE = at("no-cache");
    try {
      const argv = tinyRun.map((word) => (word === "synthetic" ? "cifar10" : word));
      const { code, stderr, stdout } = await runCli([...argv, "--offline", "--run", at("fallback")]);
      expect(code).toBe(0);
      expect(stderr.match(/NOT CIFAR-10: training on built-in SYNTHETIC images instead/g)).toHaveLength(2);
      expect(stdout).toMatch(/synthetic images: 12 to train on, 6 to test on/);
      const config = JSON.parse(await readFile(join(at("fallback"), "config.json"), "utf8"));
      expect(config).toMatchObject({ settings: { data: "synthetic" }, fallback: { wanted: "cifar10" } });
      expect(await resultsOf(at("fallback"))).toEqual(await resultsOf(at("whole")));
    } finally {
      if (before === undefined) delete process.env.SEPARABLE_CACHE;
      else process.env.SEPARABLE_CACHE = before;
    }
  });

  test("--verbose adds where an error came from", async () => {
    const { stderr } = await runCli(["train", "--resume", at("nowhere"), "--verbose"]);
    expect(stderr).toMatch(/^separable: DataError: .*\n/);
    expect(stderr).toMatch(/\n {4}at /);
  });
});

test("--tensorboard tells of every epoch once, across an interruption too, and changes no number", async () => {
  const argv = [...tinyRun, "--tensorboard", "--run", at("events")];
  expect((await runCli([...argv, "--steps", "4"])).code).toBe(0);
  expect((await runCli(["train", "--resume", at("events"), "--no-progress"])).code).toBe(0);
  expect(await resultsOf(at("events"))).toEqual(await resultsOf(at("whole")));
  const losses = shownSteps((await readFolder(at("events"))).flat(), "test/loss");
  const metrics = jsonLines(await readFile(join(at("whole"), "metrics.jsonl"), "utf8"));
  expect(losses).toEqual(metrics.map(({ epoch, testLoss }) => ({ step: Number(epoch) * 3, value: Math.fround(Number(testLoss)) })));
});

describe("--profile", () => {
  test("prints what the fourth step cost, writes its trace, and changes no number", async () => {
    const trace = at("trace.json");
    const { code, stdout } = await runCli([...tinyRun, "--profile", "--trace", trace, "--json", "--run", at("profiled")]);
    expect(code).toBe(0);
    expect(await resultsOf(at("profiled"))).toEqual(await resultsOf(at("whole")));
    const events = jsonLines(stdout);
    // An epoch has three steps, so the fourth is the first of the second epoch.
    expect(events.map(({ event }) => event)).toEqual(["start", "epoch", "profile", "epoch", "finished"]);
    const { kernels, layers } = events[2] as Record<"kernels" | "layers", { name: string; calls: number }[]>;
    expect(kernels).toContainEqual(expect.objectContaining({ name: "conv2d", calls: 9 }));
    expect(layers.map(({ name }) => name)).toContain("block2.0.layer.0.bn1");
    const { traceEvents } = JSON.parse(await readFile(trace, "utf8"));
    expect(traceEvents).toContainEqual(expect.objectContaining({ ph: "X", name: "conv2d" }));
  });

  test("prints tables, and says so where too few steps were trained", async () => {
    const { stdout } = await runCli([...tinyRun, "--profile", "--run", at("profiled-table")]);
    expect(stdout).toMatch(/^ *kernel +calls/m);
    expect(stdout).toMatch(/^ *layer +calls/m);
    const short = await runCli([...tinyRun, "--profile", "--steps", "2", "--run", at("profiled-short")]);
    expect(short.stderr).toMatch(/^note: no step was profiled, because fewer than 4 steps were trained; train longer$/m);
  });

  test("is needed for a trace", () =>
    expectError([...tinyRun, "--trace", "t.json"], /train: --trace needs --profile, got --trace alone; add --profile/));

  test("does not go with --detect-anomaly", () =>
    expectError(
      [...tinyRun, "--profile", "--detect-anomaly", "--run", at("profiled-watched")],
      /train: --profile must not measure the search of --detect-anomaly, got both; leave out one/,
    ));
});

describe("--detect-anomaly", () => {
  const wild = [...tinyRun, "--learning-rate", "1e12"];

  test("names the op and the layer where a run that diverges computes the first number that is not finite", () =>
    expectError(
      [...wild, "--detect-anomaly", "--run", at("anomaly")],
      /AnomalyError: detect-anomaly: \w+ in [\w.]+: the (value|gradient) .*must be finite, got .* This was step \d+ of epoch 1/,
    ));

  test("changes no number of a run that does not", async () => {
    expect((await runCli([...tinyRun, "--detect-anomaly", "--run", at("watched")])).code).toBe(0);
    expect(await resultsOf(at("watched"))).toEqual(await resultsOf(at("whole")));
  });
});
