/**
 * The trained network that a command reads. Every command takes it as its first argument: `eval RUN`, `predict RUN IMAGE…`, `compress RUN`.
 */

import { type Command, Option } from "commander";
import { ConfigError } from "../core/errors.ts";
import { path } from "../experiment/rules.ts";
import { argument } from "./argument.ts";

/** The older names of the argument. They keep working, and the help does not show them. */
export interface RunOptions {
  readonly run?: string;
  readonly checkpoint?: string;
}

/** Adds the older options, hidden from the help. */
export function addRunOptions(command: Command): void {
  for (const option of ["--run", "--checkpoint"])
    command.addOption(new Option(`${option} <path>`).argParser(argument(command.name(), option, path)).hideHelp());
}

/** The path of the run. @throws ConfigError when it was not given, or was given more than once. */
export function runOf(command: string, given: string | undefined, { run, checkpoint }: RunOptions): string {
  const paths = [given, run, checkpoint].filter((each) => each !== undefined);
  if (paths.length !== 1)
    throw new ConfigError(
      `${command}: needs one run, as its first argument, got ${paths.length === 0 ? "none" : paths.join(" and ")}; ` +
        `write separable ${command} runs/…`,
    );
  return paths[0]!;
}
