/** The wide kernels on other versions of Node than the one that runs the tests. engines/install.mjs installs them before `npm test`. */

import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { pinnedNode } from "../../engines/node.mjs";

const root = fileURLToPath(new URL("../../", import.meta.url));
const minutes = 60_000;

// Counts and decompositions are computed without the kernels, and take most of the time.
let golden = "";
beforeAll(async () => {
  golden = await mkdtemp(join(tmpdir(), "separable-golden-"));
  for (const name of ["blocks", "wrn_step"]) await cp(join(root, "test/fixtures", name), join(golden, name), { recursive: true });
});
afterAll(() => rm(golden, { recursive: true, force: true }));

/** What the program prints. @throws with its output where it fails. */
async function run(node: string, ...options: string[]): Promise<string> {
  const env = {
    ...process.env,
    WIDE_ENGINE: "1",
    NO_COLOR: "1",
    VITEST: undefined,
    VITEST_WORKER_ID: undefined,
    VITEST_POOL_ID: undefined,
  };
  const { stdout } = await promisify(execFile)(node, options, { cwd: root, env, maxBuffer: 2 ** 26 });
  return stdout;
}

/** The engine joins vectors into AVX2's. Other systems than Linux have no pinned Node. */
const hasAvx2 = existsSync("/proc/cpuinfo") && readFileSync("/proc/cpuinfo", "utf8").includes(" avx2 ");

for (const major of [24, 26]) {
  const node = pinnedNode(major);
  if (node === undefined || !hasAvx2) {
    const reason = hasAvx2 ? `Node ${major} is not installed, or does not run on this machine` : "this machine has no AVX2";
    describe.skip(`the wide kernels on Node ${major}: ${reason}`, () => {
      test("conform", () => {});
    });
    continue;
  }
  describe(`the wide kernels on Node ${major}`, () => {
    test(
      "conform to the reference, and structured maps keep their property on them",
      async () => {
        const report = await run(node, "node_modules/vitest/vitest.mjs", "run", "--project", "wide", "--reporter", "json");
        const { numPassedTests, numTotalTests } = JSON.parse(report.slice(report.indexOf("{"))) as Record<string, number>;
        expect(numPassedTests).toBeGreaterThan(90);
        expect(numPassedTests).toBe(numTotalTests);
      },
      10 * minutes,
    );

    test(
      "compute the golden steps",
      async () => {
        const options = ["--fixtures", golden, "--backend", "wasm", "--threads", "2", "--simd", "wide", "--json"];
        const summary = JSON.parse(await run(node, "dist/cli/main.js", "verify", ...options)) as Record<string, unknown>;
        expect(summary).toMatchObject({ failed: 0, skipped: 0 });
        expect(summary.passed).toBeGreaterThan(50);
      },
      10 * minutes,
    );

    test("are what the command line chooses", async () => {
      const report = JSON.parse(await run(node, "dist/cli/main.js", "info", "--backend", "wasm", "--json")) as { backend: unknown };
      expect(report.backend).toMatchObject({ name: "wasm", simd: "wide" });
    });
  });
}
