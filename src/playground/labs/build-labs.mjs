/**
 * What the bundler needs for the labs: their scripts, what the sources say about the ops, and the files that are copied. A lab `name` is the
 * page name.html, the style name.css and the folder name with main.ts.
 */

import { copyFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { build } from "esbuild";

const root = new URL("../../../", import.meta.url);
const here = new URL("./", import.meta.url);

/** The labs by name. */
const labs = ["graph-walker", "contraction"];
const gradientTable = "test/grad/gradient-table.ts";

export const labEntryPoints = Object.fromEntries(labs.map((lab) => [`labs/${lab}`, new URL(`${lab}/main.ts`, here).pathname]));

/** Runs a module of TypeScript that needs no package. */
async function load(path) {
  const { outputFiles } = await build({
    entryPoints: [new URL(path, here).pathname],
    bundle: true,
    format: "esm",
    platform: "neutral",
    write: false,
  });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`);
}

const readSource = async (path) => ({ path, text: await readFile(new URL(path, root), "utf8") });

/** The facts of all ops that the graph walker shows. */
export async function labFacts() {
  const { opFactsOf, opsOfPrograms } = await load("graph-walker/at-build.ts");
  const files = (await readdir(new URL("src/ops/", root))).map((file) => `src/ops/${file}`);
  const facts = opFactsOf(await Promise.all(files.map(readSource)), await readSource(gradientTable));
  return Object.fromEntries(opsOfPrograms().map((op) => [op, facts[op]]));
}

/** Writes the pages of the labs, and the pages of the sources that the facts name. */
export async function writeLabPages(out, facts) {
  const { formatSourcePage, sourcePage } = await load("graph-walker/source-page.ts");
  await mkdir(new URL("labs/source/", out), { recursive: true });
  for (const file of [...labs.flatMap((lab) => [`${lab}.html`, `${lab}.css`]), "source.css"])
    await copyFile(new URL(file, here), new URL(`labs/${file}`, out));
  const paths = new Set(Object.values(facts).flatMap(({ file, test }) => [file, ...(test === undefined ? [] : [test.file])]));
  for (const path of paths) await writeFile(new URL(`labs/source/${sourcePage(path)}`, out), formatSourcePage(await readSource(path)));
}
