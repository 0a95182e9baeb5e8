import type { Terminal } from "./terminal.ts";

/** What a command is given, and where it leaves its exit code when that is not 0. */
export interface CommandContext {
  readonly terminal: Terminal;
  exitCode: number;
}
