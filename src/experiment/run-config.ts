/** The configuration of a run, as config.json and every checkpoint record it: enough to repeat the run. */

import { simdNames } from "../backend/wasm/host/simd.ts";
import { accepted, checkSchema, finite, flag, list, nullable, object, oneOf, optional, type Schema, text, whole } from "../core/schema.ts";
import type { Checkpoint } from "../train/checkpoint.ts";
import { backendOptions } from "./backend-names.ts";
import type { BackendReport } from "./node/start-backend.ts";
import { perChannel, type Rule } from "./rules.ts";
import { checkSettings, type Settings } from "./setting-rules.ts";

/** A data set that could not be had, and the reason why synthetic images replaced it. */
export interface DataFallback {
  readonly wanted: string;
  readonly reason: string;
}

/** The teacher of a run. A resumed run must have the same one. */
export interface TeacherRecord {
  readonly network: string;
  readonly sha256: string;
}

export interface RunConfig {
  /** The version of this package that began the run. */
  readonly separable: string;
  readonly preset: string;
  readonly settings: Settings;
  /** Set when synthetic images replaced the data set that was asked for. */
  readonly fallback?: DataFallback | undefined;
  /** The checkpoint whose convolutions were replaced to begin this run. */
  readonly compressed?: { readonly from: string; readonly relativeError: number } | undefined;
  /** The file of another program that this run was made from. */
  readonly converted?: { readonly from: string } | undefined;
  readonly teacher?: TeacherRecord | undefined;
  /** The classes of the images, in the order of the labels. */
  readonly classes?: readonly string[] | undefined;
  /** The numbers per channel by which the images were normalised, of pixels scaled to [0, 1]. */
  readonly normalization?: { readonly mean: readonly number[]; readonly std: readonly number[] } | undefined;
  /** Height and width of the input, and the length of a test image's shorter side before the middle is cut out, in pixels. */
  readonly input?: { readonly size: number; readonly resize: number } | undefined;
  /** A digest of the names, sizes and labels of the files in a folder of images. A resumed run must have the same files. */
  readonly fingerprint?: string | undefined;
  /** The run whose weights this one began with, and the parameters that it did not take from there. */
  readonly initialised?: { readonly from: string; readonly sha256: string; readonly fresh: readonly string[] } | undefined;
  /** Set when the run was prolonged: at which epoch, and how many epochs it had and has. */
  readonly prolonged?: readonly { readonly at: number; readonly from: number; readonly to: number }[] | undefined;
  /** How many checkpoints the run keeps; undefined for the default. */
  readonly keep?: number | undefined;
  /** Where the run was computed. Equal settings give equal bits on the same backend with as many threads. */
  readonly environment: { readonly node: string; readonly platform: string; readonly backend: BackendReport };
}

const backendSchema = object({
  name: oneOf(backendOptions),
  threads: whole(1),
  simd: optional(oneOf(simdNames)),
  note: optional(text),
  adapter: optional(object({ name: text, software: flag, maximumBytes: finite(0) })),
  choice: optional(object({ asked: oneOf(["auto", "gpu"]), reason: text })),
});

/** The settings have rules of their own, which `checkSettings` applies. */
const settingsSchema = object({}) as Schema<unknown> as Schema<Settings>;

/** The values that a rule of the settings allows. */
const ruled = <T>({ allowed, accepts }: Rule<T>): Schema<T> => accepted(allowed, accepts);

const configSchema = object({
  separable: optional(text),
  preset: optional(text),
  settings: settingsSchema,
  fallback: optional(object({ wanted: text, reason: text })),
  compressed: optional(object({ from: text, relativeError: nullable(finite()) })),
  converted: optional(object({ from: text })),
  teacher: optional(object({ network: text, sha256: text })),
  classes: optional(list(text)),
  normalization: optional(object({ mean: ruled(perChannel({})), std: ruled(perChannel({ above: 0 })) })),
  input: optional(object({ size: whole(1), resize: whole(1) })),
  fingerprint: optional(text),
  initialised: optional(object({ from: text, sha256: text, fresh: list(text) })),
  prolonged: optional(list(object({ at: whole(), from: whole(1), to: whole(1) }))),
  keep: optional(whole(1)),
  environment: object({ node: optional(text), platform: optional(text), backend: backendSchema }),
});

/** Checks a configuration that was read from `source`. @throws DataError unless this version can run it. */
export function checkRunConfig(value: unknown, source: string): RunConfig {
  const config = checkSchema(configSchema, value, { source: `run: ${source}`, remedy: "restore it from a copy" });
  checkSettings(config.settings, source);
  return config as RunConfig;
}

/**
 * The configuration that a checkpoint records; undefined for a file that holds a network only.
 *
 * @throws DataError for one that is damaged.
 */
export const configOf = ({ config, source }: Checkpoint): RunConfig | undefined =>
  config === undefined ? undefined : checkRunConfig(config, `${source}/config`);
