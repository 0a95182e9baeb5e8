/** What a command needs of the process in which it runs. A test passes a substitute. */

import { Interruption } from "../experiment/interruption.ts";
import { type Output, printableLine } from "./printable-output.ts";

export interface Terminal {
  readonly stdout: Output;
  readonly stderr: Output;
  /** How the user calls this program. The commands that messages suggest begin with it. */
  readonly invocation: string;
  /** The path of this program, which sweeps start for each run. */
  readonly program: string;
  /** Emits SIGINT and SIGTERM. */
  readonly signals: {
    on(signal: NodeJS.Signals, listener: () => void): unknown;
    off(signal: NodeJS.Signals, listener: () => void): unknown;
  };
  /** Ends the process at once. */
  exit(code: number): void;
}

/**
 * Runs `body` with a signal that the first Ctrl-C (or SIGTERM) aborts, so that `body` can save its work and return. A second Ctrl-C ends
 * the process.
 *
 * @param announce is called before the signal is aborted.
 */
export async function interruptible<T>(terminal: Terminal, announce: () => void, body: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const onSignal = (): void => {
    if (controller.signal.aborted) {
      terminal.exit(Interruption.exitCode);
      return;
    }
    announce();
    controller.abort(new Interruption("interrupted"));
  };
  const names = ["SIGINT", "SIGTERM"] as const;
  for (const name of names) terminal.signals.on(name, onSignal);
  try {
    return await body(controller.signal);
  } finally {
    for (const name of names) terminal.signals.off(name, onSignal);
  }
}

/** Reports something that the user should know. */
export const writeNote = ({ stderr }: Pick<Terminal, "stderr">, note: string): void => void stderr.write(`note: ${printableLine(note)}\n`);

/** Writes one JSON value on a line of its own. */
export const writeJson = (output: Output, value: unknown): void => {
  output.write(`${JSON.stringify(value)}\n`);
};

/** Notes for the user, a line each. They go to stderr, because stdout carries results. */
export function writeNotes({ stderr }: Pick<Terminal, "stderr">, notes: readonly string[]): void {
  for (const note of notes) stderr.write(`note: ${printableLine(note)}\n`);
}
