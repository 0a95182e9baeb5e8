/** Families of users' modules: `./my-family.ts:MyKind_4` names the module, and the module exports the record. */

import { access } from "node:fs/promises";
import { register } from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { ConfigError } from "../../core/errors.ts";
import { loadOptional } from "../../core/optional-package.ts";
import { quote, visible } from "../../core/quote.ts";
import { isProvided, parseConvolution, provideFamilies, splitModule } from "../../structured/convolution-text.ts";
import type { StructuredFamily } from "../../structured/family.ts";
import type { ConvolutionSpec } from "../../structured/spec.ts";
import { type EntryPoints, isTypeScript, nodeStripsTypes } from "./module-hooks.ts";

/**
 * Whether a text may have a module loaded. A module is a program that runs with the rights of this process. `load` is for the command line,
 * which the user of this process has written. `provided` is for every other text, such as a checkpoint, the file of a sweep, or a job of a
 * queue: its module must have been loaded before, by `loadFamilyModule` or `provideFamilies`.
 */
type ModulePermission = "load" | "provided";

export interface LoadOptions {
  readonly modules: ModulePermission;
  /** The folder that a relative path starts from. Default: the working directory. */
  readonly from?: string;
}

/** This file is compiled to JavaScript in the package, and stays TypeScript where a runner such as tsx runs the sources. */
const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
const besideThis = (path: string): string => new URL(`${path}.${extension}`, import.meta.url).href;

let hooked = false;

function registerHooks(): void {
  if (hooked) return;
  hooked = true;
  const data: EntryPoints = {
    separable: besideThis("../../index"),
    "separable/node": besideThis("../../node"),
    "separable/gpu": besideThis("../../gpu"),
    "separable/experiment": besideThis("../../experiment"),
  };
  register(besideThis("./module-hooks"), { data });
}

function isFamily(value: unknown): value is StructuredFamily {
  if (typeof value !== "object" || value === null) return false;
  const { kind, parameters, linear, examples } = value as Partial<Record<keyof StructuredFamily, unknown>>;
  return typeof kind === "string" && Array.isArray(parameters) && typeof linear === "function" && typeof examples === "object";
}

async function importFamilies(module: string): Promise<readonly StructuredFamily[]> {
  await access(module).catch((cause: unknown) => {
    throw new ConfigError(`convolution: a module of families must be readable, got none at ${module}; restore the file there`, {
      cause,
    });
  });
  // Node strips types itself from version 22.18 on. Before that, the hooks do it by esbuild.
  if (isTypeScript(module) && !nodeStripsTypes()) await loadOptional("convolution", ["esbuild"], () => import("esbuild"));
  registerHooks();
  const exported = await import(pathToFileURL(module).href).catch((cause: unknown) => {
    throw new ConfigError(`convolution: ${module} must load without an error, got ${cause instanceof Error ? cause.message : cause}`, {
      cause,
    });
  });
  const records = Object.values(exported as Record<string, unknown>).filter(isFamily);
  if (records.length === 0)
    throw new ConfigError(`convolution: ${module} must export the record of a family, made with defineFamily, got no such export`);
  return records;
}

/** The modules that this process has loaded. */
const loaded = new Set<string>();

/**
 * Loads a module of families, so that runs, checkpoints and sweeps may name it.
 * @returns the absolute path of the module.
 * @throws ConfigError for a module that is missing, fails to load or exports no family.
 */
export async function loadFamilyModule(module: string): Promise<string> {
  const path = resolve(module);
  provideFamilies(path, await importFamilies(path));
  loaded.add(path);
  return path;
}

/** The options of the command line that load what this process has loaded, for a process that it starts. */
export const familyArguments = (): string[] => [...loaded].flatMap((module) => ["--family", module]);

/**
 * Gives the text with the absolute path of its module, which is loaded where that is allowed. A text without a module comes back as it is.
 * @throws ConfigError for a module that must have been loaded and was not, is missing, fails to load or exports no family.
 */
export async function loadFamilies(text: string, { modules, from = "." }: LoadOptions): Promise<string> {
  const { module, form } = splitModule(text);
  if (module === undefined) return text;
  const path = resolve(from, module);
  if (modules === "load") await loadFamilyModule(path);
  else if (!isProvided(path))
    throw new ConfigError(
      `convolution: ${quote(text, 1000)} names a module, which is a program; ` +
        `if you trust this program, add --family ${visible(path, 1000)}`,
    );
  return `${path}:${form}`;
}

/**
 * The spec that a text stands for; its module is loaded first.
 * @throws ConfigError as `loadFamilies` does, and for a text that is no spec.
 */
export const resolveConvolution = async (text: string, options: LoadOptions): Promise<ConvolutionSpec> =>
  parseConvolution(await loadFamilies(text, options));

/** Checks that the module that a configuration names has been loaded. @throws ConfigError unless it has. */
export async function checkRecordedFamily(config: unknown): Promise<void> {
  const conv = (config as { readonly settings?: { readonly conv?: unknown } } | null | undefined)?.settings?.conv;
  if (typeof conv === "string") await loadFamilies(conv, { modules: "provided" });
}
