/** The worker of a cell: it removes the types, runs the program with the library in reach of its imports, and sends what it prints. */

import * as separable from "separable";
import { transform } from "sucrase";
import { formatValue } from "./format-value.ts";
import type { CellMessage } from "./run-cell.ts";

/** What a cell can import. */
const modules: Readonly<Record<string, unknown>> = { separable };

function load(name: string): unknown {
  if (name in modules) return modules[name];
  throw new Error(`a cell can import ${Object.keys(modules).join(" and ")}, not ${name}`);
}

const send = (message: CellMessage): void => postMessage(message);
const print = (...values: readonly unknown[]): void => send({ line: values.map((value) => formatValue(value)).join(" ") });

/** The constructor of functions whose body may await. */
const AsyncFunction = (async () => {}).constructor as new (
  ...text: string[]
) => (require: typeof load, console: object, exports: object) => Promise<void>;

self.onmessage = async ({ data }: MessageEvent<string>) => {
  try {
    const { code } = transform(data, { transforms: ["typescript", "imports"], production: true });
    const program = new AsyncFunction("require", "console", "exports", code);
    await program(load, { ...console, log: print, error: print, warn: print, info: print }, {});
  } catch (error) {
    print(error instanceof Error ? `${error.name}: ${error.message}` : String(error));
  }
  send({ done: true });
};
