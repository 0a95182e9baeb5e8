/** The command line on a backend of gpu.js. Its plain JavaScript, `cpu`, runs everywhere: no driver, no device. */

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { jsonLines, positionOf, resultsOf, runCli } from "./run-cli.ts";

let folder = "";
const at = (name: string): string => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "separable-gpu-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Four steps of two images. */
const tiny = [
  "train",
  ..."--data synthetic --limit-train 4 --limit-test 2 --batch-size 2 --epochs 2 --augment none --no-progress".split(" "),
];
const configOf = async (run: string): Promise<{ settings: object; environment: { backend: object } }> =>
  JSON.parse(await readFile(join(run, "config.json"), "utf8"));
const cpu = { name: "cpu", threads: 1, adapter: { name: "plain JavaScript (gpu.js)", software: true } };

async function expectError(argv: readonly string[], message: RegExp): Promise<void> {
  const { code, stderr, stdout } = await runCli(argv);
  expect(stderr.replaceAll(/^note: .*\n/gm, "")).toMatch(message);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
}

describe("a run on cpu", () => {
  beforeAll(async () => {
    const { code, stdout } = await runCli([...tiny, "--backend", "cpu", "--run", at("whole")]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^backend {2}cpu, plain JavaScript \(gpu\.js\)$/m);
  });

  test("records its backend and adapter", async () => {
    const { settings, environment } = await configOf(at("whole"));
    expect(settings).toMatchObject({ backend: "cpu" });
    expect(environment.backend).toMatchObject(cpu);
  });

  test("that was stopped is resumed bit for bit", async () => {
    await runCli([...tiny, "--backend", "cpu", "--run", at("stopped"), "--steps", "3"]);
    expect(await positionOf(at("stopped"))).toEqual({ epoch: 1, step: 1 });
    const { stdout, stderr } = await runCli(["train", "--resume", at("stopped"), "--no-progress"]);
    expect(stdout).toMatch(/^backend {2}cpu, /m);
    expect(stderr).not.toContain("last bits");
    expect(await resultsOf(at("stopped"))).toEqual(await resultsOf(at("whole")));
  });

  test("gives eval the numbers of the last epoch, and agrees with wasm", async () => {
    const test = async (...machine: string[]): Promise<Record<string, number>> => {
      const { stdout } = await runCli([
        "eval",
        "--checkpoint",
        join(at("whole"), "checkpoint.safetensors"),
        ...machine,
        "--json",
        "--no-progress",
      ]);
      return jsonLines(stdout)[0] as Record<string, number>;
    };
    const [line] = jsonLines(await readFile(join(at("whole"), "metrics.jsonl"), "utf8")).slice(-1);
    const [here, there] = [await test("--backend", "cpu"), await test("--threads", "1")];
    expect(here).toMatchObject({ backend: cpu, loss: line!.testLoss, accuracy: line!.testAccuracy });
    expect(there).toMatchObject({ backend: { name: "wasm", choice: { asked: "auto", reason: "--threads belongs to wasm" } } });
    expect(there.loss).toBeCloseTo(here.loss!, 3);
  });

  test("reports that it moves to another backend, and reports it again when it moves back", async () => {
    const run = at("moved");
    await runCli([...tiny, "--backend", "cpu", "--run", run, "--steps", "1"]);
    const away = await runCli(["train", "--resume", run, "--backend", "wasm", "--threads", "1", "--steps", "2", "--no-progress"]);
    expect(away.stderr).toMatch(/note: the run began on cpu, plain .* and goes on with wasm, 1 thread.*: the last bits may differ/);
    const back = await runCli(["train", "--resume", run, "--steps", "3", "--no-progress"]);
    expect(back.stdout).toMatch(/^backend {2}cpu, /m);
    expect(back.stderr).toMatch(/note: the run was last on wasm, 1 thread.* and goes on with cpu, plain .*: the last bits may differ/);
    const again = await runCli(["train", "--resume", run, "--steps", "4", "--no-progress"]);
    expect(again.stderr).not.toContain("last bits");
  });
});

describe("auto", () => {
  test("is recorded as the backend that it chose, so that a resumed run does not choose again", async () => {
    await runCli([...tiny, "--threads", "1", "--run", at("auto"), "--steps", "1"]);
    const { settings, environment } = await configOf(at("auto"));
    expect(settings).toMatchObject({ backend: "wasm", threads: 1 });
    expect(environment.backend).toMatchObject({ name: "wasm", choice: { asked: "auto", reason: "--threads belongs to wasm" } });
    const { stdout, stderr } = await runCli(["train", "--resume", at("auto"), "--no-progress"]);
    expect(stdout).toMatch(/^backend {2}wasm, 1 thread, \w+ SIMD$/m);
    expect(stderr).not.toContain("last bits");
  });

  test("a run whose backend cannot run here says how to resume it", async () => {
    const file = join(at("auto"), "config.json");
    const before = await readFile(file, "utf8");
    const config = JSON.parse(before) as { settings: object; environment: object };
    const settings = { ...config.settings, simd: undefined, backend: "webgl2" };
    const environment = { ...config.environment, backend: { name: "webgl2", threads: 1 } };
    await writeFile(file, JSON.stringify({ ...config, settings, environment }));
    await expectError(
      ["train", "--resume", at("auto")],
      /BackendError: webgl2: runs in browsers, got Node; .*\. The run is on webgl2; to go on with another, name it by --backend/,
    );
    await writeFile(file, before);
  });
});

describe("info", () => {
  test("shows mode, adapter, limits and the self-test", async () => {
    const { code, stdout } = await runCli(["info", "--backend", "cpu"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^backend +cpu, plain JavaScript \(gpu\.js\)$/m);
    expect(stdout).toMatch(/^mode +cpu of gpu\.js$/m);
    expect(stdout).toMatch(/^adapter +plain JavaScript \(gpu\.js\), software: the processor computes$/m);
    expect(stdout).toMatch(/^limits +[\d,]+ MB in the largest storage, float32 only$/m);
    expect(stdout).toMatch(/^self-test +passed$/m);
  });

  test("prints the same facts with --json", async () => {
    const [report] = jsonLines((await runCli(["info", "--backend", "webasm", "--json"])).stdout);
    expect(report).toMatchObject({
      backend: {
        name: "webasm",
        adapter: { name: "WebAssembly (gpu.js)", software: true, maximumBytes: expect.any(Number) },
        selfTest: "passed",
      },
      memory: { backend: "webasm", used: 0, storages: 0 },
    });
  });
});

describe("bench", () => {
  const once = ["bench", "--repeats", "1", "--min-seconds", "0"];

  test("runs the usual rows", async () => {
    const { code, stdout } = await runCli([...once, "--backend", "cpu", "--only", "dispatch-1k", "--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual([
      expect.objectContaining({
        name: "dispatch-1k",
        backend: "cpu",
        machine: expect.objectContaining({ adapter: expect.objectContaining(cpu.adapter) }),
      }),
    ]);
  });

  test("profiles a training step: the launches of the programs add up to those of the step, and their shares to one", async () => {
    const { stdout } = await runCli([...once, "--backend", "cpu", "--profile", "1", "--json"]);
    const [step] = JSON.parse(stdout);
    expect(step).toMatchObject({ name: "wrn-10-1-profile-b1", backend: "cpu", repeats: 1, readbacks: 2 });
    const total = (key: "launches" | "share"): number =>
      step.programs.reduce((sum: number, row: Record<string, number>) => sum + row[key]!, 0);
    expect(total("launches")).toBe(step.launches);
    expect(total("share")).toBeCloseTo(1, 3);
    // The budget of a step (docs/gpu.md).
    expect(step.launches).toBeLessThan(120);
    // The images, the labels, and little besides.
    expect(step.uploadedBytes).toBeGreaterThanOrEqual(4 * (3 * 32 * 32 + 1));
    expect(step.uploadedBytes).toBeLessThan(4 * (3 * 32 * 32 + 100));
  });

  test.each<[string, RegExp]>([
    ["--backend cpu --threads 2", /bench: --threads belongs to --backend wasm, got --backend cpu/],
    ["--backend gpu --threads 2", /bench: --threads belongs to --backend wasm, got --backend gpu/],
    ["--backend cpu --profile --only gemm-256", /bench: --profile measures one training step alone on .*cpu.*, got --only too/],
    ["--backend cpu --profile --trace t.json", /bench: --profile measures one training step alone on .*cpu.*, got --trace too/],
    ["--backend cpu --profile 0", /bench: --profile must be an integer in \[1, 65536\], got "0"/],
  ])("refuses %s", (options, message) => expectError([...once, ...options.split(" ")], message));
});

test.each<[string, RegExp]>([
  ["train --backend cpu --threads 2", /train: --threads belongs to --backend wasm, got --backend cpu/],
  ["train --backend gpu --memory-limit 64", /train: --memory-limit belongs to --backend wasm, got --backend gpu/],
  ["train --backend cpu --data synthetic --profile", /train: --profile needs --backend wasm or reference, got .*cpu/],
  ["train --backend webgl2 --data synthetic", /BackendError: webgl2: runs in browsers, got Node; use --backend webgpu or headlessgl/],
  [
    "eval --run x --backend vulkan",
    /eval: --backend must be one of auto, gpu, webgpu, webgl2, headlessgl, webasm, cpu, wasm, reference, got "vulkan"/,
  ],
])("%s is refused", (argv, message) => expectError(argv.split(" "), message));

test("inspect computes in float32 on a device", async () => {
  const { stdout } = await runCli([
    "inspect",
    "--layer",
    "monarch",
    "--in",
    "8",
    "--out",
    "8",
    "--no-out-file",
    "--backend",
    "cpu",
    "--json",
  ]);
  expect(jsonLines(stdout)[0]).toMatchObject({ dtype: "float32" });
});
