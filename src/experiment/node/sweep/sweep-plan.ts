/** The file of a sweep: a grid of networks × convolutions × seeds × teachers, which is expanded into runs. */

import { readFile } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { ConfigError, DataError } from "../../../core/errors.ts";
import { parseJson } from "../../../core/json.ts";
import { suggestion } from "../../../core/nearest-word.ts";
import { familyNamed, formatConvolution, type NamedFamily } from "../../../structured/convolution-text.ts";
import { solveBudget } from "../../budget.ts";
import { dataFacts } from "../../data-facts.ts";
import { formatNetwork } from "../../network-spec.ts";
import { type PresetName, presetNames } from "../../presets.ts";
import type { Rule } from "../../rules.ts";
import { isDataName, optionName, type Settings, settingRules } from "../../setting-rules.ts";
import { networkOf, resolveSettings } from "../../settings.ts";
import { classesOfData } from "../data-classes.ts";
import { loadFamilies } from "../load-family.ts";

/** Settings in the file of a sweep: options of `train` in camel case. */
type Options = Partial<Settings>;

/** The content of the file. The preset fills in what the file leaves out. */
export interface SweepFile {
  /** Default: "quick". */
  readonly preset?: PresetName;
  /** Settings of every run. */
  readonly settings?: Options;
  /** Settings of one network each, such as `{ "network": "wrn", "depth": 16, "width": 1 }`. */
  readonly networks?: readonly Options[];
  /** Convolution specs. Beside `budgets`, a family alone is allowed too. */
  readonly convolutions?: readonly string[];
  /** Numbers of parameters. Each family gets one run for each of them. */
  readonly budgets?: readonly number[];
  readonly seeds?: readonly number[];
  /** `null` for no teacher, or `{ "teacher": "path of a run", "beta": 1000 }`. A path is relative to the file. */
  readonly teachers?: readonly (Options | null)[];
}

/** One run of the grid. */
export interface SweepRun {
  /** The name of the run's folder and of its line of results. A sweep that is begun again finds its runs by these names. */
  readonly id: string;
  readonly preset: PresetName;
  /** The settings that the grid gives. */
  readonly explicit: Options;
  /** The settings of the preset, overwritten by the explicit ones. */
  readonly settings: Settings;
}

const keys = ["preset", "settings", "networks", "convolutions", "budgets", "seeds", "teachers"] as const satisfies (keyof SweepFile)[];

/** Reads the file of a sweep. @throws DataError for a file that is not JSON, ConfigError that says what is wrong with the grid. */
export async function readSweep(path: string): Promise<SweepRun[]> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    throw new DataError(`sweep: ${path} must be readable, got ${error instanceof Error ? error.message : error}`, { cause: error });
  });
  const located = await withLoadedFamilies(checkFile(parseJson(text, `sweep: ${path}`), path), dirname(path));
  return expandSweep(located, dirname(path), await folderClasses(located));
}

/** The number of classes of each folder of images in the file. */
async function folderClasses({ settings = {}, networks = [] }: SweepFile): Promise<Map<string, number>> {
  const folders = [settings, ...networks].flatMap(({ data }) => (data === undefined || isDataName(data) ? [] : [data]));
  return new Map(await Promise.all(folders.map(async (data) => [data, (await classesOfData(data)).length] as const)));
}

/** The file with the modules of its convolutions loaded. Their paths, and those of images, are relative to the file, and absolute here. */
async function withLoadedFamilies(file: SweepFile, folder: string): Promise<SweepFile> {
  const located = (text: string): Promise<string> => loadFamilies(text, { modules: "load", from: folder });
  // An overwritten option keeps its place, so the commands of a dry run have the order of the file.
  const optionsOf = async (options: Options): Promise<Options> => {
    const { conv, data, initFrom } = options;
    return {
      ...options,
      ...(data === undefined ? {} : { data: isDataName(data) ? data : resolve(folder, data) }),
      ...(initFrom === undefined ? {} : { initFrom: resolve(folder, initFrom) }),
      ...(conv === undefined ? {} : { conv: await located(conv) }),
    };
  };
  return {
    ...file,
    ...(file.settings && { settings: await optionsOf(file.settings) }),
    ...(file.networks && { networks: await Promise.all(file.networks.map(optionsOf)) }),
    ...(file.convolutions && { convolutions: await Promise.all(file.convolutions.map(located)) }),
  };
}

const refuse = (rule: string): never => {
  throw new ConfigError(`sweep: ${rule}`);
};

function checkFile(file: unknown, path: string): SweepFile {
  if (typeof file !== "object" || file === null || Array.isArray(file)) return refuse(`${path} must hold an object`);
  for (const [name, value] of Object.entries(file)) {
    if (!(keys as readonly string[]).includes(name))
      refuse(`${path} must hold ${keys.join(", ")} and nothing else, got ${name}${suggestion(name, keys)}`);
    const list = name !== "preset" && name !== "settings";
    if (list && (!Array.isArray(value) || value.length === 0))
      refuse(`${name} must be a list that is not empty, got ${JSON.stringify(value)}`);
  }
  const { preset, settings, networks: sizes = [], budgets = [], teachers = [] } = file as SweepFile;
  if (preset !== undefined && !presetNames.includes(preset))
    refuse(`preset must be one of ${presetNames.join(", ")}, got ${preset}${suggestion(String(preset), presetNames)}`);
  for (const options of [settings ?? {}, ...sizes, ...teachers.filter((teacher) => teacher !== null)]) checkOptions(options);
  for (const budget of budgets)
    if (!Number.isSafeInteger(budget) || budget < 1) refuse(`budgets must be integers ≥ 1, got ${JSON.stringify(budget)}`);
  return file as SweepFile;
}

function checkOptions(options: unknown): void {
  const isObject = typeof options === "object" && options !== null && !Array.isArray(options);
  if (!isObject) refuse(`settings must be an object of options, got ${JSON.stringify(options)}`);
  for (const [name, value] of Object.entries(options as object)) {
    if (!Object.hasOwn(settingRules, name))
      refuse(`${name} must be an option of train in camel case, such as learningRate${suggestion(name, Object.keys(settingRules))}`);
    const rule: Rule<unknown> = settingRules[name as keyof Settings];
    if (!rule.accepts(value))
      refuse(`${name} must be ${rule.allowed}, got ${JSON.stringify(value)}${rule.suggestion?.(String(value)) ?? ""}`);
  }
}

/**
 * All runs of the grid, in its order.
 * @param folders The number of classes of each folder of images, which a budget needs. Default: none.
 * @throws ConfigError for settings that are not allowed, and for two runs of one name.
 */
export function expandSweep(file: SweepFile, folder: string, folders: ReadonlyMap<string, number> = new Map()): SweepRun[] {
  const { preset = "quick", settings = {}, networks: sizes = [{}], convolutions = [undefined], budgets = [undefined] } = file;
  const { seeds = [undefined], teachers = [null] } = file;
  const runs: SweepRun[] = [];
  for (const size of sizes)
    for (const convolution of convolutions)
      for (const conv of convolutionsOf(convolution, budgets, resolveSettings(preset, { ...settings, ...size }), folders))
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

/** The specs that one entry of `convolutions` stands for: a spec stands for itself, and a family for one spec a budget. */
function convolutionsOf(
  text: string | undefined,
  budgets: readonly (number | undefined)[],
  settings: Settings,
  folders: ReadonlyMap<string, number>,
): readonly (string | undefined)[] {
  const family = text === undefined || settingRules.conv.accepts(text) ? undefined : familyNamed(text);
  if (family === undefined) return [text];
  return budgets.map((budget) => {
    if (budget === undefined) return refuse(`${text} must have its hyper-parameter, such as ${text}_0.5, or the file budgets; got neither`);
    return solved(family, budget, settings, folders);
  });
}

function solved(family: NamedFamily, budget: number, settings: Settings, folders: ReadonlyMap<string, number>): string {
  const network = networkOf(settings);
  const classes = isDataName(settings.data) ? dataFacts(settings.data).classes.length : folders.get(settings.data);
  if (classes === undefined) return refuse(`the budget of ${settings.data} needs the number of its classes, got none; name it in settings`);
  return formatConvolution(solveBudget(network, family, classes, budget).convolution);
}

/** The name of a run: `wrn-10-1-TensorTrain_0.44-seed0-by-teacher`. */
function idOf(settings: Settings): string {
  const { seed, teacher, alpha = 0, beta = 0 } = settings;
  const teaching =
    teacher === undefined
      ? []
      : [`by-${basename(teacher)}`, ...(alpha > 0 ? [`alpha${alpha}`] : []), ...(beta === 1000 ? [] : [`beta${beta}`])];
  return [formatNetwork(networkOf(settings)), `seed${seed}`, ...teaching].join("-");
}

/** Settings as options of the command line: `--learning-rate 0.1 --no-crs`. */
export const toArguments = (explicit: Options): string[] =>
  Object.entries(explicit).flatMap(([name, value]) => {
    const option = optionName(name);
    if (typeof value === "boolean") return [value ? option : option.replace("--", "--no-")];
    return value === undefined || value === null ? [] : [option, String(value)];
  });
