/**
 * The settings of a training run: the options of `train` set them, a preset fills in the rest, and config.json records them. The settings
 * alone decide the numbers of a run.
 */

import { DataError } from "../core/errors.ts";
import { checkConvolution, convolutionForms, convolutionRefusal, convolutionSuggestion } from "../structured/convolution-text.ts";
import { augmentationForms, parseAugmentation } from "./augment-spec.ts";
import { backendRule } from "./backend-names.ts";
import { networkKinds } from "./network-spec.ts";
import { choice, flag, integer, milestones, number, optional, path, type Rule, type RuleValue, text } from "./rules.ts";

export const dataNames = ["cifar10", "cifar100", "synthetic"] as const;

/** The values that each setting may have. A setting has the name of its option, in camel case. */
export const settingRules = {
  data: choice(dataNames),
  folder: optional(path),
  limitTrain: optional(integer({ least: 1 })),
  limitTest: optional(integer({ least: 1 })),
  augment: text(augmentationForms, parseAugmentation),
  network: choice(networkKinds),
  depth: optional(integer({ least: 1 })),
  width: optional(integer({ least: 1 })),
  conv: { ...text(`one of ${convolutionForms}`, checkConvolution), refusal: convolutionRefusal, suggestion: convolutionSuggestion },
  init: optional(choice(["reference", "spectral", "variance-preserving"])),
  mode: optional(choice(["auto", "factorized", "dense"])),
  dropout: number({ least: 0, below: 1 }),
  dropPath: optional(number({ least: 0, below: 1 })),
  auxiliary: optional(number({ least: 0 })),
  attentionSplit: optional(integer({ least: 1 })),
  teacher: optional(path),
  alpha: optional(number({ least: 0, most: 1 })),
  temperature: optional(number({ above: 0 })),
  beta: optional(number({ least: 0 })),
  epochs: integer({ least: 1 }),
  batchSize: integer({ least: 1 }),
  dropLast: optional(flag),
  optimizer: choice(["sgd", "adam", "adamw"]),
  learningRate: number({ above: 0 }),
  momentum: number({ least: 0, below: 1 }),
  nesterov: flag,
  weightDecay: number({ least: 0 }),
  crs: optional(flag),
  frobeniusDecay: optional(flag),
  schedule: choice(["one-cycle", "cosine", "multi-step"]),
  milestones: optional(milestones),
  factor: number({ above: 0, most: 1 }),
  labelSmoothing: number({ least: 0, most: 1 }),
  seed: integer({ least: 0, below: 2 ** 32 }),
  evaluateEvery: integer({ least: 1 }),
  backend: backendRule,
  threads: optional(integer({ least: 1, most: 64 })),
  memoryLimit: optional(integer({ least: 16, most: 4096 })),
} as const satisfies Record<string, Rule<unknown>>;

export type Settings = { readonly [K in keyof typeof settingRules]: RuleValue<(typeof settingRules)[K]> };
export type SettingName = keyof Settings;

/** The option that sets a setting: `learningRate` → `--learning-rate`. */
export const optionName = (name: string): string => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** Checks settings that were read from `source`. @throws DataError that names the first setting with a wrong value. */
export function checkSettings(value: unknown, source: string): Settings {
  if (typeof value !== "object" || value === null)
    throw new DataError(`settings: ${source} must hold an object, got ${JSON.stringify(value)}`);
  for (const [name, rule] of Object.entries(settingRules) as [string, Rule<unknown>][]) {
    const given = (value as Record<string, unknown>)[name];
    if (!rule.accepts(given))
      throw new DataError(`settings: ${name} in ${source} must be ${rule.allowed}, got ${JSON.stringify(given)}; restore it from a copy`);
  }
  return value as Settings;
}
