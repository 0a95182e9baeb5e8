/** Reads the sources for the graph walker: the facts of the ops in its graphs, and pages of the files that the facts name. */

import { copyFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { build } from "esbuild";

const root = new URL("../../../../", import.meta.url);
const here = new URL("./", import.meta.url);
const gradientTable = "test/grad/gradient-table.ts";

/** What `at-build.ts` exports. It needs no package, so its bundle is imported as it is. */
async function loadAtBuild() {
  const bundle = await build({
    entryPoints: [new URL("at-build.ts", here).pathname],
    bundle: true,
    format: "esm",
    platform: "neutral",
    write: false,
  });
  return import(`data:text/javascript;base64,${Buffer.from(bundle.outputFiles[0].contents).toString("base64")}`);
}

const readSource = async (path) => ({ path, text: await readFile(new URL(path, root), "utf8") });

/** The facts of all ops in the graphs of the walker, by the name of the op. */
export async function opFacts() {
  const { opFactsOf, opsOfPrograms } = await loadAtBuild();
  const files = (await readdir(new URL("src/ops/", root))).map((file) => `src/ops/${file}`);
  const facts = opFactsOf(await Promise.all(files.map(readSource)), await readSource(gradientTable));
  return Object.fromEntries(opsOfPrograms().map((op) => [op, facts[op]]));
}

/** Writes a page for each source file that the facts name, into labs/source of the folder `out`. */
export async function writeSourcePages(out, facts) {
  const { formatSourcePage, sourcePage } = await loadAtBuild();
  const folder = new URL("labs/source/", out);
  await mkdir(folder, { recursive: true });
  await copyFile(new URL("source.css", here), new URL("source.css", folder));
  const paths = new Set(Object.values(facts).flatMap(({ file, test }) => [file, ...(test === undefined ? [] : [test.file])]));
  for (const path of paths) await writeFile(new URL(sourcePage(path), folder), formatSourcePage(await readSource(path)));
}
