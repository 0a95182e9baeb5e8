/**
 * Hooks that Node calls, in a thread of their own, for every module that is imported after `loadFamilies` has registered them. They let a user's module
 * be TypeScript on every supported version of Node, and they let it import `separable` from wherever it lies.
 */

import { readFile } from "node:fs/promises";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { transform } from "esbuild";

/** The entry points of this program by the names that a user's module imports. */
export type EntryPoints = Readonly<Record<string, string>>;

interface Resolved {
  readonly url: string;
  readonly format?: string | null;
  readonly shortCircuit?: boolean;
}

interface Loaded {
  readonly format: string;
  readonly source: string;
  readonly shortCircuit: boolean;
}

let entryPoints: EntryPoints = {};

/** Called once by Node with the data of `register`. */
export function initialize(given: EntryPoints): void {
  entryPoints = given;
}

/** `separable` is the program's own instance: another one would have other classes and another active backend. */
export function resolve<C>(
  specifier: string,
  context: C,
  next: (specifier: string, context: C) => Promise<Resolved>,
): Resolved | Promise<Resolved> {
  const own = Object.hasOwn(entryPoints, specifier) ? entryPoints[specifier] : undefined;
  return own === undefined ? next(specifier, context) : { url: own, shortCircuit: true };
}

/** TypeScript is transformed here because Node strips types only from version 22.18. */
export async function load<C>(url: string, context: C, next: (url: string, context: C) => Promise<Loaded>): Promise<Loaded> {
  if (!url.startsWith("file:") || ![".ts", ".mts"].includes(extname(new URL(url).pathname))) return next(url, context);
  const source = await readFile(new URL(url), "utf8");
  const { code } = await transform(source, { loader: "ts", format: "esm", target: "es2022", sourcefile: fileURLToPath(url) });
  return { format: "module", source: code, shortCircuit: true };
}
