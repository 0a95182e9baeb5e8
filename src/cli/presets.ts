/** Recipes by name. An option given beside a preset wins over it. */

import type { Settings } from "./settings.ts";

export const presetNames = ["quick", "accurate"] as const;
export type PresetName = (typeof presetNames)[number];

/** What `npm start` runs: two epochs of CIFAR-10, about 3 minutes on two cores. Also what every option defaults to. */
const quick: Settings = {
  data: "cifar10",
  folder: undefined,
  limitTrain: undefined,
  limitTest: undefined,
  augment: "crop:4,flip",
  network: "wrn",
  depth: 10,
  width: 1,
  conv: "Conv",
  init: "reference",
  mode: "auto",
  dropout: 0,
  epochs: 2,
  batchSize: 64,
  optimizer: "sgd",
  learningRate: 0.2,
  momentum: 0.9,
  nesterov: true,
  weightDecay: 5e-4,
  crs: true,
  frobeniusDecay: false,
  schedule: "one-cycle",
  milestones: undefined,
  factor: 0.2,
  labelSmoothing: 0,
  seed: 0,
  evaluateEvery: 1,
  backend: "wasm",
  threads: undefined,
  memoryLimit: undefined,
};

export const presets: Readonly<Record<PresetName, Settings>> = {
  quick,
  accurate: { ...quick, depth: 16, epochs: 15, seed: 1 },
};

export const presetSummaries: Readonly<Record<PresetName, string>> = {
  quick: "WRN-10-1, two epochs, about 3 minutes on two cores",
  accurate: "WRN-16-1, 15 epochs, about 40 minutes on two cores, 87 %",
};
