/** What a command needs of the process around it, so that a test can stand in for it. */

/** A stream that text goes to: stdout carries results, stderr everything else. */
export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface Terminal {
  readonly stdout: Output;
  readonly stderr: Output;
  /** How the user runs this program: for the commands we suggest. */
  readonly invocation: string;
  /** Where SIGINT and SIGTERM arrive. */
  readonly signals: {
    on(signal: NodeJS.Signals, listener: () => void): unknown;
    off(signal: NodeJS.Signals, listener: () => void): unknown;
  };
  /** Ends the process at once. */
  exit(code: number): void;
}

/** The work was interrupted by the user: nothing went wrong, and the exit code is the shell's 128 + SIGINT. */
export class Interruption extends Error {
  override name = "Interruption";
  static readonly exitCode = 130;
}

/**
 * Runs `body` with a signal that the first Ctrl-C (or SIGTERM) aborts after announcing it, so that `body` can save and leave; a second one
 * ends the process.
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

/** One JSON value on a line of its own. */
export const writeJson = (output: Output, value: unknown): void => {
  output.write(`${JSON.stringify(value)}\n`);
};

/** Notes for the user, a line each. They go to stderr, because stdout carries results. */
export function writeNotes({ stderr }: Pick<Terminal, "stderr">, notes: readonly string[]): void {
  for (const note of notes) stderr.write(`note: ${note}\n`);
}
