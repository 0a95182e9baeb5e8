/**
 * node build-page.mjs [folder]
 *
 * Bundles the page and its worker into a folder (default: dist/playground) that any host of static files can serve. What both need is one file, and
 * what only some visitors need (graphics devices, the other builds of the kernels) is loaded on demand.
 */

import { copyFile, mkdir, readFile, rm } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { labEntryPoints, labFacts, writeLabPages } from "./labs/build-labs.mjs";

const root = new URL("../../", import.meta.url);
const page = new URL("./page/", import.meta.url);
const [, , folder] = process.argv;
const out = folder === undefined ? new URL("dist/playground/", root) : pathToFileURL(`${folder}/`);
const { version } = JSON.parse(await readFile(new URL("package.json", root), "utf8"));

const facts = await labFacts();

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
await build({
  entryPoints: {
    main: new URL("main.ts", page).pathname,
    worker: new URL("worker.ts", import.meta.url).pathname,
    "isolation-worker": new URL("isolation-worker.ts", page).pathname,
    ...labEntryPoints,
  },
  outdir: out.pathname,
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "browser",
  target: "es2022",
  minify: true,
  chunkNames: "parts/[name]-[hash]",
  external: ["node:*"],
  define: { packageVersion: JSON.stringify(version), opFacts: JSON.stringify(facts) },
  logLevel: "warning",
});
for (const file of ["index.html", "page.css", "icon.svg"]) await copyFile(new URL(file, page), new URL(file, out));
await writeLabPages(out, facts);
