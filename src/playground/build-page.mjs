/**
 * node build-page.mjs [folder] [site]
 *
 * Bundles the page, its worker and the labs into a folder (default: dist/playground) that any host of static files can serve. `site` is the
 * address of the documentation relative to the folder, which the mark of each page leads to (default: to the playground). What several labs
 * need is one file, and what only some visitors need (graphics devices, the other builds of the kernels) is loaded on demand.
 */

import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { opFacts, writeSourcePages } from "./labs/graph-walker/build-facts.mjs";
import { labs, pages } from "./pages.mjs";

const root = new URL("../../", import.meta.url);
const page = new URL("./page/", import.meta.url);
const [, , folder, site = "./"] = process.argv;
const out = folder === undefined ? new URL("dist/playground/", root) : pathToFileURL(`${folder}/`);
/** The labs that compute in a worker. */
const withWorker = ["structure-lens", "break-gradient"];
const { version } = JSON.parse(await readFile(new URL("package.json", root), "utf8"));

const facts = await opFacts();

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
/** Bundles the entries, which share files where they share modules. `define` has constants that their modules declare. */
const bundle = (entryPoints, define = {}) =>
  build({
    entryPoints: Object.fromEntries(Object.entries(entryPoints).map(([name, path]) => [name, new URL(path, import.meta.url).pathname])),
    outdir: out.pathname,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    minify: true,
    chunkNames: "parts/[name]-[hash]",
    external: ["node:*"],
    define: { packageVersion: JSON.stringify(version), ...define },
    logLevel: "warning",
  });
/** A lab has the folder of its name. */
const entryOf = (name) => [`labs/${name}`, `./labs/${name}/main.ts`];
// The page and its worker are bundles of their own. Shared files are many, and a browser asks a server for six at a time: the page would
// wait for them about half of its time.
await bundle({ main: "./page/main.ts" });
await bundle({ worker: "./worker.ts" });
await bundle({
  ...Object.fromEntries(labs.flatMap(({ name }) => (name === "graph-walker" ? [] : [entryOf(name)]))),
  ...Object.fromEntries(withWorker.map((lab) => [`labs/${lab}-worker`, `./labs/${lab}/worker.ts`])),
});
// esbuild makes a module of a large constant and lets every entry of the bundle import it.
await bundle(Object.fromEntries([entryOf("graph-walker")]), { opFacts: JSON.stringify(facts) });
// A service worker is no module, so it imports nothing.
await bundle({ "isolation-worker": "./page/isolation-worker.ts" });
for (const file of ["page.css", "icon.svg"]) await copyFile(new URL(file, page), new URL(file, out));
for (const [path, text] of pages(site)) await writeFile(new URL(path, out), text);
for (const { name, style } of labs)
  if (style) await copyFile(new URL(`labs/${name}/style.css`, import.meta.url), new URL(`labs/${name}.css`, out));
const network = "wrn-10-1-cifar10.safetensors";
await copyFile(new URL(`labs/structure-lens/${network}`, import.meta.url), new URL(`labs/${network}`, out));
await writeSourcePages(out, facts);
