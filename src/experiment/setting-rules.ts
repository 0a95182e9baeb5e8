/**
 * The settings of a training run: the options of `train` set them, a preset fills in the rest, and config.json records them. The settings
 * alone decide the numbers of a run.
 */

import { simdNames } from "../backend/wasm/host/simd.ts";
import { ConfigError, DataError } from "../core/errors.ts";
import { suggestion } from "../core/nearest-word.ts";
import { quote } from "../core/quote.ts";
import { dartsLimits } from "../models/darts.ts";
import { fastNetLimits } from "../models/fast-net.ts";
import { wideResNetLimits } from "../models/wide-resnet.ts";
import { checkConvolution, convolutionForms, convolutionRefusal, convolutionSuggestion } from "../structured/convolution-text.ts";
import { augmentationForms, parseAugmentation } from "./augment-spec.ts";
import { backendRule } from "./backend-names.ts";
import { networkKinds } from "./network-spec.ts";
import { choice, flag, integer, milestones, number, optional, path, perChannel, type Rule, type RuleValue, text, three } from "./rules.ts";

export const dataNames = ["cifar10", "cifar100", "synthetic"] as const;
export type DataName = (typeof dataNames)[number];

/** Whether a setting names a data set that every machine knows. Any other setting is the path of a folder of images. */
export const isDataName = (data: string): data is DataName => (dataNames as readonly string[]).includes(data);

/** A name, or a path. A path has a separator, so that a misspelt name does not pass for one. */
const dataRule: Rule<string> = {
  ...text(`one of ${dataNames.join(", ")}, or the path of a folder of images such as ./pictures`, (data) => {
    if (!isDataName(data) && !/[/\\]/.test(data)) throw new ConfigError(`data: must be a name or a path with a separator, got ${data}`);
    if (data.includes("\0")) throw new ConfigError("data: must not hold NUL");
  }),
  suggestion: (name) => suggestion(name, dataNames),
};

/** The largest number of images, of epochs, and of a factor such as a learning rate. Every number has a largest value. */
const [mostImages, mostEpochs, mostNumber] = [100_000_000, 1_000_000, 1e12];

/** The values that each setting may have. A setting has the name of its option, in camel case. */
export const settingRules = {
  data: dataRule,
  folder: optional(path),
  limitTrain: optional(integer({ least: 1, most: mostImages })),
  limitTest: optional(integer({ least: 1, most: mostImages })),
  imageSize: optional(integer({ least: 8, most: 1024 })),
  testShare: optional(number({ least: 0, most: 1 })),
  onBadImage: optional(choice(["error", "skip"])),
  mean: optional(perChannel({ least: -mostNumber, most: mostNumber })),
  std: optional(perChannel({ above: 0, most: mostNumber })),
  augment: text(augmentationForms, parseAugmentation),
  network: choice(networkKinds),
  depth: optional(integer({ least: 1, most: wideResNetLimits.depth })),
  width: optional(integer({ least: 1, most: dartsLimits.channels })),
  widths: optional(three({ least: 1, most: fastNetLimits.width })),
  conv: { ...text(`one of ${convolutionForms}`, checkConvolution), refusal: convolutionRefusal, suggestion: convolutionSuggestion },
  init: optional(choice(["reference", "spectral", "variance-preserving"])),
  mode: optional(choice(["auto", "factorized", "dense"])),
  dropout: number({ least: 0, below: 1 }),
  dropPath: optional(number({ least: 0, below: 1 })),
  auxiliary: optional(number({ least: 0, most: mostNumber })),
  attentionSplit: optional(integer({ least: 1, most: wideResNetLimits.depth })),
  initFrom: optional(path),
  teacher: optional(path),
  teacherCache: optional(path),
  alpha: optional(number({ least: 0, most: 1 })),
  temperature: optional(number({ above: 0, most: mostNumber })),
  beta: optional(number({ least: 0, most: mostNumber })),
  epochs: integer({ least: 1, most: mostEpochs }),
  batchSize: integer({ least: 1, most: 65_536 }),
  dropLast: optional(flag),
  optimizer: choice(["sgd", "adam", "adamw", "muon"]),
  learningRate: number({ above: 0, most: mostNumber }),
  momentum: number({ least: 0, below: 1 }),
  nesterov: flag,
  iterations: optional(integer({ least: 1, most: 20 })),
  normalise: optional(flag),
  normRate: optional(number({ above: 0, most: mostNumber })),
  vectorRate: optional(number({ above: 0, most: mostNumber })),
  classifierRate: optional(number({ above: 0, most: mostNumber })),
  lookahead: optional(number({ least: 0, most: 1 })),
  ema: optional(number({ least: 0, below: 1 })),
  weightDecay: number({ least: 0, most: mostNumber }),
  crs: optional(flag),
  frobeniusDecay: optional(flag),
  structuredRates: optional(flag),
  schedule: choice(["one-cycle", "triangular", "cosine", "multi-step"]),
  warmup: optional(number({ least: 0, below: 1 })),
  startRate: optional(number({ least: 0, most: mostNumber })),
  endRate: optional(number({ least: 0, most: mostNumber })),
  milestones: optional(milestones(mostEpochs)),
  factor: number({ above: 0, most: 1 }),
  labelSmoothing: number({ least: 0, most: 1 }),
  seed: integer({ least: 0, below: 2 ** 32 }),
  evaluateEvery: integer({ least: 1, most: mostEpochs }),
  backend: backendRule,
  threads: optional(integer({ least: 1, most: 64 })),
  memoryLimit: optional(integer({ least: 16, most: 4096 })),
  simd: optional(choice(simdNames)),
} as const satisfies Record<string, Rule<unknown>>;

export type Settings = { readonly [K in keyof typeof settingRules]: RuleValue<(typeof settingRules)[K]> };
export type SettingName = keyof Settings;

/** The option that sets a setting: `learningRate` → `--learning-rate`. */
export const optionName = (name: string): string => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** Checks settings that were read from `source`. @throws DataError that names the first setting with a wrong value. */
export function checkSettings(value: unknown, source: string): Settings {
  if (typeof value !== "object" || value === null)
    throw new DataError(`settings: ${source} must hold an object, got ${quote(value)}; restore it from a copy`);
  for (const [name, rule] of Object.entries(settingRules) as [string, Rule<unknown>][]) {
    const given = (value as Record<string, unknown>)[name];
    if (!rule.accepts(given))
      throw new DataError(`settings: ${name} in ${source} must be ${rule.allowed}, got ${quote(given)}; restore it from a copy`);
  }
  return value as Settings;
}
