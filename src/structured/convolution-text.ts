/**
 * Specs as text: `TensorTrain_0.44`, or `./my-family.ts:MyKind_4` for the family of a module. Text comes from users and from recorded runs.
 * Inside the program, specs are typed.
 */

import { ConfigError } from "../core/errors.ts";
import { nearestWord } from "../core/nearest-word.ts";
import { families } from "./families.ts";
import { type FamilySpec, type HyperParameter, mostOf, type StructuredFamily } from "./family.ts";
import { layersOf } from "./layer-specs.ts";
import { builtInFamily, type ConvolutionKind, type ConvolutionSpec } from "./spec.ts";
import { windowsOf } from "./window-sum.ts";

export { convolutionName, formatConvolution } from "./convolution-name.ts";

/** A family that a text names, and the module that the family comes from. */
export interface NamedFamily {
  readonly family: StructuredFamily;
  readonly module: string | undefined;
}

/**
 * The records of the modules that this process has loaded, by the module's absolute path. Like Node's own cache of modules, it only grows.
 */
const loadedModules = new Map<string, readonly StructuredFamily[]>();

/** Makes the records of a module known to `parseConvolution`. `module` is the absolute path of the module. */
export const provideFamilies = (module: string, records: readonly StructuredFamily[]): void => void loadedModules.set(module, records);

/** Whether the records of a module are known. */
export const isProvided = (module: string): boolean => loadedModules.has(module);

/** Splits a text into its module and its form. The path of a module may contain colons, and the form may not. */
export function splitModule(text: string): { readonly module: string | undefined; readonly form: string } {
  const colon = text.lastIndexOf(":");
  const form = text.slice(colon + 1);
  // A colon before a separator of folders, as in `C:\families`, is part of a path.
  return colon < 1 || form.includes("/") || form.includes("\\")
    ? { module: undefined, form: text }
    : { module: text.slice(0, colon), form };
}

const label = ({ name, textOffset = 0 }: HyperParameter): string => (textOffset === 0 ? `<${name}>` : `<${name} + ${textOffset}>`);

/** How a family is written: `MatrixTensorTrain_<rank>[_<cores>]`. */
export const textForm = ({ kind, parameters }: StructuredFamily): string =>
  kind + parameters.map((parameter) => (parameter.default === undefined ? `_${label(parameter)}` : `[_${label(parameter)}]`)).join("");

export const convolutionKinds = families.map(({ kind }) => kind) as readonly ConvolutionKind[];

/** The texts that `--conv` takes, for help and errors. */
export const convolutionForms = [
  ...families.map((family) => textForm(family as StructuredFamily)),
  "any of these with x<windows> for several windows",
  "several of these with commas between them for one in each layer",
  "or <module>:<Kind>_<numbers> for a family of your own",
].join(", ");

/**
 * The family that a text names, with or without its hyper-parameters; undefined for a text that names none, or a module that is not loaded.
 */
export function familyNamed(text: string): NamedFamily | undefined {
  const { module, form } = splitModule(text);
  const kind = form.split("_")[0]!;
  const family = module === undefined ? builtInFamily(kind) : loadedModules.get(module)?.find((record) => record.kind === kind);
  return family && { family, module };
}

const inRange = (parameter: HyperParameter, value: number): boolean =>
  (parameter.range === "whole" ? Number.isInteger(value) && value >= 1 : value > 0) && value <= mostOf(parameter);

/** The hyper-parameters that follow the kind; undefined where they are not what the family takes. */
function readParameters({ kind, parameters }: StructuredFamily, form: string): FamilySpec | undefined {
  const numbers = form.split("_").slice(1);
  if (numbers.length > parameters.length) return undefined;
  const spec: Record<string, string | number> = { kind };
  for (const [i, parameter] of parameters.entries()) {
    const text = numbers[i];
    if (text !== undefined && !/^\d+(\.\d+)?$/.test(text)) return undefined;
    const value = text === undefined ? parameter.default : Number(text) - (parameter.textOffset ?? 0);
    if (value === undefined || !inRange(parameter, value)) return undefined;
    spec[parameter.name] = value;
  }
  return spec as FamilySpec;
}

/** The rule that the numbers of a family's text follow. */
function numbersRule({ kind, parameters }: StructuredFamily): string {
  const shifted = parameters.find(({ textOffset = 0 }) => textOffset > 0);
  if (shifted !== undefined) {
    const { name, textOffset = 0 } = shifted;
    return ` with an integer from ${1 + textOffset} to ${mostOf(shifted) + textOffset} (${kind}_n has n − ${textOffset} ${name})`;
  }
  if (parameters.length === 0) return "";
  return ` with numbers above 0 (${parameters.map((parameter) => `${parameter.name} at most ${mostOf(parameter)}`).join(", ")})`;
}

/** A text that is made of other texts: `Generic_0.25x2` or `Generic_0.1,Sep`; undefined for any other text. Its parts are built in. */
function readComposed(text: string): ConvolutionSpec | undefined {
  if (splitModule(text).module !== undefined) return undefined;
  if (text.includes(",")) {
    const specs = text.split(",").map(readBuiltIn);
    return specs.every((spec) => spec !== undefined) ? layersOf(specs) : undefined;
  }
  const [, inner, windows] = /^(.*[^x])x([1-9]\d{0,2})$/.exec(text) ?? [];
  const spec = inner === undefined ? undefined : readBuiltIn(inner);
  return spec && windowsOf(spec, Number(windows));
}

/** The spec of a built-in family, with or without windows. */
function readBuiltIn(text: string): ConvolutionSpec | undefined {
  const family = builtInFamily(text.split("_")[0]!);
  const spec = family && readParameters(family, text);
  return spec === undefined ? (text.includes(",") ? undefined : readComposed(text)) : (spec as ConvolutionSpec);
}

/** The mistake in the hyper-parameters of a family that exists; undefined for other texts. */
export function convolutionRefusal(text: string): string | undefined {
  const named = familyNamed(text);
  if (named === undefined || readComposed(text) !== undefined || readParameters(named.family, splitModule(text).form) !== undefined)
    return undefined;
  const { family } = named;
  return `takes ${family.kind} as ${textForm(family)}${numbersRule(family)}, got "${text}"`;
}

/**
 * `TensorTrain_0.44` as a spec. The module that a text names must have been loaded.
 * @throws ConfigError for a text that names no family, for hyper-parameters that the family does not take, and for a module that is not
 * loaded.
 */
export function parseConvolution(text: string): ConvolutionSpec {
  const named = familyNamed(text);
  const spec = named && readParameters(named.family, splitModule(text).form);
  if (spec !== undefined) return specFor(named!, spec);
  const composed = readComposed(text);
  if (composed !== undefined) return composed;
  throw new ConfigError(`convolution: ${convolutionRefusal(text) ?? unknownFamily(text)}`);
}

/** The spec of a family that `familyNamed` has found. */
export const specFor = ({ family, module }: NamedFamily, spec: FamilySpec): ConvolutionSpec =>
  module === undefined ? (spec as ConvolutionSpec) : { kind: "own", family, spec, module };

/** The family among `records` that a text probably means, with the numbers of the text where the family takes them. */
function suggestionAmong(records: readonly StructuredFamily[], form: string): string {
  const [kind, ...numbers] = form.split("_");
  const meant = nearestWord(
    kind!,
    records.map((record) => record.kind),
  );
  const family = records.find((record) => record.kind === meant);
  if (family === undefined) return "";
  const corrected = [family.kind, ...numbers].join("_");
  return `; did you mean ${readParameters(family, corrected) === undefined ? textForm(family) : corrected}?`;
}

/** The end of a message about a text that names no family: `; did you mean TensorTrain_0.5?`, or nothing. */
export function convolutionSuggestion(text: string): string {
  const { module, form } = splitModule(text);
  return module === undefined ? suggestionAmong(families as readonly unknown[] as readonly StructuredFamily[], form) : "";
}

function unknownFamily(text: string): string {
  const { module, form } = splitModule(text);
  if (module === undefined) return `must be one of ${convolutionForms}, got "${text}"${convolutionSuggestion(text)}`;
  const records = loadedModules.get(module);
  if (records === undefined) return `the module ${module} must be loaded before "${text}" is read; load it with resolveConvolution`;
  return `must be one of ${records.map(textForm).join(", ")} of ${module}, got "${form}"${suggestionAmong(records, form)}`;
}

/**
 * Checks a text as `parseConvolution` does. Of a module that is not loaded yet, it checks only that the text has the form of a spec.
 * @throws ConfigError
 */
export function checkConvolution(text: string): void {
  const { module, form } = splitModule(text);
  const awaitsModule = module !== undefined && !loadedModules.has(module);
  if (!awaitsModule || !/^[A-Za-z][A-Za-z0-9]*(_\d+(\.\d+)?)*$/.test(form)) parseConvolution(text);
}
