/** The packed package in an empty project: what an install brings, and every block of the documentation, compiled and run against it. */

import { execFile } from "node:child_process";
import { cp, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { optionalPackages } from "../../src/core/optional-package.ts";
import { codeBlocks, pages } from "./documentation.ts";
import { installPackage, root } from "./installed-package.ts";

const execute = promisify(execFile);

/** The packages that the blocks and examples use besides this one. */
const also = ["@types/node", "undici-types", "fast-check", "pure-rand"];
const blocks = (await Promise.all((await pages()).map(codeBlocks))).flat();

let project = "";
beforeAll(async () => {
  project = await installPackage(also);
  for (const folder of ["node", "browser"]) await mkdir(join(project, folder));
  for (const { name, code } of blocks) await writeFile(join(project, "node", `${name}.ts`), `${code}\nexport {};\n`);
  await cp(join(root, "examples"), join(project, "node", "examples"), { recursive: true });
  const everything = (entries: readonly string[]): string => entries.map((entry, i) => `export * as e${i} from "${entry}";\n`).join("");
  const library = ["separable", "separable/gpu"];
  await writeFile(join(project, "browser", "everything.ts"), everything(library));
  await writeFile(join(project, "node", "everything.ts"), everything([...library, "separable/node", "separable/experiment"]));
}, 300_000);
afterAll(() => rm(project, { recursive: true, force: true }));

/** The compilers by the name of their folder in node_modules. */
const compilers = ["typescript-5.6", "typescript"] as const;
/** The ways to resolve modules, each with the value of `module` that it needs. */
const resolutions = { NodeNext: "NodeNext", Node16: "Node16", bundler: "ESNext" } as const;
type Resolution = keyof typeof resolutions;

interface Environment {
  /** The folder of sources. */
  readonly sources: "node" | "browser";
  readonly lib: readonly string[];
  readonly types: readonly string[];
}

/** A program in Node has no DOM, and a page has no types of Node. The declarations of this package must hold in both. */
const environments: Readonly<Record<"node" | "browser", Environment>> = {
  node: { sources: "node", lib: ["ES2022"], types: ["node"] },
  browser: { sources: "browser", lib: ["ES2022", "DOM"], types: [] },
};

/** Compiles the sources of an environment to the folder `out`, and returns the compiler's messages. */
async function compile(compiler: string, moduleResolution: Resolution, { sources, lib, types }: Environment): Promise<string> {
  const file = join(project, `${compiler}-${moduleResolution}-${sources}.json`);
  const compilerOptions = {
    ...{ target: "ES2022", lib, types, module: resolutions[moduleResolution], moduleResolution },
    ...{ strict: true, skipLibCheck: false, rootDir: sources, outDir: join("out", sources) },
  };
  await writeFile(file, JSON.stringify({ compilerOptions, include: [sources] }));
  const tsc = join(root, "node_modules", compiler, "bin", "tsc");
  return execute(process.execPath, [tsc, "--project", file], { cwd: project }).then(
    ({ stdout }) => stdout,
    (error: unknown) => (error as { readonly stdout: string }).stdout,
  );
}

/** A run with few cases compiles with one resolution for each compiler. NodeNext makes the programs that run below. */
const fewResolutions: Readonly<Record<(typeof compilers)[number], readonly Resolution[]>> = {
  "typescript-5.6": ["bundler"],
  typescript: ["NodeNext"],
};
const resolutionsOf = (compiler: (typeof compilers)[number]): readonly Resolution[] =>
  inject("testShare") < 0.5 ? fewResolutions[compiler] : (Object.keys(resolutions) as Resolution[]);

describe.each(compilers)("with %s", (compiler) => {
  test.each(resolutionsOf(compiler))(
    "and the resolution of modules %s, strict programs for Node compile against the package, its declarations included",
    async (resolution) => expect(await compile(compiler, resolution, environments.node)).toBe(""),
  );

  test("a strict program for a page compiles too, without the types of Node", async () =>
    expect(await compile(compiler, "bundler", environments.browser)).toBe(""));
});

describe("documentation", () => {
  test("has blocks to compile, and few of them are not run", () => {
    expect(blocks.length).toBeGreaterThan(20);
    expect(blocks.filter(({ compileOnly }) => compileOnly !== undefined).length).toBeLessThanOrEqual(3);
  });

  test.each(blocks.filter(({ compileOnly }) => compileOnly === undefined))(
    "$place runs, and prints what the page says",
    async ({ name, output }) => {
      const folder = join(project, "runs", name);
      await mkdir(folder, { recursive: true });
      const { stdout, stderr } = await execute(process.execPath, [join(project, "out", "node", `${name}.js`)], { cwd: folder });
      expect(stderr).toBe("");
      if (output !== undefined) expect(stdout.trimEnd()).toBe(output);
    },
  );
});

describe("an install", () => {
  const filesIn = async (folder: string): Promise<string[]> =>
    (await readdir(folder, { recursive: true })).map((file) => join(folder, file));

  test("has no native binary, no font and no optional package", async () => {
    const files = await filesIn(join(project, "node_modules"));
    expect(files.filter((file) => /\.(node|ttf|woff2?|so|dylib|dll|exe)$/.test(file))).toEqual([]);
    const present = await readdir(join(project, "node_modules"));
    for (const name of Object.keys(optionalPackages)) expect(present).not.toContain(name.split("/")[0]);
  });

  test("has maps whose sources are in the package", async () => {
    const dist = join(project, "node_modules", "separable", "dist");
    const files = await filesIn(dist);
    const maps = files.filter((file) => file.endsWith(".map"));
    // The playground is a bundle for a page. Its sources are not in the package.
    const modules = files.filter((file) => !file.startsWith(join(dist, "playground")) && /\.(js|d\.ts)$/.test(file));
    expect(maps.length).toBe(modules.length);
    for (const map of maps) {
      const { sources, sourceRoot = "" } = JSON.parse(await readFile(map, "utf8")) as { sources: string[]; sourceRoot?: string };
      for (const source of sources) expect((await stat(join(dirname(map), sourceRoot, source))).isFile()).toBe(true);
    }
  });

  test("runs no script of any package, and names every package with its licence and its exact version", async () => {
    const modules = join(project, "node_modules");
    const manifests = (await filesIn(modules)).filter((file) => /node_modules\/(@[^/]+\/)?[^/]+\/package\.json$/.test(file));
    const present = await Promise.all(
      manifests.map(async (file) => JSON.parse(await readFile(file, "utf8")) as { name: string; version: string; scripts?: object }),
    );
    for (const { scripts = {} } of present) expect(Object.keys(scripts).filter((name) => /^(pre|post)?install$/.test(name))).toEqual([]);
    const out = join(project, "lists");
    await execute(process.execPath, [join(root, ".ci", "list-dependencies.mjs"), out], { cwd: root });
    const brought = present.filter(({ name }) => name !== "separable" && !also.includes(name)).map((p) => `${p.name}@${p.version}`);
    const sbom = JSON.parse(await readFile(join(out, "sbom.cdx.json"), "utf8")) as { components: { "bom-ref": string }[] };
    expect(sbom.components.map((component) => component["bom-ref"]).sort()).toEqual(brought.sort());
    const licenses = await readFile(join(out, "third-party-licenses.txt"), "utf8");
    for (const name of brought) expect(licenses).toMatch(new RegExp(`^${name} \\((MIT|ISC|BSD-[23]-Clause|Apache-2.0)\\)$`, "m"));
    const { dependencies } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as { dependencies: Record<string, string> };
    for (const version of Object.values(dependencies)) expect(version).toMatch(/^\d+\.\d+\.\d+$/);
  });

  test("runs the program", async () => {
    const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as { version: string };
    const program = join(project, "node_modules", ".bin", "separable");
    expect((await execute(program, ["--version"])).stdout).toBe(`${version}\n`);
  });
});

test("the scripts that npm pack runs print nothing to stdout, which has JSON alone under --json", async () => {
  const { scripts } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as { scripts: Record<string, string> };
  // `--silent` keeps npm from printing the names of the scripts, and tsc prints nothing about sources without errors.
  expect(scripts.prepack).toMatch(/&& npm run --silent build && node \.ci\/list-dependencies\.mjs$/);
  expect(await readFile(join(root, ".ci", "list-dependencies.mjs"), "utf8")).not.toMatch(/stdout|console\.log/);
  const page = "node src/playground/build-page.mjs";
  expect(scripts.build).toBe(`npm run --silent kernels && tsc -p tsconfig.build.json && ${page}`);
  // The build of the kernels reports their sizes. It takes too long to be run once more here.
  for (const script of [scripts.kernels!, "node src/backend/wasm/compile-kernels.mjs", page])
    expect(await readFile(join(root, script.replace("node ", "")), "utf8")).not.toMatch(/stdout|console\.log/);
});
