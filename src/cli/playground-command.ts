/** `separable playground`: serves the playground on this machine. */

import type { Command } from "commander";
import { integer } from "../experiment/rules.ts";
import { argument } from "./argument.ts";
import type { CommandContext } from "./command.ts";
import { servePlayground } from "./playground-server.ts";
import { interruptible, writeJson } from "./terminal.ts";

interface PlaygroundOptions {
  readonly port: number;
  readonly json?: boolean;
}

/** The port where none is given. */
const usualPort = 8100;

export function playgroundCommand(command: Command, context: CommandContext): void {
  command
    .option(
      "--port <n>",
      "serve on this port of 127.0.0.1; 0 takes any free one",
      argument("playground", "--port", integer({ least: 0, most: 65_535 })),
      usualPort,
    )
    .option("--json", "print the address as one JSON object to stdout")
    .action((options: PlaygroundOptions) => serve(options, context));
}

/** Serves until Ctrl-C. */
async function serve({ port, json = false }: PlaygroundOptions, { terminal }: CommandContext): Promise<void> {
  const { address, close } = await servePlayground({ port });
  if (json) writeJson(terminal.stdout, { address });
  else terminal.stdout.write(`The playground is at ${address}  (Ctrl-C ends it)\n`);
  await interruptible(
    terminal,
    () => undefined,
    (signal) => new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true })),
  );
  await close();
}
