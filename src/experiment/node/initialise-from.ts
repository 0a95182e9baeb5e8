/** Begins a run with the weights of another one: `--init-from`. */

import { resolve } from "node:path";
import { ConfigError } from "../../core/errors.ts";
import { overwriteState, withPresentNames } from "../../nn/load-state.ts";
import type { Module } from "../../nn/module.ts";
import type { Checkpoint } from "../../train/checkpoint.ts";
import { type ImageFacts, imageFacts } from "../data-facts.ts";
import { formatNetwork } from "../network-spec.ts";
import { classDependentNames, classesOf } from "../restore-network.ts";
import { configOf, type RunConfig } from "../run-config.ts";
import { isDataName, type Settings } from "../setting-rules.ts";
import { networkOf } from "../settings.ts";
import { findCheckpoint } from "./find-checkpoint.ts";

/** The run whose weights a new run begins with. */
export interface Pretrained {
  readonly checkpoint: Checkpoint;
  /** Undefined for a checkpoint without a configuration, such as a state dict of PyTorch. */
  readonly config: RunConfig | undefined;
}

/** @throws DataError when there is no checkpoint at the path. */
export async function findPretrained(path: string): Promise<Pretrained> {
  const checkpoint = await findCheckpoint(resolve(path));
  return { checkpoint, config: configOf(checkpoint) };
}

/**
 * The settings that a run takes over with the weights, unless options say otherwise: the network, and for a folder of images the size and
 * the normalisation of the images, since the weights were trained with them.
 */
export function inheritedSettings({ config }: Pretrained, explicit: Partial<Settings>): Partial<Settings> {
  if (config === undefined) return explicit;
  const { network, depth, width, widths, conv, attentionSplit } = config.settings;
  const own = Object.entries({ network, depth, width, widths, conv, attentionSplit }).filter(([, value]) => value !== undefined);
  const { data = "cifar10" } = explicit;
  const { size, mean, std } = imageFacts(config);
  const images = isDataName(data) ? {} : { imageSize: size, mean, std };
  return { ...Object.fromEntries(own), ...images, ...explicit };
}

/**
 * Overwrites the weights of a new network. Where the classes of the images differ from those of the pretrained network, the layers whose
 * size depends on the number of classes keep their initialisation.
 * @throws ConfigError for a pretrained network of another architecture.
 */
export function initialiseFrom(
  model: Pick<Module, "state" | "formerName">,
  settings: Settings,
  facts: ImageFacts,
  { checkpoint, config }: Pretrained,
  onNote: (note: string) => void,
): NonNullable<RunConfig["initialised"]> {
  const spec = networkOf(settings);
  const { source, sha256 } = checkpoint;
  if (config !== undefined && formatNetwork(networkOf(config.settings)) !== formatNetwork(spec))
    throw new ConfigError(
      `train: --init-from must be of the same network, got ${formatNetwork(networkOf(config.settings))} in ${source} ` +
        `for ${formatNetwork(spec)}; leave out --network, --depth, --width, --widths and --conv to take over its network`,
    );
  const known = config === undefined ? undefined : imageFacts(config).classes;
  const count = classesOf(checkpoint, spec);
  const same = known === undefined ? count === facts.classes.length : known.join("\n") === facts.classes.join("\n");
  const fresh = same ? [] : classDependentNames(spec);
  const taken = <T>(entries: ReadonlyMap<string, T>): Map<string, T> => new Map([...entries].filter(([name]) => !fresh.includes(name)));
  const values = withPresentNames(model.state(), checkpoint.model, (name) => model.formerName(name));
  overwriteState(`train: --init-from ${source}`, taken(model.state()), taken(values));
  onNote(
    same
      ? `the weights are those of ${source}, with its classifier: the classes are the same`
      : `the weights are those of ${source}, without its classifier of ${count} classes: ` +
          `the classifier of the ${facts.classes.length} classes here begins anew (${fresh.join(", ")})`,
  );
  return { from: source, sha256, fresh };
}
