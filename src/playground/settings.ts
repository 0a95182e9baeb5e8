/** What a visitor of the playground chooses, and the settings of the runs that follow from it. */

import type { GpuModeName } from "../backend/gpu/gpu-mode.ts";
import { DataError } from "../core/errors.ts";
import { choice, integer, type Rule, type RuleValue } from "../experiment/rules.ts";
import type { Settings } from "../experiment/setting-rules.ts";
import { settingRules } from "../experiment/setting-rules.ts";
import { resolveSettings } from "../experiment/settings.ts";
import { convolutionKinds, splitModule } from "../structured/convolution-text.ts";

/** `pictures` are files of the visitor. Only the visitor's browser has them, so a link cannot bring them along. */
export const dataSources = ["synthetic", "cifar10", "pictures"] as const;
export type DataSource = (typeof dataSources)[number];

/** The graphics devices on which a page can compute, in the order in which `auto` tries them. */
export const graphicsDevices = ["webgpu", "webgl2"] as const satisfies readonly GpuModeName[];

/** The two runs of a page. They train by turns on the same images. */
export const runNames = ["a", "b"] as const;
export type RunName = (typeof runNames)[number];

/** A built-in convolution, as `--conv` writes it. A family of a module is a program, and a link must not bring one. */
const convolution: Rule<string> = {
  ...settingRules.conv,
  allowed: `a built-in convolution: one of ${convolutionKinds.join(", ")}, with their numbers`,
  accepts: (value): value is string => settingRules.conv.accepts(value) && splitModule(value).module === undefined,
  parse: (argument) => (convolution.accepts(argument) ? argument : undefined),
};

/** `none` stands for a run that is left out. */
const optionalConvolution: Rule<string> = {
  ...convolution,
  allowed: `none, or ${convolution.allowed}`,
  accepts: (value): value is string => value === "none" || convolution.accepts(value),
  parse: (argument) => (optionalConvolution.accepts(argument) ? argument : undefined),
};

/** A family that a run changes to, before a step. */
export interface FamilyChange {
  readonly run: RunName;
  /** Finished steps of the run, from 1. */
  readonly step: number;
  readonly conv: string;
}

const changeForm = /^([ab])@([1-9]\d{0,6}):(.+)$/;
/** The most changes that a link may hold. */
const mostChanges = 16;

const isChange = (value: unknown): value is FamilyChange => {
  const { run, step, conv } = value as FamilyChange;
  return (runNames as readonly unknown[]).includes(run) && Number.isSafeInteger(step) && step >= 1 && convolution.accepts(conv);
};

/** Changes as text: `a@120:TensorTrain_0.5+b@200:Sep`; `none` stands for no change. */
const changes: Rule<readonly FamilyChange[]> = {
  allowed: `none, or at most ${mostChanges} changes such as a@120:TensorTrain_0.5, joined by +`,
  accepts: (value): value is readonly FamilyChange[] => Array.isArray(value) && value.length <= mostChanges && value.every(isChange),
  parse: (argument) => {
    if (argument === "none") return [];
    const read = argument.split("+").map((part) => {
      const [, run, step, conv = ""] = changeForm.exec(part) ?? [];
      return { run, step: Number(step), conv } as FamilyChange;
    });
    return changes.accepts(read) ? read : undefined;
  },
};

/** The values that each choice may have. The names are those of the link. */
export const playgroundRules = {
  data: choice(dataSources),
  /** Images to train on, and to test on. */
  train: integer({ least: 32, most: 50_000 }),
  test: integer({ least: 16, most: 10_000 }),
  network: choice(["wrn", "fast"]),
  /** Of `wrn` only. */
  depth: integer({ least: 10, most: 40 }),
  /** The channels of `wrn` are 16, 32 and 64 times the width. Those of `fast` are 16, 32 and 32 times the width. */
  width: integer({ least: 1, most: 8 }),
  a: convolution,
  b: optionalConvolution,
  epochs: integer({ least: 1, most: 200 }),
  batch: integer({ least: 8, most: 512 }),
  optimizer: choice(["sgd", "adam", "muon"]),
  rate: settingRules.learningRate,
  augment: choice(["none", "flip", "crop:4,flip"]),
  seed: settingRules.seed,
  changes,
  /** `auto` is the faster of a hardware device and wasm. A device that is named computes also where the processor stands in for it. */
  backend: choice(["wasm", "auto", ...graphicsDevices]),
  /** Threads of the run, and the build of its kernels. 0 and `auto` leave the choice to the machine. */
  threads: integer({ least: 0, most: 64 }),
  simd: choice(["auto", "baseline", "relaxed"]),
} as const satisfies Record<string, Rule<unknown>>;

export type PlaygroundSettings = { readonly [K in keyof typeof playgroundRules]: RuleValue<(typeof playgroundRules)[K]> };
export type ChoiceName = keyof PlaygroundSettings;

/** What a visitor starts with: a small network, dense beside Tensor-Train, on images that need no download. */
export const defaultSettings: PlaygroundSettings = {
  data: "synthetic",
  train: 2000,
  test: 500,
  network: "wrn",
  depth: 10,
  width: 1,
  a: "Conv",
  b: "TensorTrain_0.5",
  epochs: 4,
  batch: 32,
  optimizer: "sgd",
  rate: 0.1,
  augment: "flip",
  seed: 0,
  changes: [],
  backend: "wasm",
  threads: 0,
  simd: "auto",
};

/** The learning rate with which each optimiser starts. A rate of SGD would be far too high for the others. */
export const usualRates: Readonly<Record<PlaygroundSettings["optimizer"], number>> = { sgd: 0.1, adam: 0.003, muon: 0.02 };

/** The runs of the settings, with the convolution that each begins with. */
export const runsOf = ({ a, b }: PlaygroundSettings): readonly (readonly [name: RunName, conv: string])[] =>
  b === "none"
    ? [["a", a]]
    : [
        ["a", a],
        ["b", b],
      ];

/** The text of a choice, as links have it. */
export function formatChoice(name: ChoiceName, settings: PlaygroundSettings): string {
  if (name !== "changes") return String(settings[name]);
  const written = settings.changes.map(({ run, step, conv }) => `${run}@${step}:${conv}`);
  return written.length === 0 ? "none" : written.join("+");
}

/** The channels of `fast`, for each unit of width. */
const fastChannels = [16, 32, 32] as const;

/** The path that a run on the visitor's pictures records in the place of a folder. */
export const picturesPath = "./pictures";

/**
 * The settings of a run of the command line that trains the same network on the same images.
 * @throws ConfigError for settings that contradict each other, such as a depth that the network cannot have.
 */
export function settingsOfRun(chosen: PlaygroundSettings, conv: string): Settings {
  const { data, train, test, network, depth, width, epochs, batch, optimizer, rate, augment, seed } = chosen;
  return resolveSettings("quick", {
    data: data === "pictures" ? picturesPath : data,
    limitTrain: train,
    limitTest: test,
    network,
    ...(network === "wrn" ? { depth, width } : { widths: fastChannels.map((channels) => channels * width) }),
    conv,
    epochs,
    batchSize: batch,
    dropLast: true,
    optimizer,
    learningRate: rate,
    augment,
    seed,
  });
}

/** Checks choices that come from elsewhere, such as another thread. @throws DataError that names the first wrong one. */
export function checkChoices(value: Readonly<Record<string, unknown>>): PlaygroundSettings {
  for (const [name, rule] of Object.entries(playgroundRules) as [string, Rule<unknown>][])
    if (!rule.accepts(value[name])) throw new DataError(`playground: ${name} must be ${rule.allowed}, got ${String(value[name])}`);
  return value as PlaygroundSettings;
}
