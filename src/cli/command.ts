import type { Command } from "commander";
import type { Terminal } from "./terminal.ts";

/** What a command is given. The command leaves its exit code here when that is not 0. */
export interface CommandContext {
  readonly terminal: Terminal;
  exitCode: number;
}

/**
 * Adds the options and the action of a command. The list of commands (commands.ts) has given its name, description and arguments already.
 */
export type DefineCommand = (command: Command, context: CommandContext) => void;
