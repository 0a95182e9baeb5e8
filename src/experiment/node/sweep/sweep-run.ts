/** One run of a sweep: its options, its name, and the command that trains it. Runs of a file and runs of a queue obey the same rules. */

import { basename } from "node:path";
import { ConfigError } from "../../../core/errors.ts";
import { suggestion } from "../../../core/nearest-word.ts";
import { quote } from "../../../core/quote.ts";
import { formatNetwork } from "../../network-spec.ts";
import type { PresetName } from "../../presets.ts";
import type { Rule } from "../../rules.ts";
import { optionName, type Settings, settingRules } from "../../setting-rules.ts";
import { networkOf, resolveSettings } from "../../settings.ts";

/** Options of `train` that are settings, in camel case. */
export type RunOptions = Partial<Settings>;

/** One run of the grid. */
export interface SweepRun {
  /** The name of the run's folder and of its line of results. A sweep that is begun again finds its runs by these names. */
  readonly id: string;
  readonly preset: PresetName;
  /** The settings that the grid gives. */
  readonly explicit: RunOptions;
  /** The settings of the preset, overwritten by the explicit ones. */
  readonly settings: Settings;
}

export const refuse = (rule: string): never => {
  throw new ConfigError(`sweep: ${rule}`);
};

/** @throws ConfigError unless `options` is an object of settings whose values the command line would accept. */
export function checkRunOptions(options: unknown): asserts options is RunOptions {
  const isObject = typeof options === "object" && options !== null && !Array.isArray(options);
  if (!isObject) refuse(`settings must be an object of options, got ${quote(options)}`);
  for (const [name, value] of Object.entries(options as object)) {
    if (!Object.hasOwn(settingRules, name))
      refuse(
        `settings must be options of train in camel case, such as learningRate, got ${quote(name)}` +
          suggestion(name, Object.keys(settingRules)),
      );
    const rule: Rule<unknown> = settingRules[name as keyof Settings];
    if (rule.accepts(value)) continue;
    const near = typeof value === "string" ? (rule.suggestion?.(value.slice(0, 80)) ?? "") : "";
    refuse(`${name} must be ${rule.allowed}, got ${quote(value)}${near}`);
  }
}

/** The run of checked options. @throws ConfigError for options that contradict each other, and for a name that no folder can have. */
export function createRun(preset: PresetName, explicit: RunOptions): SweepRun {
  const settings = resolveSettings(preset, explicit);
  return { id: nameOf(settings), preset, explicit, settings };
}

/** The longest name that every usual file system allows, in bytes. */
const longestName = 255;

/** The name of a run: `wrn-10-1-TensorTrain_0.44-seed0-by-teacher`. It is the name of a folder. */
function nameOf(settings: Settings): string {
  const { seed, teacher, alpha = 0, beta = 0 } = settings;
  const teaching =
    teacher === undefined
      ? []
      : [`by-${basename(teacher)}`, ...(alpha > 0 ? [`alpha${alpha}`] : []), ...(beta === 1000 ? [] : [`beta${beta}`])];
  const name = [formatNetwork(networkOf(settings)), `seed${seed}`, ...teaching].join("-");
  if (/[/\\\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(name) || Buffer.byteLength(name) > longestName)
    refuse(
      `the name of a run must be a folder's name of at most ${longestName} bytes without control characters and separators, ` +
        `got ${quote(name)}; rename the folder of the teacher`,
    );
  return name;
}

/** Settings as options of the command line: `--learning-rate 0.1 --no-crs`. */
export const toArguments = (explicit: RunOptions): string[] =>
  Object.entries(explicit).flatMap(([name, value]) => {
    const option = optionName(name);
    if (typeof value === "boolean") return [value ? option : option.replace("--", "--no-")];
    return value === undefined || value === null ? [] : [option, String(value)];
  });
