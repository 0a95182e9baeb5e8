/** Options that set settings. */

import type { Command } from "commander";
import { simdNames } from "../backend/wasm/host/simd.ts";
import type { Rule } from "../experiment/rules.ts";
import { type SettingName, type Settings, settingRules } from "../experiment/setting-rules.ts";
import { argument } from "./argument.ts";

export type SettingOption = readonly [name: SettingName, flags: string, description: string];

/** Adds options to a command. The rule of each setting checks its argument. */
export function addSettingOptions(command: Command, options: readonly SettingOption[]): void {
  for (const [name, flags, description] of options)
    command.option(flags, description, argument(command.name(), longFlag(flags), settingRules[name] as Rule<unknown>));
}

/** `--depth <n>` → `--depth`. */
export const longFlag = (flags: string): string => flags.split(" ")[0]!;

/** The settings among the options of a command. */
export const settingsIn = (options: Partial<Settings>): Partial<Settings> =>
  Object.fromEntries(Object.entries(options).filter(([name]) => name in settingRules));

const threads: SettingOption = ["threads", "--threads <n>", "threads of the wasm backend (default: one per core)"];
const simd: SettingOption = [
  "simd",
  "--simd <build>",
  `build of the wasm kernels: ${simdNames.join(", ")} (default: the last of these that runs here)`,
];

/** The settings of the wasm backend, as options of the commands that train or use networks. */
export const machineOptions: readonly SettingOption[] = [
  threads,
  ["memoryLimit", "--memory-limit <MiB>", "memory of the wasm backend (its maximumBytes)"],
  simd,
];

/** Adds the options of the wasm backend to a command that has no limit of memory. */
export const addWasmOptions = (command: Command): void => addSettingOptions(command, [threads, simd]);
