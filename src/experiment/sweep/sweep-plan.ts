/** A sweep's file: a grid of networks × convolutions × seeds × teachers, written down once and expanded into runs with names of their own. */

import { readFile } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { ConfigError, DataError } from "../../core/errors.ts";
import { parseJson } from "../../core/json.ts";
import { familyNamed, formatConvolution, type NamedFamily } from "../../structured/convolution-text.ts";
import { solveBudget } from "../budget.ts";
import { formatNetwork, networks } from "../network-spec.ts";
import { type PresetName, presetNames } from "../presets.ts";
import { networkOf, resolveSettings, type Settings, settingRules } from "../settings.ts";

/** Settings as a sweep's file has them: options by name, in camel case. */
type Options = Partial<Settings>;

/** The file. What it leaves out is the preset's. */
export interface SweepFile {
  readonly preset?: PresetName;
  /** For every run. */
  readonly settings?: Options;
  /** `{ "network": "wrn", "depth": 16, "width": 1 }` and the like. */
  readonly networks?: readonly Options[];
  /** Convolution specs; with `budgets`, families too. */
  readonly convolutions?: readonly string[];
  /** Each family is taken at each of these numbers of parameters. */
  readonly budgets?: readonly number[];
  readonly seeds?: readonly number[];
  /** `null` for none, or `{ "teacher": "path of a run", "beta": 1000 }`; paths are relative to the file. */
  readonly teachers?: readonly (Options | null)[];
}

/** One run of the grid. */
export interface SweepRun {
  /** Names its folder and its line of results: of the grid's place, not of chance, so that a sweep begun again knows it. */
  readonly id: string;
  readonly preset: PresetName;
  readonly explicit: Options;
  /** What the two come to. */
  readonly settings: Settings;
}

const keys = ["preset", "settings", "networks", "convolutions", "budgets", "seeds", "teachers"] as const satisfies (keyof SweepFile)[];

/** @throws DataError for a file that is not JSON, ConfigError naming what is wrong with its grid. */
export async function readSweep(path: string): Promise<SweepRun[]> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    throw new DataError(`sweep: ${path} must be readable, got ${error instanceof Error ? error.message : error}`, { cause: error });
  });
  return expandSweep(checkFile(parseJson(text, `sweep: ${path}`), path), dirname(path));
}

const refuse = (rule: string): never => {
  throw new ConfigError(`sweep: ${rule}`);
};

function checkFile(file: unknown, path: string): SweepFile {
  if (typeof file !== "object" || file === null || Array.isArray(file)) return refuse(`${path} must hold an object`);
  for (const [name, value] of Object.entries(file)) {
    if (!(keys as readonly string[]).includes(name)) refuse(`${path} must hold ${keys.join(", ")} and nothing else, got ${name}`);
    const list = name !== "preset" && name !== "settings";
    if (list && (!Array.isArray(value) || value.length === 0))
      refuse(`${name} must be a list that is not empty, got ${JSON.stringify(value)}`);
  }
  const { preset, settings, networks: sizes = [], budgets = [], teachers = [] } = file as SweepFile;
  if (preset !== undefined && !presetNames.includes(preset)) refuse(`preset must be one of ${presetNames.join(", ")}, got ${preset}`);
  for (const options of [settings ?? {}, ...sizes, ...teachers.filter((teacher) => teacher !== null)]) checkOptions(options);
  for (const budget of budgets)
    if (!Number.isSafeInteger(budget) || budget < 1) refuse(`budgets must be integers ≥ 1, got ${JSON.stringify(budget)}`);
  return file as SweepFile;
}

function checkOptions(options: unknown): void {
  const isObject = typeof options === "object" && options !== null && !Array.isArray(options);
  if (!isObject) refuse(`settings must be an object of options, got ${JSON.stringify(options)}`);
  for (const [name, value] of Object.entries(options as object)) {
    if (!Object.hasOwn(settingRules, name)) refuse(`${name} must be an option of train in camel case, such as learningRate`);
    const rule = settingRules[name as keyof Settings];
    if (!rule.accepts(value)) refuse(`${name} must be ${rule.allowed}, got ${JSON.stringify(value)}`);
  }
}

/** Every run of the grid, in the file's order. @throws ConfigError for one that cannot be, or that the grid has twice. */
export function expandSweep(file: SweepFile, folder: string): SweepRun[] {
  const { preset = "quick", settings = {}, networks: sizes = [{}], convolutions = [undefined], budgets = [undefined] } = file;
  const { seeds = [undefined], teachers = [null] } = file;
  const runs: SweepRun[] = [];
  for (const size of sizes)
    for (const convolution of convolutions)
      for (const conv of convolutionsOf(convolution, budgets, resolveSettings(preset, { ...settings, ...size })))
        for (const seed of seeds)
          for (const teacher of teachers) {
            const placed = (options: Options): Options =>
              options.teacher === undefined ? options : { ...options, teacher: resolve(folder, options.teacher) };
            const explicit = placed({
              ...settings,
              ...size,
              ...(conv === undefined ? {} : { conv }),
              ...(seed === undefined ? {} : { seed }),
              ...teacher,
            });
            checkOptions(explicit);
            const resolved = resolveSettings(preset, explicit);
            runs.push({ id: idOf(resolved), preset, explicit, settings: resolved });
          }
  const ids = runs.map(({ id }) => id);
  const twice = ids.find((id, i) => ids.indexOf(id) !== i);
  if (twice !== undefined) refuse(`every run of the grid must differ in network, convolution, seed or teacher, got ${twice} twice`);
  return runs;
}

/** A spec as it stands; a family at each budget. */
function convolutionsOf(
  text: string | undefined,
  budgets: readonly (number | undefined)[],
  settings: Settings,
): readonly (string | undefined)[] {
  const family = text === undefined || settingRules.conv.accepts(text) ? undefined : familyNamed(text);
  if (family === undefined) return [text];
  return budgets.map((budget) => {
    if (budget === undefined) return refuse(`${text} must have its hyper-parameter, such as ${text}_0.5, or the file budgets; got neither`);
    return solved(family, budget, settings);
  });
}

function solved(family: NamedFamily, budget: number, settings: Settings): string {
  const network = networkOf(settings);
  return formatConvolution(solveBudget(network, family, networks[network.kind].classes, budget).convolution);
}

/** `wrn-10-1-TensorTrain_0.44-seed0-by-teacher`. */
function idOf(settings: Settings): string {
  const { seed, teacher, alpha = 0, beta = 0 } = settings;
  const lesson =
    teacher === undefined
      ? []
      : [`by-${basename(teacher)}`, ...(alpha > 0 ? [`alpha${alpha}`] : []), ...(beta === 1000 ? [] : [`beta${beta}`])];
  return [formatNetwork(networkOf(settings)), `seed${seed}`, ...lesson].join("-");
}

/** `--learning-rate 0.1 --no-crs`: options as the command line takes them. */
export const toArguments = (explicit: Options): string[] =>
  Object.entries(explicit).flatMap(([name, value]) => {
    const option = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    if (typeof value === "boolean") return [value ? `--${option}` : `--no-${option}`];
    return value === undefined || value === null ? [] : [`--${option}`, String(value)];
  });
