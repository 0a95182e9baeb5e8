/** The worker that runs the code of a page: it removes the types, runs the code with the library in reach, and sends what comes out. */

import * as separable from "separable";
import { transform } from "sucrase";
import { compileEntry } from "./entry.ts";
import type { Output, Reply, Request } from "./evaluator.ts";
import { formatValue } from "./format-value.ts";

type Library = Readonly<Record<string, unknown>>;

/** What the code can import. */
const modules: Readonly<Record<string, Library>> = { separable };

function load(name: string): Library {
  const module = modules[name];
  if (module === undefined) throw new Error(`this page can import ${Object.keys(modules).join(" and ")}, not ${name}`);
  return module;
}

const send = (reply: Reply): void => postMessage(reply);
const put = (kind: Output["kind"], text: string): void => send({ kind, text });

/** A program that prints more lines than this would keep the page busy, so that nobody could press Stop. */
const mostLines = 1000;
let lines = 0;

function print(...values: readonly unknown[]): void {
  lines += 1;
  if (lines <= mostLines) put("printed", values.map((value) => formatValue(value)).join(" "));
  else if (lines === mostLines + 1) put("printed", `… what follows the first ${mostLines} lines is not shown`);
}

const fail = (error: unknown): void =>
  put("error", error instanceof Error ? `${error.name}: ${error.message}` : `Thrown: ${formatValue(error)}`);

const printing = { ...console, log: print, error: print, warn: print, info: print, debug: print };

/** The constructor of functions whose body may await. */
const AsyncFunction = (async () => {}).constructor as new (
  ...text: string[]
) => (require: typeof load, console: object, exports: object) => Promise<void>;

async function runProgram(text: string): Promise<void> {
  const { code } = transform(text, { transforms: ["typescript", "imports"], production: true });
  await new AsyncFunction("require", "console", "exports", code)(load, printing, {});
}

/** The names that entries see: the library, also as `s`, and the variables of earlier entries, which may replace names of the library. */
const scope: Record<string, unknown> = Object.assign(Object.create(null), separable, { s: separable, console: printing });

async function runEntry(text: string): Promise<void> {
  const { names, imports, code } = compileEntry(text);
  for (const { source, imported, local } of imports) scope[local] = imported === "*" ? load(source) : load(source)[imported];
  for (const name of names) if (!(name in scope)) scope[name] = undefined;
  // An assignment inside `with` reaches a property of the scope, so a variable lives as long as the worker.
  const run = new Function("scope", `with (scope) return (async () => {\n${code}\n})();`) as (names: object) => Promise<Result | undefined>;
  const result = await run(scope);
  if (result === undefined) return;
  scope._ = result.value;
  if (result.value !== undefined) put("value", formatValue(result.value, true));
}

/** What an entry gives that ends with an expression. The value is wrapped, so that a promise is shown and not awaited. */
interface Result {
  readonly value: unknown;
}

self.onmessage = async ({ data: { kind, code } }: MessageEvent<Request>) => {
  lines = 0;
  try {
    await (kind === "program" ? runProgram(code) : runEntry(code));
  } catch (error) {
    fail(error);
  }
  send({ kind: "done" });
};
self.onunhandledrejection = (event) => {
  event.preventDefault();
  fail(event.reason);
};
