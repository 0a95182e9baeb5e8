/** The version of this package, from its package.json. */

import { readFileSync } from "node:fs";

/** Reads the version from package.json, which is three folders up, in `src` and in `dist` alike. */
export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8")) as { version: string };
  return version;
}
