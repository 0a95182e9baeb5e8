/**
 * Builds the site or serves it while its pages are written.
 *
 *     tsx docs/.vitepress/build/main.ts build [folder]    # default: docs/.vitepress/dist
 *     tsx docs/.vitepress/build/main.ts dev
 */

import { join, resolve } from "node:path";
import { build, createServer } from "vitepress";
import { writeApiPages } from "./api-pages.ts";
import { docs } from "./folders.ts";
import { writePlayground } from "./playground.ts";
import { writeSourcePages } from "./source-pages.ts";

const [command, folder] = process.argv.slice(2);
await writeApiPages();
await writePlayground();
if (command === "build") {
  const outDir = folder === undefined ? join(docs, ".vitepress", "dist") : resolve(folder);
  await build(docs, { outDir });
  await writeSourcePages(outDir, process.env.DOCS_BASE ?? "/");
} else if (command === "dev") {
  const server = await createServer(docs);
  await server.listen();
  server.printUrls();
} else {
  throw new Error(`the command must be build or dev, got ${command}`);
}
