/** The program `separable`: its commands, and how it fails. */

import { inspect } from "node:util";
import { Command, CommanderError } from "commander";
import { SeparableError } from "../core/errors.ts";
import { Interruption } from "../experiment/interruption.ts";
import { stopBackend } from "../experiment/node/start-backend.ts";
import { packageVersion } from "../experiment/node/version.ts";
import { benchCommand } from "./bench-command.ts";
import type { CommandContext } from "./command-context.ts";
import { compressCommand } from "./compress-command.ts";
import { convertCommand } from "./convert-command.ts";
import { countCommand } from "./count-command.ts";
import { dataCommand } from "./data-command.ts";
import { evalCommand } from "./eval-command.ts";
import { infoCommand } from "./info-command.ts";
import { inspectCommand } from "./inspect-command.ts";
import { predictCommand } from "./predict-command.ts";
import { reportCommand } from "./report-command.ts";
import { sweepCommand } from "./sweep-command.ts";
import { sweepWorkerCommand } from "./sweep-worker-command.ts";
import type { Terminal } from "./terminal.ts";
import { trainCommand } from "./train-command.ts";
import { verifyCommand } from "./verify-command.ts";

/**
 * Runs one command line (without the program's own name) and resolves to the exit code: 0, 1 after an error, 130 after Ctrl-C. An error is
 * one line on stderr, `separable: <class>: <message>`; --verbose adds where it came from.
 */
export async function run(argv: readonly string[], terminal: Terminal): Promise<number> {
  const context: CommandContext = { terminal, exitCode: 0 };
  try {
    await createProgram(context).parseAsync([...argv], { from: "user" });
    return context.exitCode;
  } catch (error) {
    return report(error, terminal, argv.includes("--verbose"));
  } finally {
    stopBackend();
  }
}

function createProgram(context: CommandContext): Command {
  const { terminal } = context;
  const program = new Command("separable")
    .description("Train small WideResNets on a CPU, from scratch and in the open.")
    .version(packageVersion(), "-V, --version", "print the version")
    .option("--verbose", "print where an error came from")
    .configureHelp({ showGlobalOptions: true });
  for (const command of [
    trainCommand(context),
    evalCommand(context),
    predictCommand(context),
    sweepCommand(context),
    sweepWorkerCommand(context),
    reportCommand(context),
    compressCommand(context),
    convertCommand(context),
    inspectCommand(context),
    dataCommand(context),
    benchCommand(context),
    countCommand(context),
    verifyCommand(context),
    infoCommand(context),
  ])
    program.addCommand(command);
  for (const command of [program, ...program.commands]) {
    if (command !== program) command.copyInheritedSettings(program);
    command.exitOverride().configureOutput({
      writeOut: (text) => terminal.stdout.write(text),
      // Errors are reported in one place and one form, below.
      outputError: () => undefined,
      writeErr: (text) => terminal.stderr.write(text),
      getOutHelpWidth: () => terminal.stdout.columns ?? 100,
    });
  }
  return program;
}

function report(error: unknown, terminal: Terminal, verbose: boolean): number {
  if (error instanceof CommanderError) {
    // Help and version have been printed; help without a command is a mistake, whose message is the help itself.
    if (error.exitCode === 0 || error.code === "commander.help") return error.exitCode;
    // `error: unknown option '--epoch'` and `(Did you mean --epochs?)`, on lines of their own.
    terminal.stderr.write(`separable: ConfigError: ${oneLine(error.message.replace(/^error: /, ""))}; see separable --help\n`);
    return 1;
  }
  if (error instanceof Interruption) {
    terminal.stderr.write("Interrupted; nothing was written.\n");
    return Interruption.exitCode;
  }
  const name = error instanceof Error ? error.name : "Error";
  const message = error instanceof Error ? error.message : String(error);
  // An error we did not foresee is worth a report.
  const hint = error instanceof SeparableError || verbose ? "" : " (--verbose says where)";
  terminal.stderr.write(`separable: ${name}: ${oneLine(message)}${hint}\n`);
  if (verbose) terminal.stderr.write(`${inspect(error)}\n`);
  return 1;
}

const oneLine = (text: string): string => text.replaceAll(/\s*\n\s*/g, " ").trim();
