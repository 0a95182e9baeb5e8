/** `separable repl`: Node's prompt with the library in scope. Tensors print, and `await` works at the top level. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { type REPLServer, start } from "node:repl";
import type { Command } from "commander";
// The prompt is a user of the package, so it imports the entries that every user has.
import * as library from "separable";
import * as nodeLibrary from "separable/node";
import { cacheFolder } from "../data/node/cache-folder.ts";
import { type BackendOption, backendHelp, backendRule } from "../experiment/backend-names.ts";
import { describeBackend, startBackend } from "../experiment/node/start-backend.ts";
import { packageVersion } from "../experiment/node/version.ts";
import { argument } from "./argument.ts";
import type { CommandContext } from "./command.ts";
import { addWasmOptions } from "./setting-options.ts";

interface ReplOptions {
  readonly backend: BackendOption;
  readonly threads?: number;
  readonly simd?: "baseline" | "relaxed" | "wide";
}

/** What the prompt has in scope beside the globals of JavaScript: the entries `separable` and `separable/node`, also as `s`. */
const scopeOfPrompt: Readonly<Record<string, unknown>> = { ...library, ...nodeLibrary };

export function replCommand(command: Command, context: CommandContext): void {
  command.option("--backend <name>", `one of ${backendHelp}`, argument("repl", "--backend", backendRule), "auto");
  addWasmOptions(command);
  command.action((options: ReplOptions) => converse(options, context));
}

/** Reads, evaluates and prints until the end of the input. */
async function converse({ backend: wanted, threads, simd }: ReplOptions, { terminal }: CommandContext): Promise<void> {
  const backend = await startBackend({ backend: wanted, threads, simd });
  terminal.stdout.write(
    `separable ${packageVersion()}, ${describeBackend(backend)}. Everything that separable and separable/node export is in scope, ` +
      "and in `s`.\nTry  add(tensor([1, 2]), 3)   or  .help\n",
  );
  const server = start({ prompt: "> ", input: process.stdin, output: process.stdout });
  provide(server);
  // The command .clear makes a new context.
  server.on("reset", () => provide(server));
  if (server.terminal) keepHistory(server);
  await new Promise<void>((resolve) => server.once("exit", resolve));
}

/** Puts the library into the context, except for names that JavaScript or Node has there already, such as Buffer. */
function provide({ context }: REPLServer): void {
  for (const [name, value] of Object.entries(scopeOfPrompt)) if (!(name in globalThis)) context[name] = value;
  context.s = scopeOfPrompt;
}

/** Lines that were typed are there again next time, on a machine that has a cache of data sets. */
function keepHistory(server: REPLServer): void {
  const folder = cacheFolder();
  if (existsSync(folder)) server.setupHistory(join(folder, "repl-history"), () => undefined);
}
