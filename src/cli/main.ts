#!/usr/bin/env node
/** The entry point of the program `separable`. */

import { Console } from "node:console";
import { basename, relative } from "node:path";
import { run } from "./program.ts";

// A reader that closes its end of the pipe (`| head`) must not end a training run.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

// The module of a family may log something. On stdout, it would stand among the results.
globalThis.console = new Console(process.stderr, process.stderr);

// The process of a run stops, and saves, when the process of its sweep ends. The channel between them must not keep a finished run alive.
process.once("disconnect", () => process.kill(process.pid, "SIGTERM"));
process.channel?.unref();

const script = process.argv[1] ?? "separable";

process.exitCode = await run(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  invocation: basename(script) === "separable" ? "separable" : `node ${relative(process.cwd(), script)}`,
  program: script,
  signals: process,
  exit: (code) => process.exit(code),
});
