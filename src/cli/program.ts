/** The program `separable`: reads the command line, runs the command, and reports errors. */

import { inspect } from "node:util";
import { Command, CommanderError } from "commander";
import { SeparableError } from "../core/errors.ts";
import { Interruption } from "../experiment/interruption.ts";
import { packageVersion } from "../experiment/node/version.ts";
import type { CommandContext } from "./command.ts";
import { commands } from "./commands.ts";
import { printableOutput } from "./printable-output.ts";
import type { Terminal } from "./terminal.ts";

/**
 * Runs one command line (without the name of the program) and resolves to the exit code: 0, 1 after an error, 130 after Ctrl-C. An error is
 * one line on stderr, `separable: <class>: <message>`, or with --json `{"error":{"name":…,"message":…}}`. The option --verbose adds the
 * stack.
 */
export async function run(argv: readonly string[], { stdout, stderr, ...rest }: Terminal): Promise<number> {
  const terminal: Terminal = { ...rest, stdout: printableOutput(stdout), stderr: printableOutput(stderr) };
  const context: CommandContext = { terminal, exitCode: 0 };
  const called = calledCommand(argv);
  try {
    await (await createProgram(called, context)).parseAsync([...argv], { from: "user" });
    return context.exitCode;
  } catch (error) {
    const form = { json: argv.includes("--json"), verbose: argv.includes("--verbose") };
    return reportError(error, terminal, form);
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
    .configureHelp({ showGlobalOptions: true, subcommandTerm: (command) => `${command.name()} ${command.usage()}` });
  for (const entry of commands) {
    const command = new Command(entry.name).description(entry.description);
    const { arguments: words = [] } = entry;
    for (const [name, description] of words) command.argument(name, description);
    // An argument in brackets has older options in its place. The help shows it as one that is needed.
    command.usage(["[options]", ...words.map(([name]) => name.replace(/^\[(.*)\]$/, "<$1>"))].join(" "));
    if (entry.name === called) (await entry.load())(command, context);
    // The help writes [options] after a command that has an option. All commands have --json.
    else command.option("--json");
    if (entry.readsRuns) addFamilyOption(command);
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

/**
 * Adds `--family`, which loads modules before the command begins. A module is a program, and only the command line may name a program: a
 * run, a checkpoint or a grid may come from somebody else.
 */
function addFamilyOption(command: Command): void {
  command
    .option(
      "--family <file>",
      "load families of your own from this module, for runs and grids that name it; may be repeated",
      (file: string, files: readonly string[] = []) => [...files, file],
    )
    .hook("preAction", async () => {
      const { family = [] } = command.opts<{ readonly family?: readonly string[] }>();
      if (family.length === 0) return;
      const { loadFamilyModule } = await import("../experiment/node/load-family.ts");
      for (const file of family) await loadFamilyModule(file);
    });
}

interface ErrorForm {
  /** Whether the error is written as JSON. */
  readonly json: boolean;
  /** Whether its stack is written too. */
  readonly verbose: boolean;
}

/** Writes an error to stderr as one line, and returns the exit code. */
function reportError(error: unknown, { stderr }: Terminal, { json, verbose }: ErrorForm): number {
  // Help and version have been printed already. A command line without a command is a mistake, whose message is the help itself.
  if (error instanceof CommanderError && (error.exitCode === 0 || error.code === "commander.help")) return error.exitCode;
  const { name, message } = describeError(error, verbose);
  const stack = verbose ? inspect(error) : undefined;
  if (json) stderr.write(`${JSON.stringify({ error: { name, message, ...(stack === undefined ? {} : { stack }) } })}\n`);
  else {
    stderr.write(error instanceof Interruption ? `${message}\n` : `separable: ${name}: ${message}\n`);
    if (stack !== undefined) stderr.write(`${stack}\n`);
  }
  return error instanceof Interruption ? Interruption.exitCode : 1;
}

/** The class of an error, and its message on one line. */
function describeError(error: unknown, verbose: boolean): { readonly name: string; readonly message: string } {
  // The message is `error: unknown option '--epoch'`, with `(Did you mean --epochs?)` on a line of its own.
  if (error instanceof CommanderError)
    return { name: "ConfigError", message: `${oneLine(suggesting(error.message.replace(/^error: /, "")))}; see separable --help` };
  if (error instanceof Interruption) return { name: "Interruption", message: "Interrupted; nothing was written." };
  const { name, message } = error instanceof Error ? error : { name: "Error", message: String(error) };
  // An error that is no SeparableError is a fault of this program, so the message says how to see its stack.
  const hint = error instanceof SeparableError || verbose ? "" : " (--verbose says where)";
  return { name, message: `${oneLine(message)}${hint}` };
}

/** The options that other programs have under a name too far from ours for Commander to suggest ours. */
const namesElsewhere: Readonly<Record<string, string>> = {
  "--lr": "--learning-rate",
  "--wd": "--weight-decay",
  "--bs": "--batch-size",
  "--arch": "--network",
  "--model": "--network",
  "--dataset": "--data",
  "--device": "--backend",
  "--gpu": "--backend",
  "--workers": "--threads",
};

/** The message about an unknown option, with our name of the option that other programs call so. */
function suggesting(message: string): string {
  const ours = namesElsewhere[/^unknown option '([^'=]*)/.exec(message)?.[1] ?? ""];
  return ours === undefined ? message : `${message.split("\n")[0]} (Did you mean ${ours}?)`;
}

/** The text with its lines joined, in linear time. */
const oneLine = (text: string): string =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .join(" ");
