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

import { mkdir, readdir, rm, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError, DataError } from "../../core/errors.ts";
import { parseJson, parseJsonLines } from "../../core/json.ts";
import { readJson } from "../../core/schema.ts";
import { type ReadOptions, readBytes, readText, readTextIfPresent } from "../../data/node/read-file.ts";
import { errorCode } from "../../data/node/system-error.ts";
import { type Checkpoint, decodeCheckpoint } from "../checkpoint.ts";
import { checkMetrics, evaluationSchema, type RecordedEvaluation } from "../run-schemas.ts";
import type { EpochMetrics } from "../trainer.ts";
import { partialMark, writeError, writeFileAtomic } from "./atomic-file.ts";
import { lockName } from "./folder-lock.ts";

export type { RecordedEvaluation } from "../run-schemas.ts";

/** What errors say of a file that cannot be read. */
const reading: ReadOptions = { op: "run", remedy: "name a run or a checkpoint that train has written" };

export class RunFolder {
  readonly path: string;
  #metrics: readonly EpochMetrics[] = [];
  #notes: readonly string[] = [];

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
    await run.#readMetrics();
    return run;
  }

  /** The configuration that `create` was given. It has not been checked. @throws DataError when the file is no JSON. */
  async config(): Promise<unknown> {
    const file = join(this.path, "config.json");
    return parseJson(await readText(file, reading), `run: ${file}`);
  }

  /** Replaces config.json. @throws DataError when it cannot be written. The file before is untouched then. */
  writeConfig(config: unknown): Promise<void> {
    return writeFileAtomic(join(this.path, "config.json"), `${JSON.stringify(config, null, 2)}\n`);
  }

  /** What a user should know of the files as they were opened: that a line of metrics was cut off, and is left out. */
  get notes(): readonly string[] {
    return this.#notes;
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
   * @throws DataError for a file that holds no evaluation.
   */
  async evaluation(): Promise<RecordedEvaluation | undefined> {
    const file = join(this.path, "evaluation.json");
    const text = await readTextIfPresent(file, reading);
    const remedy = "restore it from a copy, or delete it: the report then leaves out the confusion of the classes";
    return text === undefined ? undefined : readJson(evaluationSchema, text, { source: `run: ${file}`, remedy });
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
  async #readMetrics(): Promise<void> {
    const file = join(this.path, "metrics.jsonl");
    const text = (await readTextIfPresent(file, reading)) ?? "";
    const source = (line: number): string => `run: line ${line} of ${file}`;
    const { values, note } = parseJsonLines(text, source);
    this.#metrics = values.map((value, index) => checkMetrics(value, index + 1, source(index + 1)));
    this.#notes = note === undefined ? [] : [note];
  }
}

/** Reads a checkpoint from any file. @throws DataError when the file is missing, truncated or corrupted. */
export const readCheckpointFile = async (path: string): Promise<Checkpoint> => decodeCheckpoint(await readBytes(path, reading), path);

const taken = (path: string): ConfigError =>
  new ConfigError(
    `run: ${path} must not exist yet, or be empty, got something there; ` +
      `name another folder, or continue the run with --resume ${path}`,
  );
