/**
 * Checkpoints, from and to bytes. A checkpoint is a safetensors file. Its tensors are `model/…` and `optimizer/…`, under the names of their
 * state. Its metadata holds the progress of training, the state of the random stream, the configuration, and a SHA-256 of all of these, by
 * which a damaged file is recognised.
 */

import { DataError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import type { RandomState } from "../core/random.ts";
import { accepted, checkSchema, finite, object, readJson, type Schema, text, whole } from "../core/schema.ts";
import { setFrozen } from "../nn/freeze.ts";
import { overwriteState } from "../nn/load-state.ts";
import type { Module } from "../nn/module.ts";
import type { State } from "../nn/state.ts";
import { withoutWrapperPrefixes } from "./foreign-state.ts";
import { frozenMetadata, frozenOf, networkMetadata } from "./model-file.ts";
import type { Progress } from "./progress.ts";
import { decodeSafetensors, encodeSafetensors, type NamedArray, type Safetensors } from "./safetensors.ts";
import type { Trainer } from "./trainer.ts";
import { averagePrefix } from "./weight-average.ts";

/** The content of a file. It has been checked, but not yet against a network. */
export interface Checkpoint {
  /** The file's name in errors. */
  readonly source: string;
  readonly model: ReadonlyMap<string, NamedArray>;
  /** Undefined for a file that holds a network only, such as a file that PyTorch wrote. */
  readonly training: TrainingState | undefined;
  /** The names of the parameters that were frozen. */
  readonly frozen: readonly string[];
  /** The configuration that the writer gave. It has not been checked. */
  readonly config: unknown;
  /** In hexadecimal digits. Files with the same digest hold the same numbers. Empty for archives. */
  readonly sha256: string;
  /** The texts that another program's file has about itself, such as `{ format: "pt" }`. */
  readonly metadata: Readonly<Record<string, string>>;
  /** What was changed on reading another program's file, as sentences for users. */
  readonly notes: readonly string[];
}

interface TrainingState {
  readonly optimizer: ReadonlyMap<string, NamedArray>;
  readonly progress: Progress;
  readonly random: RandomState;
}

/** The entries of the metadata that the state of training is read from. Each is a JSON text. */
const metadataSchema = object({ progress: text, random: text, config: text });

const progressSchema: Schema<Progress> = object({
  epoch: whole(),
  step: whole(),
  tally: object({ count: whole(), loss: finite(), correct: whole(), seconds: finite(0), peakBytes: finite(0) }),
});

const isWord = (value: unknown): boolean => Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 32;

/** A stream whose words are all 0 would give zeros forever. */
const randomSchema: Schema<RandomState> = accepted(
  "four integers in [0, 2^32), not all 0",
  (value) => Array.isArray(value) && value.length === 4 && value.every(isWord) && value.some((word) => word !== 0),
);

/** The metadata's entry `format` marks the files of this library. Other programs write that entry too, with other values. */
const formatPrefix = "separable-checkpoint-";
const format = `${formatPrefix}1`;

/** Whether this library wrote the file. A damaged file whose mark is lost still has the names and the digest of a checkpoint. */
const isOwn = ({ metadata, tensors }: Safetensors): boolean =>
  (metadata.format ?? "").startsWith(formatPrefix) ||
  (metadata.sha256 !== undefined && [...tensors.keys()].some((name) => name.startsWith("model/")));

/** The checkpoint of a network without a state of training, as other programs write it. @param source The file's name in errors. */
export function foreignCheckpoint(source: string, file: Safetensors, sha256 = ""): Checkpoint {
  const { values: model, notes } = withoutWrapperPrefixes(source, file.tensors);
  return { source, model, training: undefined, frozen: [], config: undefined, sha256, metadata: file.metadata, notes };
}

/**
 * The bytes of a checkpoint of `trainer` between two steps.
 * @throws DataError for a parameter or buffer that is not finite, because training cannot continue from such a state.
 */
export async function encodeCheckpoint(trainer: Trainer, config: unknown): Promise<Uint8Array> {
  const tensors = new Map<string, NamedArray>();
  const collect = async (prefix: string, state: ReadonlyMap<string, State>): Promise<void> => {
    for (const [name, entry] of state) {
      const data = await entry.read();
      const bad = data.find((value) => !Number.isFinite(value));
      if (bad !== undefined)
        throw new DataError(
          `checkpoint: every number must be finite, got ${bad} in ${prefix}/${name} at step ${trainer.steps}; lower the learning rate`,
        );
      tensors.set(`${prefix}/${name}`, { shape: entry.shape, data });
    }
  };
  await collect("model", trainer.model.state());
  await collect("optimizer", trainer.optimizer.state());
  const metadata = {
    format,
    ...networkMetadata(trainer.model),
    ...frozenMetadata(trainer.model),
    progress: JSON.stringify(trainer.progress),
    random: JSON.stringify(trainer.random.state),
    config: JSON.stringify(config),
  };
  const digest = await sha256(encodeSafetensors(tensors, metadata));
  return encodeSafetensors(tensors, { ...metadata, sha256: digest });
}

/**
 * Reads a checkpoint, or any other safetensors file with a network's state dict. Metadata of other programs are kept. The prefixes
 * `module.` and `_orig_mod.` of PyTorch's wrappers are removed, with a note.
 * @throws DataError naming `source` when the file is truncated, or when its SHA-256 is not the one that it records.
 */
export async function decodeCheckpoint(bytes: Uint8Array, source: string): Promise<Checkpoint> {
  const file = decodeSafetensors(bytes, source);
  if (!isOwn(file)) return foreignCheckpoint(source, file, await sha256(bytes));
  const { sha256: expected, ...metadata } = file.metadata;
  if (metadata.format !== format)
    throw new DataError(
      `checkpoint: ${source} must be of format ${format}, got ${metadata.format}; read it with the version of this library that wrote it`,
    );
  if (expected === undefined || (await sha256(encodeSafetensors(file.tensors, metadata))) !== expected)
    throw new DataError(
      `checkpoint: ${source} must have the SHA-256 it was written with, got another; the file is corrupted, restore it from a copy`,
    );
  // The digest finds accidents only: anybody can write a file with the right one.
  const { progress, random, config } = checkSchema(metadataSchema, metadata, { source: `checkpoint: ${source}` });
  const within = (name: string): { source: string } => ({ source: `checkpoint: ${source}/${name}` });
  return {
    source,
    model: section(file, "model/"),
    training: {
      optimizer: section(file, "optimizer/"),
      progress: readJson(progressSchema, progress, within("progress")),
      random: readJson(randomSchema, random, within("random")),
    },
    frozen: frozenOf(metadata, `checkpoint: ${source}`),
    config: parseJson(config, within("config").source),
    sha256: expected,
    metadata: {},
    notes: [],
  };
}

const section = ({ tensors }: Safetensors, prefix: string): Map<string, NamedArray> =>
  new Map([...tensors].filter(([name]) => name.startsWith(prefix)).map(([name, value]) => [name.slice(prefix.length), value]));

/** In hexadecimal digits. */
async function sha256(bytes: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Overwrites the parameters and buffers of the network. @throws DataError when the checkpoint is of another network. */
export function restoreModel(model: Module, { source, model: values }: Checkpoint): void {
  overwriteState(`checkpoint ${source}`, model.state(), values, { formerName: (name) => model.formerName(name) });
}

/**
 * The checkpoint with the average of the weights in place of the weights. Buffers stay, such as the running statistics of norms.
 * @throws DataError for a checkpoint of a training that kept no average.
 */
export function withAveragedWeights(checkpoint: Checkpoint): Checkpoint {
  const averages = [...(checkpoint.training?.optimizer ?? [])].flatMap(([name, value]): [string, NamedArray][] =>
    name.startsWith(averagePrefix) ? [[name.slice(averagePrefix.length), value]] : [],
  );
  if (averages.length === 0)
    throw new DataError(
      `checkpoint: ${checkpoint.source} must hold an average of the weights, got none; name a run that was trained with --ema`,
    );
  return { ...checkpoint, model: new Map([...checkpoint.model, ...averages]) };
}

/**
 * Puts `trainer` into the state in which the checkpoint was made.
 * @throws DataError when the checkpoint is of another network or optimiser, or holds a network only.
 */
export function restoreTrainer(trainer: Trainer, checkpoint: Checkpoint): void {
  const { source, training, frozen } = checkpoint;
  const { model, optimizer } = trainer;
  if (training === undefined) throw new DataError(`checkpoint: ${source} must hold the state of training, got a network only`);
  restoreModel(model, checkpoint);
  setFrozen(model, frozen);
  // An optimiser names its entries after the parameters: `velocity.conv1.weight`.
  const formerName = (name: string): string => name.replace(/(?<=^[^.]*\.).*/, (parameter) => model.formerName(parameter));
  overwriteState(`checkpoint ${source}`, optimizer.state(), training.optimizer, { formerName });
  trainer.random.state = training.random;
  trainer.progress = training.progress;
}
