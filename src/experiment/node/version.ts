/** The version of this package, from its package.json. */

import { readFileSync } from "node:fs";

/** Two folders up, from `src/cli` as from `dist/cli`. */
export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8")) as { version: string };
  return version;
}
