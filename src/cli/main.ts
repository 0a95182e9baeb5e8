#!/usr/bin/env node
/** The command line, on the real process. */

import { basename, relative } from "node:path";
import { run } from "./program.ts";

// A reader that has seen enough (`| head`) must not end a run that is being saved elsewhere.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

// A run of a sweep stops, and saves, when the sweep is no more; until then the channel to it must not keep a finished run alive.
process.once("disconnect", () => process.kill(process.pid, "SIGTERM"));
process.channel?.unref();

const script = process.argv[1] ?? "separable";

process.exitCode = await run(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  invocation: basename(script) === "separable" ? "separable" : `node ${relative(process.cwd(), script)}`,
  signals: process,
  exit: (code) => process.exit(code),
});
