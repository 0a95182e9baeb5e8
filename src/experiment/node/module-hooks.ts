/**
 * Hooks that Node calls, in a thread of their own, for every module that is imported after `loadFamilies` has registered them. They let a
 * user's module be TypeScript on every supported version of Node, and they let it import `separable` from wherever it lies.
 */

import { readFile } from "node:fs/promises";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";

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

/** Whether a path names a module in TypeScript. */
export const isTypeScript = (path: string): boolean => [".ts", ".mts"].includes(extname(path));

/** Whether this version of Node runs TypeScript. From version 22.18 on it does. */
export const nodeStripsTypes = (): boolean => "typescript" in process.features && Boolean(process.features.typescript);

/** Transforms TypeScript by esbuild for versions of Node that do not run it. */
export async function load<C>(url: string, context: C, next: (url: string, context: C) => Promise<Loaded>): Promise<Loaded> {
  if (!url.startsWith("file:") || !isTypeScript(new URL(url).pathname) || nodeStripsTypes()) return next(url, context);
  const { transform } = await import("esbuild");
  const source = await readFile(new URL(url), "utf8");
  const { code } = await transform(source, { loader: "ts", format: "esm", target: "es2022", sourcefile: fileURLToPath(url) });
  return { format: "module", source: code, shortCircuit: true };
}
