/** Completes the options that a user gave into the settings of a run, and reads from settings which network they describe. */

import { ConfigError } from "../core/errors.ts";
import { formatConvolution, parseConvolution } from "../structured/convolution-text.ts";
import type { FamilyOptions } from "../structured/family.ts";
import { parseAugmentation } from "./augment-spec.ts";
import { type NetworkSpec, networks, sizeRefusal } from "./network-spec.ts";
import { onFolders, type PresetName, presets } from "./presets.ts";
import { isDataName, optionName, type SettingName, type Settings } from "./setting-rules.ts";

/**
 * The learning rate of Adam when the preset was made for SGD and no option gives a rate. The rate of SGD would be a hundred times too high.
 */
const adamRate = 0.003;
/** The same for Muon: the rate that its author uses for hidden layers (Jordan 2024). */
const muonRate = 0.02;

/** The learning rate of an optimiser that the preset was not made for. */
const rateOf = (optimizer: Settings["optimizer"]): number =>
  optimizer === "sgd" ? presets.quick.learningRate : optimizer === "muon" ? muonRate : adamRate;

/** The defaults beside a teacher: attention transfer alone, as the paper trains its students (§4). */
const teaching = { alpha: 0, temperature: 4, beta: 1000 } as const;

/** Options that have an effect only beside another option, and a test for that other option. */
const dependent: readonly (readonly [names: readonly SettingName[], owner: string, applies: (settings: Settings) => boolean])[] = [
  [["momentum", "nesterov"], "--optimizer sgd or muon", ({ optimizer }) => optimizer === "sgd" || optimizer === "muon"],
  [["iterations", "normalise"], "--optimizer muon", ({ optimizer }) => optimizer === "muon"],
  [["warmup"], "--schedule one-cycle or triangular", ({ schedule }) => schedule === "one-cycle" || schedule === "triangular"],
  [["startRate", "endRate"], "--schedule triangular", ({ schedule }) => schedule === "triangular"],
  [["milestones", "factor"], "--schedule multi-step", ({ schedule }) => schedule === "multi-step"],
  [["threads", "memoryLimit", "simd"], "--backend wasm", ({ backend }) => backend === "wasm" || backend === "auto"],
  [["alpha", "temperature", "beta", "teacherCache"], "--teacher", ({ teacher }) => teacher !== undefined],
  [["imageSize", "testShare", "onBadImage", "mean", "std"], "--data with a folder of images", ({ data }) => !isDataName(data)],
  [["dropPath", "auxiliary"], "--network darts", ({ network }) => network === "darts"],
  [["widths"], "--network fast", ({ network }) => network === "fast"],
  [["attentionSplit"], "--network wrn", ({ network }) => network === "wrn"],
  [["dropout"], "--network wrn or mobilenet-v2", ({ network }) => network === "wrn" || network === "mobilenet-v2"],
];

/** Images of more pixels a side than this are augmented by parts of random size unless an option says otherwise. */
const largestForCrop = 64;

/** What changes for a folder of images: the input size of the network, and the augmentation that suits the size. */
function folderSettings(preset: PresetName, network: Settings["network"], explicit: Partial<Settings>): Partial<Settings> {
  const chosen = network === presets[preset].network ? (onFolders[preset] ?? {}) : {};
  const imageSize = explicit.imageSize ?? chosen.imageSize ?? networks[network].input;
  return { ...(imageSize > largestForCrop ? { augment: "resized-crop,flip" } : {}), ...chosen, imageSize };
}

/** The settings of a preset, overwritten by the options that were given. @throws ConfigError for options that contradict each other. */
export function resolveSettings(preset: PresetName, explicit: Partial<Settings>): Settings {
  const chosen = presets[preset];
  // Adam and AdamW take the same rates.
  const isAdam = (optimizer: Settings["optimizer"]): boolean => optimizer === "adam" || optimizer === "adamw";
  const { optimizer: wanted = chosen.optimizer } = explicit;
  const retuned = wanted !== chosen.optimizer && !(isAdam(wanted) && isAdam(chosen.optimizer));
  const { network = chosen.network } = explicit;
  const settings: Settings = {
    ...chosen,
    // The sizes of the preset, and the settings that it has for its network alone, do not fit another network.
    ...(network === chosen.network
      ? {}
      : {
          depth: undefined,
          width: undefined,
          widths: undefined,
          ...networks[network].sizes,
          conv: formatConvolution(networks[network].dense),
          dropout: 0,
          dropPath: undefined,
          auxiliary: undefined,
        }),
    ...(retuned ? { learningRate: rateOf(wanted), normRate: undefined, classifierRate: undefined, vectorRate: undefined } : {}),
    // A preset for Muon has its weight decay for the rates that Muon and its norms take.
    ...(retuned && chosen.optimizer === "muon"
      ? { iterations: undefined, normalise: undefined, weightDecay: presets.quick.weightDecay }
      : {}),
    ...(explicit.momentum === 0 ? { nesterov: false } : {}),
    ...(explicit.teacher === undefined ? {} : teaching),
    ...(isDataName(explicit.data ?? chosen.data) ? {} : folderSettings(preset, network, explicit)),
    ...explicit,
  };
  const refuse = (rule: string): never => {
    throw new ConfigError(`train: ${rule}`);
  };
  const { optimizer, schedule, backend } = settings;
  const got: Readonly<Record<string, string>> = {
    "--optimizer sgd or muon": `--optimizer ${optimizer}`,
    "--optimizer muon": `--optimizer ${optimizer}`,
    "--optimizer sgd, adam or adamw": `--optimizer ${optimizer}`,
    "--schedule one-cycle or triangular": `--schedule ${schedule}`,
    "--schedule triangular": `--schedule ${schedule}`,
    "--schedule multi-step": `--schedule ${schedule}`,
    "--backend wasm": `--backend ${backend}`,
    "--teacher": "none",
    "--data with a folder of images": `--data ${settings.data}`,
  };
  for (const [names, owner, applies] of dependent)
    if (!applies(settings))
      for (const name of names)
        if (explicit[name] !== undefined) refuse(`${optionName(name)} belongs to ${owner}, got ${got[owner] ?? `--network ${network}`}`);
  const wrongSize = sizeRefusal(network, settings.network === chosen.network ? settings : explicit);
  if (wrongSize !== undefined) refuse(wrongSize);
  if (schedule === "multi-step" && settings.milestones === undefined)
    refuse("--schedule multi-step needs --milestones, such as --milestones 60,120,160");
  if (settings.folder !== undefined && (settings.data === "synthetic" || !isDataName(settings.data)))
    refuse(`--folder has no use with --data ${settings.data}`);
  if (isDataName(settings.data) && parseAugmentation(settings.augment).resizedCrop)
    refuse(`--augment resized-crop belongs to --data with a folder of images, got --data ${settings.data}; crop is for small images`);
  return settings;
}

/** The network that settings describe. */
export const networkOf = ({ network, depth, width, widths, dropout, attentionSplit, auxiliary = 0, conv }: Settings): NetworkSpec => ({
  kind: network,
  depth,
  width,
  widths,
  dropout,
  attentionSplit,
  auxiliary: auxiliary > 0,
  convolution: parseConvolution(conv),
});

/**
 * What `--drop-last` is where it is not given: a last batch of one image is left out, because batch norms have no variance of one value.
 * Runs that were recorded without the setting keep their last batch, so they resume bit for bit.
 */
export const dropsLast = ({ batchSize, dropLast }: Pick<Settings, "batchSize" | "dropLast">, images: number): boolean | undefined =>
  dropLast ?? (images > batchSize && images % batchSize === 1 ? true : undefined);

/** How the structured layers of a run start and compute. Runs recorded before there were structured layers lack both settings. */
export const familyOptionsOf = ({ init = "reference", mode = "auto" }: Settings): FamilyOptions => ({ init, mode });
