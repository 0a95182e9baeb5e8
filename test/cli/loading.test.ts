/**
 * Which modules the compiled program loads: none that the command does not need, and a missing native package stops only its own command.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { commands } from "../../src/cli/commands.ts";
import { ProgramProcess } from "./program-process.ts";

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
      "cli/program.js",
      "core/errors.js",
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

describe.each(commands.flatMap(({ name, nativePackage }) => (nativePackage === undefined ? [] : [[nativePackage, name]])))(
  "where %s cannot be resolved",
  (missing, command) => {
    let node: string[] = [];
    beforeAll(async () => {
      node = await withHooks(
        `without-${command}`,
        `export async function resolve(name, context, next) {
  if (name === ${JSON.stringify(missing)}) throw Object.assign(new Error("Cannot find package"), { code: "ERR_MODULE_NOT_FOUND" });
  return next(name, context);
}`,
      );
    });

    test(`${command} names the package`, async () => {
      const { code, stdout, stderr } = await runProgram(node, [command, "--help"]);
      expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
      expect(stderr).toBe(
        `separable: ConfigError: ${command}: needs the package ${missing}, which cannot be loaded (Cannot find package); npm install ${missing}\n`,
      );
    });

    test.each(commands.filter(({ name }) => name !== command && name !== "info").map(({ name }) => name))("%s loads", async (other) => {
      expect(await runProgram(node, [other, "--help"])).toMatchObject({ code: 0, stderr: "" });
    });

    test("info describes the machine", async () => {
      const { code, stdout } = await runProgram(node, ["info", "--backend", "reference"]);
      expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/^backend +reference, 1 thread$/m) });
    });
  },
);
