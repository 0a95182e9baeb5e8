/** Writes the pictures and the generated parts of the pages: `npm run docs:figures`. */

import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { initBackend } from "../../../src/backend/active.ts";
import { docs } from "../build/folders.ts";
import { generatedFiles } from "./generated-files.ts";

await initBackend(["reference"]);
for (const [path, contents] of await generatedFiles()) {
  await mkdir(dirname(join(docs, path)), { recursive: true });
  await writeFile(join(docs, path), contents);
}
