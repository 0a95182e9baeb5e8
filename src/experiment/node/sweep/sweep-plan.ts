/** The file of a sweep: a grid of networks × convolutions × seeds × teachers, which is expanded into runs. */

import { dirname, resolve } from "node:path";
import { parseJson } from "../../../core/json.ts";
import { suggestion } from "../../../core/nearest-word.ts";
import { readText } from "../../../core/node/read-file.ts";
import { quote } from "../../../core/quote.ts";
import { familyNamed, formatConvolution, type NamedFamily } from "../../../structured/convolution-text.ts";
import { solveBudget } from "../../budget.ts";
import { dataFacts } from "../../data-facts.ts";
import { type PresetName, presetNames } from "../../presets.ts";
import { isDataName, type Settings, settingRules } from "../../setting-rules.ts";
import { networkOf, resolveSettings } from "../../settings.ts";
import { classesOfData } from "../data-classes.ts";
import { loadFamilies } from "../load-family.ts";
import { checkRunOptions, createRun, type RunOptions, refuse, type SweepRun } from "./sweep-run.ts";

/** The content of the file. The preset fills in what the file leaves out. */
export interface SweepFile {
  /** Default: "quick". */
  readonly preset?: PresetName;
  /** Settings of every run. */
  readonly settings?: RunOptions;
  /** Settings of one network each, such as `{ "network": "wrn", "depth": 16, "width": 1 }`. */
  readonly networks?: readonly RunOptions[];
  /** Convolution specs. Beside `budgets`, a family alone is allowed too. */
  readonly convolutions?: readonly string[];
  /** Numbers of parameters. Each family gets one run for each of them. */
  readonly budgets?: readonly number[];
  readonly seeds?: readonly number[];
  /** `null` for no teacher, or `{ "teacher": "path of a run", "beta": 1000 }`. A path is relative to the file. */
  readonly teachers?: readonly (RunOptions | null)[];
}

const keys = ["preset", "settings", "networks", "convolutions", "budgets", "seeds", "teachers"] as const satisfies (keyof SweepFile)[];

/** The most runs of a grid. A grid of more runs is a mistake: its list alone would fill the memory. */
const mostRuns = 1_000_000;
/** The most budgets that are solved, since each of them takes some thirty counts of a network. */
const mostBudgets = 10_000;

/** Reads the file of a sweep. @throws DataError for a file that is not JSON, ConfigError that says what is wrong with the grid. */
export async function readSweep(path: string): Promise<SweepRun[]> {
  const text = await readText(path, { op: "sweep", remedy: "name a file with a grid" });
  const located = await withPlacedPaths(checkFile(parseJson(text, `sweep: ${path}`), path), dirname(path));
  return expandSweep(located, dirname(path), await folderClasses(located));
}

/** The number of classes of each folder of images in the file. */
async function folderClasses({ settings = {}, networks = [] }: SweepFile): Promise<Map<string, number>> {
  const folders = [settings, ...networks].flatMap(({ data }) => (data === undefined || isDataName(data) ? [] : [data]));
  return new Map(await Promise.all(folders.map(async (data) => [data, (await classesOfData(data)).length] as const)));
}

/**
 * The file with absolute paths. The paths of modules and images are relative to the file. A module must have been loaded, because a file
 * may come from somebody else.
 */
async function withPlacedPaths(file: SweepFile, folder: string): Promise<SweepFile> {
  const located = (text: string): Promise<string> => loadFamilies(text, { modules: "provided", from: folder });
  // An overwritten option keeps its place, so the commands of a dry run have the order of the file.
  const optionsOf = async (options: RunOptions): Promise<RunOptions> => {
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

function checkFile(file: unknown, path: string): SweepFile {
  if (typeof file !== "object" || file === null || Array.isArray(file)) return refuse(`${path} must hold an object`);
  for (const [name, value] of Object.entries(file)) {
    if (!(keys as readonly string[]).includes(name))
      refuse(`${path} must hold ${keys.join(", ")} and nothing else, got ${quote(name)}${suggestion(name, keys)}`);
    const list = name !== "preset" && name !== "settings";
    if (list && (!Array.isArray(value) || value.length === 0)) refuse(`${name} must be a list that is not empty, got ${quote(value)}`);
  }
  const { preset, settings = {}, networks: sizes = [], convolutions = [], budgets = [], teachers = [] } = file as SweepFile;
  if (preset !== undefined && !presetNames.includes(preset)) {
    const near = typeof preset === "string" ? suggestion((preset as string).slice(0, 80), presetNames) : "";
    refuse(`preset must be one of ${presetNames.join(", ")}, got ${quote(preset)}${near}`);
  }
  checkRunOptions(settings);
  for (const options of sizes) checkRunOptions(options);
  for (const options of teachers) if (options !== null) checkRunOptions(options);
  for (const convolution of convolutions)
    if (typeof convolution !== "string") refuse(`convolutions must be texts such as "Sep", got ${quote(convolution)}`);
  for (const budget of budgets)
    if (!Number.isSafeInteger(budget) || budget < 1) refuse(`budgets must be integers ≥ 1, got ${quote(budget)}`);
  return file as SweepFile;
}

/**
 * All runs of the grid, in its order.
 * @param folders The number of classes of each folder of images, which a budget needs. Default: none.
 * @throws ConfigError for settings that are not allowed, and for two runs of one name.
 */
export function expandSweep(file: SweepFile, folder: string, folders: ReadonlyMap<string, number> = new Map()): SweepRun[] {
  const { preset = "quick", settings = {}, networks: sizes = [{}], convolutions = [undefined], budgets = [undefined] } = file;
  const { seeds = [undefined], teachers = [null] } = file;
  checkExtent([sizes, convolutions, budgets, seeds, teachers].map(({ length }) => length));
  const runs: SweepRun[] = [];
  const ids = new Set<string>();
  for (const size of sizes)
    for (const convolution of convolutions)
      for (const conv of convolutionsOf(convolution, budgets, resolveSettings(preset, { ...settings, ...size }), folders))
        for (const seed of seeds)
          for (const teacher of teachers) {
            const placed = (options: RunOptions): RunOptions =>
              options.teacher === undefined
                ? options
                : {
                    ...options,
                    teacher: resolve(folder, options.teacher),
                    ...(options.teacherCache === undefined ? {} : { teacherCache: resolve(folder, options.teacherCache) }),
                  };
            const explicit = placed({
              ...settings,
              ...size,
              ...(conv === undefined ? {} : { conv }),
              ...(seed === undefined ? {} : { seed }),
              ...teacher,
            });
            checkRunOptions(explicit);
            const run = createRun(preset, explicit);
            if (ids.has(run.id)) refuse(`every run of the grid must differ in network, convolution, seed or teacher, got ${run.id} twice`);
            ids.add(run.id);
            runs.push(run);
          }
  return runs;
}

/** @throws ConfigError for a grid that is too large to be expanded. */
function checkExtent([networks, convolutions, budgets, seeds, teachers]: readonly number[]): void {
  const solved = budgets! > 1 ? networks! * convolutions! * budgets! : 0;
  if (solved > mostBudgets)
    refuse(`networks × convolutions × budgets must be at most ${mostBudgets}, got ${solved}; split the grid into several files`);
  const runs = networks! * convolutions! * budgets! * seeds! * teachers!;
  if (runs > mostRuns) refuse(`the grid must have at most ${mostRuns} runs, got ${runs}; split it into several files`);
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
