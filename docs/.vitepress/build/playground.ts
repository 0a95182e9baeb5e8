/**
 * The playground and its labs, in a folder of the files that VitePress copies as they are. They are written before a build and belong to no
 * commit.
 */

import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { docs, repository } from "./folders.ts";

/** The folder of the playground on the site. */
export const playgroundFolder = "try";

/** Writes the pages and their scripts. The mark of each page leads to the site. @throws Error where they cannot be bundled. */
export async function writePlayground(): Promise<void> {
  const script = join(repository, "src", "playground", "build-page.mjs");
  await promisify(execFile)(process.execPath, [script, join(docs, "public", playgroundFolder), "../"]);
}
