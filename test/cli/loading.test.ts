/**
 * Which modules the compiled program loads: none that the command does not need, and a missing package stops only the commands that need
 * it.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { encode } from "fast-png";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { commands } from "../../src/cli/commands.ts";
import { optionalPackages } from "../../src/core/optional-package.ts";
import { ProgramProcess } from "./program-process.ts";
import { tinyRun } from "./run-cli.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "separable-loading-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Hooks of Node's module loader, as the source of a module. `resolve` runs before Node's own. */
async function withHooks(name: string, hooks: string): Promise<string[]> {
  const [hooksFile, registerFile] = [join(folder, `${name}-hooks.mjs`), join(folder, `${name}.mjs`)];
  await writeFile(hooksFile, hooks);
  await writeFile(registerFile, `import { register } from "node:module"; register(${JSON.stringify(`file://${hooksFile}`)});`);
  return ["--import", registerFile];
}

async function runProgram(node: readonly string[], argv: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [...node, ProgramProcess.path, ...argv], { cwd: folder });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const [code] = (await once(child, "close")) as [number];
  return { code, stdout, stderr };
}

/** The URLs of all modules that a command line loads. */
async function modulesOf(...argv: string[]): Promise<string[]> {
  const list = join(folder, `${argv.join("")}.txt`);
  const node = await withHooks(
    argv.join(""),
    `import { appendFileSync } from "node:fs";
export async function load(url, context, next) {
  appendFileSync(${JSON.stringify(list)}, url + "\\n");
  return next(url, context);
}`,
  );
  expect(await runProgram(node, argv)).toMatchObject({ code: 0, stderr: "" });
  return (await readFile(list, "utf8")).trim().split("\n");
}

const packagesIn = (modules: readonly string[]): Set<string> =>
  new Set(modules.flatMap((url) => /\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1] ?? []));
const filesIn = (modules: readonly string[]): string[] => modules.flatMap((url) => url.split("/dist/")[1] ?? []);

describe("the program loads", () => {
  test.each(["--version", "--help"])("no kernel, no command and no package but commander for %s", async (option) => {
    const modules = await modulesOf(option);
    expect([...packagesIn(modules)]).toEqual(["commander"]);
    expect(filesIn(modules).sort()).toEqual([
      "cli/commands.js",
      "cli/main.js",
      "cli/printable-output.js",
      "cli/program.js",
      "core/errors.js",
      "core/quote.js",
      "experiment/interruption.js",
      "experiment/node/version.js",
    ]);
  });

  test("one command alone when a command is called", async () => {
    const modules = await modulesOf("info");
    expect(filesIn(modules).filter((file) => file.endsWith("-command.js"))).toEqual(["cli/info-command.js"]);
    for (const name of ["sharp", "@resvg/resvg-js", "bullmq", "protobufjs"]) expect(packagesIn(modules)).not.toContain(name);
  });
});

/** Options of Node under which no optional package can be found. */
const withoutOptional = (): Promise<string[]> =>
  withHooks(
    "without-optional",
    `const missing = new Set(${JSON.stringify(Object.keys(optionalPackages))});
export async function resolve(name, context, next) {
  if (missing.has(name)) throw Object.assign(new Error("Cannot find package"), { code: "ERR_MODULE_NOT_FOUND" });
  return next(name, context);
}`,
  );

describe("where no optional package is installed", () => {
  let node: string[] = [];
  let run = "";
  let image = "";
  beforeAll(async () => {
    node = await withoutOptional();
    run = join(folder, "run");
    image = join(folder, "image.png");
    await writeFile(image, encode({ width: 32, height: 32, channels: 3, depth: 8, data: new Uint8Array(3072) }));
    expect((await runProgram([], [...tinyRun, "--run", run])).code).toBe(0);
  });

  const family = fileURLToPath(new URL("../../examples/11-your-own-layer.ts", import.meta.url));
  const cases = [
    ["sharp", "image: needs the package sharp,", "sharp@0.35", () => ["predict", "--checkpoint", run, image]],
    [
      "@resvg/resvg-js",
      "report: needs the packages @resvg/resvg-js and @expo-google-fonts/inter,",
      "@resvg/resvg-js@2 @expo-google-fonts/inter@0.4",
      () => ["report", run, "--out", join(folder, "report")],
    ],
    // Versions of Node that run TypeScript need no esbuild.
    ...("typescript" in process.features && process.features.typescript
      ? []
      : ([
          ["esbuild", "convolution: needs the package esbuild,", "esbuild@0.28", () => ["count", "--conv", `${family}:ScaledLowRank_2`]],
        ] as const)),
    ["bullmq", "redis: needs the package bullmq,", "bullmq@5", () => ["sweep-worker", "--redis", "redis://127.0.0.1:1"]],
  ] as const;

  test.each(cases)("%s: the error of the command that needs it says what to install", async (_, begin, install, argv) => {
    const { code, stderr } = await runProgram(node, argv());
    expect(code).toBe(1);
    const verb = begin.includes("packages") ? "are" : "is";
    expect(stderr).toBe(`separable: ConfigError: ${begin} which ${verb} not installed; npm install ${install}\n`);
  });

  test("the help of every command is printed", async () => {
    for (const { name } of commands) expect(await runProgram(node, [name, "--help"])).toMatchObject({ code: 0, stderr: "" });
  });
});

test("package.json has the optional packages as optional peers, in the versions that the errors tell to install", async () => {
  const { peerDependencies, peerDependenciesMeta, dependencies } = JSON.parse(
    await readFile(new URL("../../package.json", import.meta.url), "utf8"),
  ) as Record<"peerDependencies" | "dependencies", Record<string, string>> & {
    peerDependenciesMeta: Record<string, { optional: boolean }>;
  };
  for (const [name, version] of Object.entries(optionalPackages)) {
    expect(peerDependencies[name]).toMatch(new RegExp(`^\\^${version.replaceAll(".", "\\.")}\\.`));
    expect(dependencies[name]).toBeUndefined();
  }
  for (const name of Object.keys(peerDependencies)) expect(peerDependenciesMeta[name]).toEqual({ optional: true });
});
