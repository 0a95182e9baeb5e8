/**
 * The folder of a run:
 *
 *     config.json              the run's configuration
 *     metrics.jsonl            one line for each finished epoch
 *     checkpoint.safetensors   the state from which training continues
 *     best.safetensors         the state with the best test accuracy so far
 *     evaluation.json          the evaluation of best.safetensors
 *
 * Every file is replaced as a whole, so the run can be read and resumed at any moment.
 */

import { mkdir, readdir, readFile, rm, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError, DataError } from "../../core/errors.ts";
import { parseJson, withoutByteOrderMark } from "../../core/json.ts";
import { errorCode } from "../../data/node/system-error.ts";
import { type Checkpoint, decodeCheckpoint } from "../checkpoint.ts";
import type { Evaluation } from "../evaluate.ts";
import type { EpochMetrics } from "../trainer.ts";
import { partialMark, writeError, writeFileAtomic } from "./atomic-file.ts";
import { lockName } from "./folder-lock.ts";

/** An evaluation with its epoch and the names of the classes. */
export interface RecordedEvaluation extends Evaluation {
  /** The epoch after which the network was evaluated, from 1. */
  readonly epoch: number;
  readonly classes: readonly string[];
}

export class RunFolder {
  readonly path: string;
  #metrics: readonly EpochMetrics[] = [];

  private constructor(path: string) {
    this.path = path;
  }

  /**
   * Creates a run. Its folder must be absent or empty, because a run never overwrites another.
   * @throws ConfigError when the folder is not empty, DataError when it cannot be written.
   */
  static async create(path: string, config: unknown): Promise<RunFolder> {
    await RunFolder.checkFree(path);
    const file = join(path, "config.json");
    try {
      await mkdir(path, { recursive: true });
      // "wx" fails when the file exists, so of two runs that start at once only one is created.
      await writeFile(file, `${JSON.stringify(config, null, 2)}\n`, { flag: "wx" });
    } catch (error) {
      if (errorCode(error) === "EEXIST") throw taken(path);
      // A folder with half a configuration would look like a run.
      await rm(file, { force: true }).catch(() => undefined);
      throw writeError(file, error);
    }
    return new RunFolder(path);
  }

  /** Checks that `path` is free for a new run. @throws ConfigError when something is there. */
  static async checkFree(path: string): Promise<void> {
    const entries = await readdir(path).catch((error: unknown) => {
      if (errorCode(error) === "ENOENT") return [];
      if (errorCode(error) === "ENOTDIR") throw taken(path);
      throw writeError(path, error);
    });
    if (entries.length > 0) throw taken(path);
  }

  /** Opens an existing run. @throws DataError when there is none, or when its metrics are damaged. */
  static async open(path: string): Promise<RunFolder> {
    const entries = await readdir(path).catch((error: unknown) => {
      throw new DataError(
        `run: ${path} must be the folder of a run, got ${errorCode(error) ?? error}; name a folder that train has written`,
        {
          cause: error,
        },
      );
    });
    if (!entries.includes("config.json"))
      throw new DataError(`run: ${path} must hold config.json, got none; name a folder that train has written`);
    const run = new RunFolder(path);
    run.#metrics = await run.#readMetrics();
    return run;
  }

  /** The configuration that `create` was given. It has not been checked. @throws DataError when the file is no JSON. */
  async config(): Promise<unknown> {
    const file = join(this.path, "config.json");
    return parseJson(new TextDecoder().decode(await readBytes(file)), `run: ${file}`);
  }

  /** Replaces config.json. @throws DataError when it cannot be written. The file before is untouched then. */
  writeConfig(config: unknown): Promise<void> {
    return writeFileAtomic(join(this.path, "config.json"), `${JSON.stringify(config, null, 2)}\n`);
  }

  /** One entry for each finished epoch. */
  get metrics(): readonly EpochMetrics[] {
    return this.#metrics;
  }

  /**
   * Removes the metrics after `epochs` finished epochs, because these epochs are about to be repeated. Removes the half-written files of a
   * killed process, too.
   * @throws DataError when the run has metrics of fewer epochs.
   */
  async rewind(epochs: number): Promise<void> {
    for (const entry of await readdir(this.path)) if (entry.includes(partialMark)) await rm(join(this.path, entry), { force: true });
    const kept = this.#metrics.filter(({ epoch }) => epoch <= epochs);
    if (kept.length < epochs)
      throw new DataError(
        `run: ${join(this.path, "metrics.jsonl")} must hold the ${epochs} epochs before the checkpoint, got ${kept.length}; ` +
          "restore it from a copy",
      );
    await this.#writeMetrics(kept);
  }

  /** Adds the line of an epoch. @throws DataError when it cannot be written. The earlier lines are then as before. */
  async appendMetrics(metrics: EpochMetrics): Promise<void> {
    await this.#writeMetrics([...this.#metrics, metrics]);
  }

  /** Undoes `create`, for a run that could not start. */
  async discard(): Promise<void> {
    for (const name of ["config.json", lockName]) await rm(join(this.path, name), { force: true });
    // The folder is removed only when it is empty, because other files in it do not belong to the run.
    await rmdir(this.path).catch(() => undefined);
  }

  checkpointPath(which: "checkpoint" | "best"): string {
    return join(this.path, `${which}.safetensors`);
  }

  /**
   * The evaluation of the best checkpoint on the test images; undefined when there is none, as in runs of early versions.
   * @throws DataError for a file that is no JSON.
   */
  async evaluation(): Promise<RecordedEvaluation | undefined> {
    const file = join(this.path, "evaluation.json");
    const text = await readFile(file, "utf8").catch((error: unknown) => {
      if (errorCode(error) === "ENOENT") return undefined;
      throw error;
    });
    return text === undefined ? undefined : (parseJson(text, `run: ${file}`) as RecordedEvaluation);
  }

  /** Replaces the evaluation of the best checkpoint. @throws DataError when it cannot be written. */
  writeEvaluation(evaluation: RecordedEvaluation): Promise<void> {
    return writeFileAtomic(join(this.path, "evaluation.json"), `${JSON.stringify(evaluation)}\n`);
  }

  /** Replaces a checkpoint. @throws DataError when it cannot be written. The earlier checkpoint is then as before. */
  writeCheckpoint(which: "checkpoint" | "best", bytes: Uint8Array): Promise<void> {
    return writeFileAtomic(this.checkpointPath(which), bytes);
  }

  /** Reads a checkpoint. @throws DataError when it is missing or damaged. */
  readCheckpoint(which: "checkpoint" | "best"): Promise<Checkpoint> {
    return readCheckpointFile(this.checkpointPath(which));
  }

  async #writeMetrics(metrics: readonly EpochMetrics[]): Promise<void> {
    await writeFileAtomic(join(this.path, "metrics.jsonl"), metrics.map((line) => `${JSON.stringify(line)}\n`).join(""));
    this.#metrics = metrics;
  }

  /** Reads the metrics. A last line that a crash has cut is left out. @throws DataError for any other line that is no epoch's. */
  async #readMetrics(): Promise<EpochMetrics[]> {
    const file = join(this.path, "metrics.jsonl");
    const text = await readFile(file, "utf8").catch((error: unknown) => {
      if (errorCode(error) === "ENOENT") return "";
      throw error;
    });
    const lines = withoutByteOrderMark(text).trimEnd().split("\n");
    const metrics: EpochMetrics[] = [];
    for (const [index, line] of lines.entries()) {
      if (line === "" || (index === lines.length - 1 && !isJson(line))) break;
      metrics.push(checkMetrics(parseJson(line, `run: line ${index + 1} of ${file}`), index + 1, file));
    }
    return metrics;
  }
}

function isJson(line: string): boolean {
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}

/** Fields of a line of metrics. Those that may be null belong to the evaluation, which not every epoch has. */
const metricFields = {
  trainLoss: "a number",
  trainAccuracy: "a number",
  testLoss: "a number or null",
  testAccuracy: "a number or null",
  learningRate: "a number",
  seconds: "a number",
  testSeconds: "a number",
} as const;

/** @throws DataError unless `value` holds the metrics of `epoch`. */
function checkMetrics(value: unknown, epoch: number, file: string): EpochMetrics {
  const refuse = (rule: string, got: unknown): never => {
    throw new DataError(
      `run: line ${epoch} of ${file} must hold ${rule}, got ${JSON.stringify(got)?.slice(0, 60)}; ` +
        "restore the file from a copy, or delete this line and all lines after it",
    );
  };
  if (typeof value !== "object" || value === null) return refuse("the metrics of an epoch", value);
  const fields = value as Readonly<Record<string, unknown>>;
  if (fields.epoch !== epoch) return refuse(`${epoch} as epoch`, fields.epoch);
  for (const [name, rule] of Object.entries(metricFields)) {
    const field = fields[name];
    const mayBeNull = rule !== "a number";
    if (typeof field !== "number" && !(mayBeNull && field === null)) return refuse(`${rule} as ${name}`, field);
  }
  return value as EpochMetrics;
}

/** Reads a checkpoint from any file. @throws DataError when the file is missing, truncated or corrupted. */
export async function readCheckpointFile(path: string): Promise<Checkpoint> {
  return decodeCheckpoint(await readBytes(path), path);
}

async function readBytes(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new DataError(
      `run: ${file} must be readable, got ${errorCode(error) ?? error}; name a run or a checkpoint that train has written`,
      { cause: error },
    );
  }
}

const taken = (path: string): ConfigError =>
  new ConfigError(
    `run: ${path} must not exist yet, or be empty, got something there; ` +
      `name another folder, or continue the run with --resume ${path}`,
  );
