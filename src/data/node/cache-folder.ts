/** The folder in which downloaded data is kept. */

import { resolve } from "node:path";
import envPaths from "env-paths";

/** The folder that SEPARABLE_CACHE names, or else the user's cache folder on this platform (on Linux `~/.cache/separable`). */
export function cacheFolder(): string {
  const override = process.env.SEPARABLE_CACHE;
  return override ? resolve(override) : envPaths("separable", { suffix: "" }).cache;
}
