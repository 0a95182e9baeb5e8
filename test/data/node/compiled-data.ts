/** src/data, compiled as the build does it. Worker threads and child processes cannot run TypeScript on every supported version of Node. */

import { execFileSync } from "node:child_process";
import { mkdtempSync, symlinkSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../", import.meta.url));

/** The folder with the compiled `data/` and `core/`. A link leads to the npm packages. */
export function compileData(): { folder: string; remove(): Promise<void> } {
  const folder = mkdtempSync(join(tmpdir(), "separable-compiled-"));
  writeFileSync(join(folder, "package.json"), `{ "type": "module" }`);
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"), "junction");
  const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin", "tsc");
  const entries = ["batch-worker.ts", "decode-worker.ts", "prefetch-batches.ts", "batch-loader.ts", "cached-folder.ts"].map((file) =>
    join(root, "src/data/node", file),
  );
  const language = "--target ES2022 --lib ES2023,DOM --types node --module NodeNext --rewriteRelativeImportExtensions --skipLibCheck".split(
    " ",
  );
  const places = ["--rootDir", join(root, "src"), "--outDir", folder];
  execFileSync(process.execPath, [tsc, "--ignoreConfig", ...language, ...places, ...entries], { cwd: root });
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}
