/**
 * Runs a program of this project on the Node that computes fastest: the machine's own from Node 24 on, else Node 24 from npm where it can be
 * had. `node .ci/engines/run.mjs dist/cli/main.js train`
 */

import { spawn } from "node:child_process";
import { installedNode } from "./node.mjs";

const own = Number(process.versions.node.split(".")[0]);
const program = (own < 24 ? installedNode(24) : undefined) ?? process.execPath;
const child = spawn(program, process.argv.slice(2), { stdio: "inherit" });
// A terminal sends its signals to both processes. This one stays until the other has saved its work.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => signal !== "SIGINT" && child.kill(signal));
child.on("exit", (code, signal) => {
  process.exitCode = code ?? (signal === "SIGINT" ? 130 : 1);
});
