/** The compiled program in a process of its own: signals, exit codes, and the text on each stream. */

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { jsonLines, positionOf, resultsOf } from "./run-cli.ts";

const program = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "separable-process-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the program. `watch` is called with all of stdout so far, each time there is more. */
async function runProcess(
  argv: readonly string[],
  watch?: (stdout: string, child: ChildProcessWithoutNullStreams) => void,
  node: string[] = [],
): Promise<Ended> {
  const child = spawn(process.execPath, [...node, program, ...argv], { cwd: folder });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    watch?.(stdout, child);
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout, stderr };
}

const train = [
  "train",
  ..."--data synthetic --limit-train 120 --limit-test 12 --batch-size 4 --epochs 2 --dropout 0.1 --threads 2 --json".split(" "),
];

test.each(["SIGINT", "SIGTERM"] as const)(
  "%s: the program finishes the step and saves it, and the run can be resumed bit for bit",
  async (signal) => {
    const whole = await runProcess([...train, "--run", `whole-${signal}`]);
    expect(whole).toMatchObject({ code: 0, stderr: "" });

    let sent = false;
    const stopped = await runProcess([...train, "--run", `stopped-${signal}`], (stdout, child) => {
      // The signal arrives somewhere in the first epoch. The result must not depend on the step.
      if (!sent && stdout.includes('"event":"start"')) sent = child.kill(signal);
    });
    expect(stopped.code).toBe(130);
    expect(stopped.stderr).toBe("Stopping after this step; once more to leave at once.\n");
    const last = jsonLines(stopped.stdout).at(-1)!;
    expect(last).toMatchObject({ event: "stopped", interrupted: true });
    expect(await positionOf(join(folder, `stopped-${signal}`))).toEqual({ epoch: last.epoch, step: last.step });
    expect(last.resume).toMatch(/^node .*main\.js train --resume stopped-/);

    expect(await runProcess(["train", "--resume", `stopped-${signal}`, "--json"])).toMatchObject({ code: 0, stderr: "" });
    expect(await resultsOf(join(folder, `stopped-${signal}`))).toEqual(await resultsOf(join(folder, `whole-${signal}`)));
  },
);

test("an error is one line on stderr, and exit code 1", async () => {
  expect(await runProcess(["train", "--depth", "11"])).toEqual({
    code: 1,
    stdout: "",
    stderr: 'separable: ConfigError: train: --depth must be 6n + 4 with n ≥ 1 (10, 16, 22, …, 1204), got "11"\n',
  });
});

describe("where gpu.js is not installed", () => {
  let without: string[] = [];
  beforeAll(async () => {
    const hook = join(folder, "without-gpu-js.cjs");
    const code = `const modules = require("node:module");
const resolve = modules._resolveFilename;
modules._resolveFilename = function (name, ...rest) {
  if (name === "gpu.js") throw Object.assign(new Error("Cannot find module 'gpu.js'"), { code: "MODULE_NOT_FOUND" });
  return resolve.call(this, name, ...rest);
};`;
    await writeFile(hook, code);
    without = ["--require", hook];
  });

  test("auto chooses wasm, and says why", async () => {
    const { code, stdout, stderr } = await runProcess(["info", "--json"], undefined, without);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(jsonLines(stdout)[0]).toMatchObject({
      backend: { name: "wasm", choice: { asked: "auto", reason: "no GPU: gpu.js is not installed" } },
    });
  });

  test("a device that is named gives an error of one line, which says what to install", async () => {
    const { code, stdout, stderr } = await runProcess(["info", "--backend", "cpu"], undefined, without);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toBe("separable: BackendError: cpu: needs the package gpu.js, which is not installed; npm install gpu.js@2\n");
  });
});

test("the error in an engine without WebAssembly names a backend that runs", async () => {
  const { code, stdout, stderr } = await runProcess(["info"], undefined, ["--jitless"]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toMatch(
    /^separable: BackendError: initBackend: no backend can run here: (webgpu|gpu) \(.*\); wasm \(.*\); --backend reference runs everywhere/m,
  );
});
