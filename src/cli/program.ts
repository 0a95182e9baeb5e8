/** The program `separable`: reads the command line, runs the command, and reports errors. */

import { inspect } from "node:util";
import { Command, CommanderError } from "commander";
import { SeparableError } from "../core/errors.ts";
import { Interruption } from "../experiment/interruption.ts";
import { packageVersion } from "../experiment/node/version.ts";
import type { CommandContext } from "./command.ts";
import { commands, loadCommand } from "./commands.ts";
import type { Terminal } from "./terminal.ts";

/**
 * Runs one command line (without the name of the program) and resolves to the exit code: 0, 1 after an error, 130 after Ctrl-C. An error is
 * one line on stderr, `separable: <class>: <message>`. The option --verbose adds the stack.
 */
export async function run(argv: readonly string[], terminal: Terminal): Promise<number> {
  const context: CommandContext = { terminal, exitCode: 0 };
  const called = calledCommand(argv);
  try {
    await (await createProgram(called, context)).parseAsync([...argv], { from: "user" });
    return context.exitCode;
  } catch (error) {
    return report(error, terminal, argv.includes("--verbose"));
  } finally {
    if (called !== undefined) (await import("../experiment/node/start-backend.ts")).stopBackend();
  }
}

/**
 * The command that a command line calls. `separable help train` needs the options of `train` too. Options of the program take no arguments.
 */
const calledCommand = (argv: readonly string[]): string | undefined => argv.find((word) => !word.startsWith("-") && word !== "help");

/** The program with all commands, of which only the called one has its options. */
async function createProgram(called: string | undefined, context: CommandContext): Promise<Command> {
  const { terminal } = context;
  const program = new Command("separable")
    .description("Train small WideResNets on a CPU, from scratch and in the open.")
    .version(packageVersion(), "-V, --version", "print the version")
    .option("--verbose", "print where an error came from")
    .configureHelp({ showGlobalOptions: true });
  for (const entry of commands) {
    const command = new Command(entry.name).description(entry.description);
    for (const [name, description] of entry.arguments ?? []) command.argument(name, description);
    if (entry.name === called) (await loadCommand(entry))(command, context);
    // The help writes [options] after a command that has an option. All commands have --json.
    else command.option("--json");
    program.addCommand(command);
  }
  for (const command of [program, ...program.commands]) {
    if (command !== program) command.copyInheritedSettings(program);
    command.exitOverride().configureOutput({
      writeOut: (text) => terminal.stdout.write(text),
      // Errors are reported in one place and one form, by `report` below.
      outputError: () => undefined,
      writeErr: (text) => terminal.stderr.write(text),
      getOutHelpWidth: () => terminal.stdout.columns ?? 100,
    });
  }
  return program;
}

function report(error: unknown, terminal: Terminal, verbose: boolean): number {
  if (error instanceof CommanderError) {
    // Help and version have been printed already. A command line without a command is a mistake, whose message is the help itself.
    if (error.exitCode === 0 || error.code === "commander.help") return error.exitCode;
    // The message is `error: unknown option '--epoch'`, with `(Did you mean --epochs?)` on a line of its own.
    terminal.stderr.write(`separable: ConfigError: ${oneLine(error.message.replace(/^error: /, ""))}; see separable --help\n`);
    return 1;
  }
  if (error instanceof Interruption) {
    terminal.stderr.write("Interrupted; nothing was written.\n");
    return Interruption.exitCode;
  }
  const name = error instanceof Error ? error.name : "Error";
  const message = error instanceof Error ? error.message : String(error);
  // An error that is no SeparableError is a fault of this program, so the message says how to see its stack.
  const hint = error instanceof SeparableError || verbose ? "" : " (--verbose says where)";
  terminal.stderr.write(`separable: ${name}: ${oneLine(message)}${hint}\n`);
  if (verbose) terminal.stderr.write(`${inspect(error)}\n`);
  return 1;
}

const oneLine = (text: string): string => text.replaceAll(/\s*\n\s*/g, " ").trim();
