/** The rules about imports, checked on the source files. A failure names the edge that breaks a rule. */

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { optionalPackages } from "../src/core/optional-package.ts";

const root = fileURLToPath(new URL("../src/", import.meta.url));

interface Import {
  readonly from: string;
  /** A file under src, or the name of a package. */
  readonly to: string;
  readonly inside: boolean;
  /** Whether the compiler erases the import. Such an import follows the order of the layers too. */
  readonly typeOnly: boolean;
}

const posix = (path: string): string => path.split(sep).join("/");

const files = readdirSync(root, { recursive: true, encoding: "utf8" })
  .map(posix)
  .filter((file) => file.endsWith(".ts") && !file.startsWith("backend/wasm/assembly/") && !file.includes("/generated/"));

/** Finds `import … from "x"`, `export … from "x"`, `import "x"` and `import("x")` outside comments. */
function importsOf(file: string, source: string): Import[] {
  const code = source.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
  const pattern = /\b(?:import|export)\s+(type\s+)?(\{[^}]*\}|[\w*\s,{}]+?)\s+from\s+"([^"]+)"|\bimport\s*\(?\s*"([^"]+)"/g;
  return [...code.matchAll(pattern)].map(([, type, names = "", from, bare]) => {
    const to = (from ?? bare)!;
    const inside = to.startsWith(".");
    const named = /^\{([^}]*)\}$/
      .exec(names)?.[1]
      ?.split(",")
      .filter((name) => name.trim() !== "");
    const typeOnly = type !== undefined || (named !== undefined && named.length > 0 && named.every((name) => /^\s*type\s/.test(name)));
    return { from: file, to: inside ? posix(relative(root, join(root, dirname(file), to))) : to, inside, typeOnly };
  });
}

const edges = files.flatMap((file) => importsOf(file, readFileSync(join(root, file), "utf8")));
const inner = edges.filter(({ inside }) => inside);

/** The layers, the lowest first. A layer imports itself and the layers before it. */
const layers = [
  "core",
  "tensor",
  "backend",
  "tape",
  "ops",
  "grad",
  "nn",
  "structured",
  "compress",
  "count",
  "models",
  "train",
  "interchange",
  "report",
  "bench",
  "experiment",
  "inspect",
  "verify",
  "playground",
  "cli",
];

/** The folders beside the layers, and what they may import. */
const beside: Readonly<Record<string, readonly string[]>> = { data: ["core", "tensor", "data"], linalg: ["core", "linalg"] };
/** The lowest layer that may import each of them. */
const lowestUser: Readonly<Record<string, string>> = { data: "train", linalg: "structured" };

const layerOf = (file: string): string => file.split("/")[0]!;

function allowed(from: string, to: string): boolean {
  if (beside[from] !== undefined) return beside[from].includes(to);
  if (beside[to] !== undefined) return layers.indexOf(from) >= layers.indexOf(lowestUser[to]!);
  return layers.indexOf(to) <= layers.indexOf(from);
}

const edge = ({ from, to }: Import): string => `src/${from} → ${to}`;

test("the pattern finds every way to import", () => {
  const source = [
    'import { a, type B } from "./a.ts";',
    'import type { C } from "../tensor/c.ts";',
    'import { type D } from "./d.ts";',
    'export * from "./e.ts";',
    'export type * from "./f.ts";',
    'import "./g.ts";',
    'const h = await import("node:fs");',
    'import * as i from "package";',
    '// import { no } from "./no.ts";',
    '/* import { no } from "./no.ts"; */',
    'import {\n  j,\n  type K,\n} from "./j.ts";',
    'import L, { m } from "./l.ts";',
  ].join("\n");
  expect(importsOf("ops/x.ts", source).map(({ to, typeOnly }) => `${to}${typeOnly ? " (type)" : ""}`)).toEqual([
    "ops/a.ts",
    "tensor/c.ts (type)",
    "ops/d.ts (type)",
    "ops/e.ts",
    "ops/f.ts (type)",
    "ops/g.ts",
    "node:fs",
    "package",
    "ops/j.ts",
    "ops/l.ts",
  ]);
});

test("every folder of src is a layer", () => {
  const folders = new Set(files.filter((file) => file.includes("/")).map(layerOf));
  expect([...folders].filter((folder) => !layers.includes(folder) && beside[folder] === undefined)).toEqual([]);
});

test("every import inside src leads to a file", () =>
  expect(inner.filter(({ to }) => !files.includes(to) && !to.includes("/generated/")).map(edge)).toEqual([]));

test("nothing imports the playground: its page is bundled", () =>
  expect(inner.filter(({ from, to }) => layerOf(to) === "playground" && layerOf(from) !== "playground").map(edge)).toEqual([]));

test("imports point down", () => {
  const offending = inner.filter(({ from, to }) => from.includes("/") && !(to.includes("/") && allowed(layerOf(from), layerOf(to))));
  expect(offending.map(edge)).toEqual([]);
});

test("data uses of tensor only its types", () =>
  expect(inner.filter(({ from, to, typeOnly }) => layerOf(from) === "data" && layerOf(to) === "tensor" && !typeOnly).map(edge)).toEqual(
    [],
  ));

test("no file imports itself through other files, not even for a type", () => {
  const next = new Map<string, string[]>();
  for (const { from, to } of inner) next.set(from, [...(next.get(from) ?? []), to]);
  const cycles: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) cycles.push([...path.slice(path.indexOf(file)), file].join(" → "));
    if (path.includes(file) || done.has(file)) return;
    for (const to of next.get(file) ?? []) visit(to, [...path, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
  expect(cycles).toEqual([]);
});

describe("the library runs in a browser", () => {
  /** Packages that run in browsers, too. */
  const browserPackages = ["gpu.js", "fflate", "valibot", "fast-check"];
  /** Layers that run in Node only. */
  const nodeLayers = ["report", "bench", "inspect", "verify", "cli"];
  /** Entries of the package that run in Node only. */
  const nodeEntries = ["node.ts", "experiment.ts"];
  const isNode = (file: string): boolean =>
    file.split("/").slice(0, -1).includes("node") || nodeLayers.includes(layerOf(file)) || nodeEntries.includes(file);

  test("node: modules are imported only by folders named node and by the layers of Node", () =>
    expect(edges.filter(({ from, to }) => to.startsWith("node:") && !isNode(from)).map(edge)).toEqual([]));

  test("files that a browser loads import nothing of Node, except types", () =>
    expect(inner.filter(({ from, to, typeOnly }) => isNode(to) && !isNode(from) && !typeOnly).map(edge)).toEqual([]));

  test("files that a browser loads import no packages but those that run in browsers", () =>
    expect(
      edges
        .filter(({ from, to, inside }) => !inside && !to.startsWith("node:") && !isNode(from) && !browserPackages.includes(to))
        .map(edge),
    ).toEqual([]));
});

test("an optional package is imported in one place, where its absence is reported", () => {
  const users = Object.keys(optionalPackages).map((name) => [
    name,
    [...new Set(edges.filter(({ to, typeOnly }) => to === name && !typeOnly).map(({ from }) => from))],
  ]);
  expect(Object.fromEntries(users)).toEqual({
    "@expo-google-fonts/inter": [],
    "@resvg/resvg-js": ["report/node/rasterise.ts"],
    bullmq: ["experiment/node/sweep/redis/connection.ts"],
    // The hooks run in a thread of their own. The file that starts them has reported a missing esbuild before.
    esbuild: ["experiment/node/load-family.ts", "experiment/node/module-hooks.ts"],
    sharp: ["data/node/decode-image.ts"],
  });
});

test("fflate is imported only by the file that reads and writes zip archives", () =>
  expect([...new Set(edges.filter(({ to }) => to === "fflate").map(({ from }) => from))]).toEqual(["interchange/zip.ts"]));

test("valibot is imported only by the file with the words of the schemas", () =>
  expect([...new Set(edges.filter(({ to }) => to === "valibot").map(({ from }) => from))]).toEqual(["core/schema.ts"]));

test("fast-check, which is no dependency, is imported only by a lab that is bundled", () =>
  expect(edges.filter(({ to }) => to === "fast-check").map(edge)).toEqual(["src/playground/labs/break-gradient/check.ts → fast-check"]));

test("gpu.js is imported by one file", () =>
  expect(edges.filter(({ to, typeOnly }) => to === "gpu.js" && !typeOnly).map(edge)).toEqual(["src/backend/gpu/gpu-js.ts → gpu.js"]));

test("no import leads from the main entry to the GPU backend, so that a bundle without separable/gpu has no trace of gpu.js", () => {
  const reached = new Set(["index.ts"]);
  for (const file of reached) for (const { from, to, typeOnly } of inner) if (from === file && !typeOnly) reached.add(to);
  expect([...reached].filter((file) => file.startsWith("backend/gpu/"))).toEqual([]);
  expect([...reached]).toContain("backend/auto/calibration.ts");
});

test('package.json keeps bundlers from dropping `import "separable/gpu"`, in dist and in src', () => {
  const { sideEffects, exports } = JSON.parse(readFileSync(join(root, "../package.json"), "utf8"));
  expect(sideEffects).toEqual([exports["./gpu"].default, "./src/gpu.ts"]);
});

test("files are written in one place, where a test can let each change of the disk fail", () => {
  const changes =
    /^(appendFile|chmod|copyFile|cp|createWriteStream|link|mkdir|mkdtemp|open|rename|rm|rmdir|symlink|truncate|unlink|writeFile)(Sync)?$/;
  const writers = files.filter((file) =>
    [...readFileSync(join(root, file), "utf8").matchAll(/^import \{([^}]*)\} from "node:fs(?:\/promises)?";$/gm)]
      .flatMap(([, names]) => names!.split(","))
      .some((name) => changes.test(name.trim())),
  );
  // The other two fill a folder that no other process knows, and that is thrown away when they fail.
  expect(writers.sort()).toEqual(["core/node/files.ts", "data/node/cached-folder.ts", "data/node/cifar-png.ts"]);
});

describe("commands", () => {
  const toCommands = inner.filter(({ to }) => /^cli\/.*-command\.ts$/.test(to));

  test("are imported only by the list of commands", () =>
    expect([...new Set(toCommands.map(({ from }) => from))]).toEqual(["cli/commands.ts"]));

  test("are the only users of commander, and cli the only user of progress bars", () =>
    expect(edges.filter(({ from, to }) => ["commander", "cli-progress"].includes(to) && layerOf(from) !== "cli").map(edge)).toEqual([]));
});
