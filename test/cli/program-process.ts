/** The program in a process of its own, with JSON lines as output. Tests wait for its events and not for a time. */

import { type ChildProcess, spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export interface ProgramEvent {
  readonly event: string;
  readonly id?: string;
  readonly [field: string]: unknown;
}

export interface ProgramEnd {
  readonly code: number | null;
  readonly stderr: string;
}

export interface ProgramOptions {
  readonly cwd: string;
  /** Options of Node itself. */
  readonly execArgv?: readonly string[];
  /** The environment. Default: that of the test. */
  readonly env?: NodeJS.ProcessEnv;
  /** A command line that runs another one, such as `ip netns exec name`. Default: none. */
  readonly prefix?: readonly string[];
  /** The file that Node runs. Default: the program of the package. */
  readonly file?: string;
}

export class ProgramProcess {
  static readonly path = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

  readonly child: ChildProcess;
  readonly events: ProgramEvent[] = [];
  readonly ended: Promise<ProgramEnd>;
  #stderr = "";
  readonly #said = new EventEmitter().setMaxListeners(0);

  constructor(argv: readonly string[], options: ProgramOptions) {
    const { cwd, execArgv = [], env = process.env, prefix = [], file = ProgramProcess.path } = options;
    const [command, ...rest] = [...prefix, process.execPath, ...execArgv, file, ...argv];
    this.child = spawn(command!, rest, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
    this.child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
      this.#said.emit("said");
    });
    createInterface({ input: this.child.stdout! }).on("line", (line) => {
      this.events.push(JSON.parse(line) as ProgramEvent);
      this.#said.emit("said");
    });
    this.ended = once(this.child, "close").then(([code]) => ({ code: code as number | null, stderr: this.#stderr }));
  }

  /**
   * The first event, of those said already or still to come, that is what is waited for.
   *
   * @throws Error when the program ends without it.
   */
  async until(event: string, matches: (said: ProgramEvent) => boolean = () => true): Promise<ProgramEvent> {
    return this.#until(`say ${event}`, () => this.events.find((said) => said.event === event && matches(said)));
  }

  /** Waits until stderr matches a pattern. @throws Error when the program ends without such a text. */
  async untilStderr(pattern: RegExp): Promise<string> {
    return this.#until(`complain of ${pattern}`, () => pattern.exec(this.#stderr)?.[0]);
  }

  /** The runs that had an event of a kind, in order. */
  idsOf(event: string): string[] {
    return this.events.filter((said) => said.event === event).map(({ id }) => id!);
  }

  async kill(signal: NodeJS.Signals): Promise<ProgramEnd> {
    this.child.kill(signal);
    return this.ended;
  }

  #until<T>(what: string, find: () => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const found = find();
        if (found !== undefined) resolve(found);
      };
      this.#said.on("said", look);
      void this.ended.then(() => reject(new Error(`the program must ${what}, got ${JSON.stringify(this.events)} ${this.#stderr}`)));
      look();
    });
  }
}
