/** `--simd`: the build of the kernels is chosen, recorded, and kept when a run resumes. */

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { enableWideSimd } from "../../src/backend/wasm/node/enable-wide-simd.ts";
import { resumedSettings } from "../../src/experiment/node/resume-run.ts";
import { presets } from "../../src/experiment/presets.ts";
import type { Settings } from "../../src/experiment/setting-rules.ts";
import { jsonLines, runCli } from "./run-cli.ts";

let folder = "";
const at = (name: string): string => join(folder, name);
const tiny =
  "train --data synthetic --limit-train 4 --limit-test 2 --batch-size 2 --epochs 2 --augment none --threads 1 --no-progress".split(" ");
const resume = (run: string, ...options: string[]) => runCli(["train", "--resume", at(run), "--no-progress", ...options]);

interface Recorded {
  settings: { simd?: string };
  environment: { backend: { simd?: string } };
}
const configOf = async (run: string): Promise<Recorded> => JSON.parse(await readFile(join(at(run), "config.json"), "utf8"));
const writeConfig = (run: string, config: Recorded) => writeFile(join(at(run), "config.json"), JSON.stringify(config));

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "separable-simd-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("--simd", () => {
  test("chooses the build, which info reports", async () => {
    const { stdout } = await runCli(["info", "--threads", "1", "--simd", "baseline", "--json"]);
    expect(jsonLines(stdout)[0]).toMatchObject({ backend: { name: "wasm", simd: "baseline" } });
  });

  test("must name a build, and belongs to wasm", async () => {
    expect((await runCli(["info", "--simd", "wid"])).stderr).toMatch(
      /--simd must be one of baseline, relaxed, wide, got "wid"; did you mean wide/,
    );
    expect((await runCli(["info", "--backend", "reference", "--simd", "baseline"])).stderr).toMatch(
      /ConfigError: simd: belongs to the backend wasm/,
    );
  });

  test("is recorded, and a run resumes on the build that it began with", async () => {
    await runCli([...tiny, "--simd", "baseline", "--run", at("kept"), "--steps", "1"]);
    expect(await configOf("kept")).toMatchObject({ settings: { simd: "baseline" }, environment: { backend: { simd: "baseline" } } });
    const { stdout, stderr } = await resume("kept", "--steps", "2");
    expect(stdout).toMatch(/^backend {2}wasm, 1 thread, baseline SIMD/m);
    expect(stderr).not.toContain("last bits");
    const moved = await resume("kept", "--steps", "3", "--simd", "relaxed");
    expect(moved.stderr).toMatch(/the run began on wasm, 1 thread, baseline SIMD and goes on with wasm, 1 thread, relaxed SIMD.*last bits/);
  });

  test("is taken from the environment of a run that an earlier version wrote", () => {
    const { simd: _, ...settings } = presets.quick;
    const environment = { node: "20", platform: "any", backend: { name: "wasm", threads: 1, simd: "relaxed" } } as const;
    const config = { separable: "0.0.1", preset: "quick", settings: settings as Settings, environment };
    expect(resumedSettings(config, {})).toMatchObject({ simd: "relaxed" });
    expect(resumedSettings(config, { simd: "wide" })).toMatchObject({ simd: "wide" });
    expect(resumedSettings(config, { backend: "reference" }).simd).toBeUndefined();
  });

  test.skipIf(enableWideSimd())("says why a run cannot go on where its build does not run (skipped where all builds run)", async () => {
    await runCli([...tiny, "--simd", "baseline", "--run", at("elsewhere"), "--steps", "1"]);
    const config = await configOf("elsewhere");
    config.settings.simd = "wide";
    await writeConfig("elsewhere", config);
    expect((await resume("elsewhere")).stderr).toMatch(
      /BackendError: .*simd "wide" cannot run here: .* The run is on wide SIMD; .* by --simd/,
    );
  });
});
