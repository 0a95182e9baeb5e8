/** The presets of `train`. An option that is given beside a preset overwrites the value of the preset. */

import type { Settings } from "./setting-rules.ts";

export const presetNames = [
  "quick",
  "three-minutes",
  "ten-minutes",
  "wide-resnet",
  "accurate",
  "paper-wrn",
  "paper-darts",
  "paper-wrn-50-2",
  "paper-mobilenet-v2",
] as const;
export type PresetName = (typeof presetNames)[number];

/** The settings of the machine, as the defaults leave them: a run may be tested on another machine than the one that trained it. */
export const anyMachine = { backend: "auto", threads: undefined, memoryLimit: undefined, simd: undefined } as const;

/** Two epochs of CIFAR-10 with a small WideResNet. Its values are the defaults of all options. */
const quick: Settings = {
  data: "cifar10",
  folder: undefined,
  limitTrain: undefined,
  limitTest: undefined,
  imageSize: undefined,
  testShare: undefined,
  onBadImage: undefined,
  mean: undefined,
  std: undefined,
  augment: "crop:4,flip",
  network: "wrn",
  depth: 10,
  width: 1,
  widths: undefined,
  conv: "Conv",
  init: "reference",
  mode: "auto",
  dropout: 0,
  dropPath: undefined,
  auxiliary: undefined,
  attentionSplit: undefined,
  initFrom: undefined,
  teacher: undefined,
  teacherCache: undefined,
  alpha: undefined,
  temperature: undefined,
  beta: undefined,
  epochs: 2,
  batchSize: 64,
  dropLast: undefined,
  optimizer: "sgd",
  learningRate: 0.2,
  momentum: 0.9,
  nesterov: true,
  iterations: undefined,
  normalise: undefined,
  normRate: undefined,
  classifierRate: undefined,
  vectorRate: undefined,
  lookahead: undefined,
  ema: undefined,
  weightDecay: 5e-4,
  crs: true,
  frobeniusDecay: false,
  structuredRates: undefined,
  schedule: "one-cycle",
  warmup: undefined,
  startRate: undefined,
  endRate: undefined,
  milestones: undefined,
  factor: 0.2,
  labelSmoothing: 0,
  seed: 0,
  evaluateEvery: 1,
  ...anyMachine,
};

/**
 * The recipe of airbench with Muon (Jordan 2024, arXiv 2404.00498 and "Muon"), for batches of 512 images where airbench takes 2,000. The rate
 * of Muon is half of airbench's, because it goes with the root of the batch. The rates of the norms, 27, and of the classifier, 0.42, are
 * airbench's for a mean of the losses of 512 images and for logits that are divided by 9.
 */
const airbench: Settings = {
  ...quick,
  augment: "translate:2,flip:alternating",
  network: "fast",
  depth: undefined,
  width: undefined,
  batchSize: 512,
  dropLast: true,
  optimizer: "muon",
  iterations: 3,
  normalise: true,
  learningRate: 0.12,
  momentum: 0.85,
  weightDecay: 8.5e-3,
  normRate: 226,
  classifierRate: 3.5,
  vectorRate: 6,
  schedule: "triangular",
  warmup: 0,
  startRate: 1,
  endRate: 0,
  labelSmoothing: 0.2,
};

/**
 * Muon for a WideResNet, whose weights keep their own scale beside the shortcuts. Whatever is no matrix, and the classifier, have a rate of 0.2, as SGD has
 * it in `quick`. docs/recipes.md has the comparison of rates.
 */
const muonWide: Settings = {
  ...quick,
  batchSize: 128,
  labelSmoothing: 0.1,
  augment: "translate:4,flip:alternating",
  optimizer: "muon",
  iterations: 3,
  learningRate: 0.06,
  weightDecay: 5e-3,
  normRate: 3.3,
  classifierRate: 3.3,
  vectorRate: 3.3,
  schedule: "triangular",
  warmup: 0.1,
  startRate: 0.2,
  endRate: 0,
};

/** The settings that all recipes of the paper share (Gray et al. 2019, §4). */
const paper: Settings = { ...quick, momentum: 0.9, nesterov: false, evaluateEvery: 1 };
/** Networks that have one size take neither depth nor width. */
const oneSize = { depth: undefined, width: undefined } as const;

export const presets: Readonly<Record<PresetName, Settings>> = {
  quick,
  "three-minutes": {
    ...airbench,
    widths: [32, 64, 64],
    epochs: 2,
    batchSize: 256,
    learningRate: 0.08,
    weightDecay: 6.4e-3,
    normRate: 170,
    classifierRate: 2.65,
    vectorRate: 4.7,
  },
  "ten-minutes": { ...airbench, widths: [64, 128, 128], epochs: 4 },
  "wide-resnet": { ...muonWide, depth: 16, width: 2, epochs: 8, evaluateEvery: 8 },
  accurate: { ...airbench, widths: [64, 256, 256], epochs: 10, evaluateEvery: 10 },
  "paper-wrn": {
    ...paper,
    depth: 28,
    width: 10,
    epochs: 200,
    batchSize: 128,
    learningRate: 0.1,
    weightDecay: 5e-4,
    schedule: "multi-step",
    milestones: [60, 120, 160],
    factor: 0.2,
    augment: "crop:4,flip,cutout:16",
  },
  "paper-darts": {
    ...paper,
    network: "darts",
    depth: 20,
    width: 36,
    conv: "Sep",
    epochs: 600,
    batchSize: 96,
    learningRate: 0.025,
    weightDecay: 3e-4,
    schedule: "cosine",
    dropPath: 0.2,
    auxiliary: 0.4,
    augment: "crop:4,flip,cutout:16",
  },
  "paper-wrn-50-2": {
    ...paper,
    ...oneSize,
    network: "wrn-50-2",
    epochs: 90,
    batchSize: 256,
    learningRate: 0.1,
    weightDecay: 1e-4,
    schedule: "multi-step",
    milestones: [30, 60],
    factor: 0.1,
  },
  "paper-mobilenet-v2": {
    ...paper,
    ...oneSize,
    network: "mobilenet-v2",
    dropout: 0.2,
    epochs: 150,
    batchSize: 256,
    learningRate: 0.05,
    weightDecay: 4e-5,
    schedule: "cosine",
  },
};

/** The recipe of the paper for ImageNet, with the constants by which every network on ImageNet is normalised. */
const imageNet = {
  imageSize: 224,
  augment: "resized-crop,flip",
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
} as const satisfies Partial<Settings>;

/** What a preset changes for a folder of images. */
export const onFolders: Readonly<Partial<Record<PresetName, Partial<Settings>>>> = {
  "paper-wrn-50-2": imageNet,
  "paper-mobilenet-v2": imageNet,
};

/** A few words on each preset for the help. */
export const presetSummaries: Readonly<Record<PresetName, string>> = {
  quick: "WRN-10-1, two epochs, about 3 minutes on two cores",
  "three-minutes": "fast-32-64-64, the run of npm start",
  "ten-minutes": "fast-64-128-128",
  "wide-resnet": "WRN-16-2, for 25 minutes on two cores",
  accurate: "fast-64-256-256, for an hour on two cores",
  "paper-wrn": "the paper's WRN-28-10, 200 epochs",
  "paper-darts": "the paper's DARTS, 600 epochs",
  "paper-wrn-50-2": "the paper's WRN-50-2, 90 epochs; with --data ./imagenet, a folder of train and val, the recipe for ImageNet",
  "paper-mobilenet-v2": "the paper's MobileNetV2, 150 epochs; with --data ./imagenet too",
};
