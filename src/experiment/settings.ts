/**
 * The settings of a training run: what its options set, its presets fill in and its config.json records. A run is decided by these
 * and by nothing else.
 */

import { ConfigError, DataError } from "../core/errors.ts";
import { convolutionForms, convolutionRefusal, formatConvolution, parseConvolution } from "../structured/convolution-text.ts";
import type { FamilyOptions } from "../structured/family.ts";
import { Adam } from "../train/adam.ts";
import type { Classifier } from "../train/evaluate.ts";
import type { Optimizer } from "../train/optimizer.ts";
import { decayGroups } from "../train/parameter-groups.ts";
import { cosine, multiStep, oneCycle, type Schedule } from "../train/schedules.ts";
import { Sgd } from "../train/sgd.ts";
import { augmentationForms, parseAugmentation } from "./augment-spec.ts";
import { backendRule } from "./backend-names.ts";
import { type NetworkSpec, networkKinds, networks, sizeRefusal } from "./network-spec.ts";
import { type PresetName, presets } from "./presets.ts";
import { choice, flag, integer, milestones, number, optional, path, type Rule, type RuleValue, text } from "./rules.ts";

export const dataNames = ["cifar10", "cifar100", "synthetic"] as const;

/** What each setting may be. The names are those of the options, in camel case. */
export const settingRules = {
  data: choice(dataNames),
  folder: optional(path),
  limitTrain: optional(integer({ least: 1 })),
  limitTest: optional(integer({ least: 1 })),
  augment: text(augmentationForms, parseAugmentation),
  network: choice(networkKinds),
  depth: optional(integer({ least: 1 })),
  width: optional(integer({ least: 1 })),
  conv: { ...text(`one of ${convolutionForms}`, parseConvolution), refusal: convolutionRefusal },
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

/** Learning rate of Adam where neither an option nor the preset was made for it: SGD's would be a hundred times too high. */
const adamRate = 0.003;

/** Attention transfer alone, as the paper trains its students (paper, §4). */
const teaching = { alpha: 0, temperature: 4, beta: 1000 } as const;

/** Options that stand for something only beside another, with what that is. */
const dependent: readonly (readonly [names: readonly SettingName[], belongs: string, stands: (settings: Settings) => boolean])[] = [
  [["momentum", "nesterov"], "--optimizer sgd", ({ optimizer }) => optimizer === "sgd"],
  [["milestones", "factor"], "--schedule multi-step", ({ schedule }) => schedule === "multi-step"],
  [["threads", "memoryLimit"], "--backend wasm", ({ backend }) => backend === "wasm" || backend === "auto"],
  [["alpha", "temperature", "beta"], "--teacher", ({ teacher }) => teacher !== undefined],
  [["dropPath", "auxiliary"], "--network darts", ({ network }) => network === "darts"],
  [["attentionSplit"], "--network wrn", ({ network }) => network === "wrn"],
  [["dropout"], "--network wrn or mobilenet-v2", ({ network }) => network === "wrn" || network === "mobilenet-v2"],
];

const option = (name: string): string => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** Explicit options over the preset. @throws ConfigError for options that contradict each other. */
export function resolveSettings(preset: PresetName, explicit: Partial<Settings>): Settings {
  const chosen = presets[preset];
  const retuned = explicit.optimizer !== undefined && (explicit.optimizer === "sgd") !== (chosen.optimizer === "sgd");
  const { network = chosen.network } = explicit;
  const settings: Settings = {
    ...chosen,
    // A preset's sizes, and what it has for its network alone, are of no use to another.
    ...(network === chosen.network
      ? {}
      : {
          depth: undefined,
          width: undefined,
          ...networks[network].sizes,
          conv: formatConvolution(networks[network].dense),
          dropout: 0,
          dropPath: undefined,
          auxiliary: undefined,
        }),
    ...(retuned ? { learningRate: explicit.optimizer === "sgd" ? presets.quick.learningRate : adamRate } : {}),
    ...(explicit.momentum === 0 ? { nesterov: false } : {}),
    ...(explicit.teacher === undefined ? {} : teaching),
    ...explicit,
  };
  const refuse = (rule: string): never => {
    throw new ConfigError(`train: ${rule}`);
  };
  const { optimizer, schedule, backend } = settings;
  const got: Readonly<Record<string, string>> = {
    "--optimizer sgd": `--optimizer ${optimizer}`,
    "--schedule multi-step": `--schedule ${schedule}`,
    "--backend wasm": `--backend ${backend}`,
    "--teacher": "none",
  };
  for (const [names, belongs, stands] of dependent)
    if (!stands(settings))
      for (const name of names)
        if (explicit[name] !== undefined) refuse(`${option(name)} belongs to ${belongs}, got ${got[belongs] ?? `--network ${network}`}`);
  const wrongSize = sizeRefusal(network, settings.network === chosen.network ? settings : explicit);
  if (wrongSize !== undefined) refuse(wrongSize);
  if (schedule === "multi-step" && settings.milestones === undefined)
    refuse("--schedule multi-step needs --milestones, such as --milestones 60,120,160");
  if (settings.data === "synthetic" && settings.folder !== undefined) refuse("--folder has no use with --data synthetic");
  return settings;
}

/** Settings read from `source`. @throws DataError naming the first that is not what it may be. */
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

export const networkOf = ({ network, depth, width, dropout, attentionSplit, auxiliary = 0, conv }: Settings): NetworkSpec => ({
  kind: network,
  depth,
  width,
  dropout,
  attentionSplit,
  auxiliary: auxiliary > 0,
  convolution: parseConvolution(conv),
});

/**
 * What `--drop-last` is where it is not given: a last batch of one image is left out, because batch norms have no variance of one value. Runs
 * that were recorded without the setting keep their last batch, so they resume bit for bit.
 */
export const dropsLast = ({ batchSize, dropLast }: Pick<Settings, "batchSize" | "dropLast">, images: number): boolean | undefined =>
  dropLast ?? (images > batchSize && images % batchSize === 1 ? true : undefined);

/** Runs recorded before there were structured layers lack these settings. */
export const familyOptionsOf = ({ init = "reference", mode = "auto" }: Settings): FamilyOptions => ({ init, mode });

/**
 * λ of structured maps: scaled by the compression ratio, the paper's CRS decay, unless switched off. `ratio` is asked for only where it is needed.
 */
export const structuredDecay = ({ weightDecay, crs = true }: Settings, ratio: () => number): number =>
  crs ? weightDecay * ratio() : weightDecay;

/** With Frobenius decay the factors themselves have none: their product's penalty is part of the loss. */
export function createOptimizer(
  { optimizer, momentum, nesterov, weightDecay, frobeniusDecay = false }: Settings,
  model: Classifier,
  structured: number,
): Optimizer {
  const groups = decayGroups(model, { full: weightDecay, compressed: frobeniusDecay ? 0 : structured });
  if (optimizer === "sgd") return new Sgd(groups, { momentum, nesterov });
  return new Adam(groups, { decoupled: optimizer === "adamw" });
}

/** Rate of drop-path, rising evenly from 0 over the epochs. */
export const dropPathSchedule = ({ dropPath = 0, epochs }: Settings): Schedule | undefined =>
  dropPath === 0 ? undefined : (epoch) => (dropPath * Math.floor(epoch)) / epochs;

export function createSchedule({ schedule, learningRate, epochs, milestones: passed = [], factor }: Settings): Schedule {
  if (schedule === "one-cycle") return oneCycle({ peak: learningRate, epochs });
  if (schedule === "cosine") return cosine({ base: learningRate, epochs });
  return multiStep({ base: learningRate, milestones: passed, factor });
}
