/**
 * The folder of a run:
 *
 *     config.json              the run's configuration
 *     metrics.jsonl            one line for each finished epoch
 *     checkpoint.safetensors   the state from which training continues; `checkpoint-files` has the others
 *     best.safetensors         the state with the best test accuracy so far
 *     evaluation.json          the evaluation of best.safetensors
 *
 * Every file is replaced as a whole, so the run can be read and resumed at any moment. One process at a time writes to the run. The process
 * takes a lock before it reads anything.
 */

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError, DataError } from "../../core/errors.ts";
import { parseJson, parseJsonLines } from "../../core/json.ts";
import { makeFolder, remove, removeEmptyFolder } from "../../core/node/files.ts";
import { readText, readTextIfPresent } from "../../core/node/read-file.ts";
import { errorCode } from "../../core/node/system-error.ts";
import { isTemporaryName } from "../../core/node/temporary-names.ts";
import { readJson } from "../../core/schema.ts";
import type { Checkpoint } from "../checkpoint.ts";
import type { EpochMetrics } from "../progress.ts";
import { checkMetrics, evaluationSchema, type RecordedEvaluation } from "../run-schemas.ts";
import { writeError, writeFileAtomic } from "./atomic-file.ts";
import { CheckpointFiles, defaultKeep, type FoundCheckpoint, reading } from "./checkpoint-files.ts";
import { isLockName, lockFolder } from "./folder-lock.ts";

export type { RecordedEvaluation } from "../run-schemas.ts";

export class RunFolder {
  readonly path: string;
  #metrics: readonly EpochMetrics[] = [];
  #notes: readonly string[] = [];
  readonly #checkpoints: CheckpointFiles;
  /** Releases the lock; undefined while this process has no lock, and must not write. */
  #unlock: (() => Promise<void>) | undefined;

  private constructor(path: string, unlock?: () => Promise<void>) {
    this.path = path;
    this.#checkpoints = new CheckpointFiles(path);
    this.#unlock = unlock;
  }

  /**
   * Creates a run and locks it. Its folder must be absent or empty, because a run never overwrites another. The files that a killed process
   * left before its run began are removed.
   * @throws ConfigError when the folder is not empty or is locked, DataError when it cannot be written.
   */
  static async create(path: string, config: unknown): Promise<RunFolder> {
    await RunFolder.checkFree(path);
    await makeFolder(path).catch((error: unknown) => {
      throw errorCode(error) === "EEXIST" ? taken(path) : writeError(path, error);
    });
    const run = new RunFolder(path, await lockFolder(path));
    try {
      await RunFolder.checkFree(path);
      await run.#removeLeftovers();
      await run.writeConfig(config);
      return run;
    } catch (error) {
      // The configuration of another run is not this one's to remove.
      if (error instanceof ConfigError) await run.close();
      else await run.discard();
      throw error;
    }
  }

  /** Checks that `path` is free for a new run. @throws ConfigError when something is there. */
  static async checkFree(path: string): Promise<void> {
    const entries = await readdir(path).catch((error: unknown) => {
      if (errorCode(error) === "ENOENT") return [];
      if (errorCode(error) === "ENOTDIR") throw taken(path);
      throw writeError(path, error);
    });
    if (!entries.every((name) => isLockName(name) || isTemporaryName(name))) throw taken(path);
  }

  /** Opens an existing run for reading. @throws DataError when there is none, or when its metrics are damaged. */
  static async open(path: string): Promise<RunFolder> {
    await checkExists(path);
    const run = new RunFolder(path);
    await run.#readMetrics();
    return run;
  }

  /**
   * Locks an existing run and opens it for writing. Removes the half-written files of a killed process.
   * @throws ConfigError when another process writes the run, DataError as `open` does. The run is untouched then.
   */
  static async openLocked(path: string): Promise<RunFolder> {
    await checkExists(path);
    const run = new RunFolder(path, await lockFolder(path));
    try {
      await run.#readMetrics();
      await run.#removeLeftovers();
      return run;
    } catch (error) {
      await run.close();
      throw error;
    }
  }

  /** Releases the lock of `create` or `openLocked`. The run can still be read. */
  async close(): Promise<void> {
    const unlock = this.#unlock;
    this.#unlock = undefined;
    await unlock?.();
  }

  /** The configuration that `create` was given. It has not been checked. @throws DataError when the file is no JSON. */
  async config(): Promise<unknown> {
    const file = join(this.path, "config.json");
    return parseJson(await readText(file, reading), `run: ${file}`);
  }

  /** Replaces config.json. @throws DataError when it cannot be written. The file before is untouched then. */
  writeConfig(config: unknown): Promise<void> {
    return this.#write("config.json", `${JSON.stringify(config, null, 2)}\n`);
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
   * Removes the metrics after `epochs` finished epochs, because these epochs are about to be repeated.
   * @throws DataError when the run has metrics of fewer epochs.
   */
  async rewind(epochs: number): Promise<void> {
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
    // What cannot be removed is reported by the error that stopped the run.
    await this.#checkpoints.discard();
    await remove(join(this.path, "config.json")).catch(() => undefined);
    await this.close();
    // The folder is removed only when it is empty, because other files in it do not belong to the run.
    await removeEmptyFolder(this.path).catch(() => undefined);
  }

  checkpointPath(which: "checkpoint" | "best"): string {
    return this.#checkpoints.path(which);
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
    return this.#write("evaluation.json", `${JSON.stringify(evaluation)}\n`);
  }

  /**
   * Writes the newest checkpoint, and keeps some of the earlier ones.
   * @param keep How many checkpoints are kept in all. Default: 2.
   * @throws DataError when it cannot be written. The earlier checkpoints are then as before.
   */
  writeCheckpoint(bytes: Uint8Array, keep: number = defaultKeep): Promise<void> {
    this.#checkLocked();
    return this.#checkpoints.write(bytes, keep);
  }

  /** Writes the checkpoint with the best test accuracy so far, and a copy of it. @throws DataError when they cannot be written. */
  writeBest(bytes: Uint8Array): Promise<void> {
    this.#checkLocked();
    return this.#checkpoints.writeBest(bytes);
  }

  /**
   * The newest checkpoint that is whole and has metrics of all its epochs; undefined when the run was stopped before its first one.
   * @throws DataError when all checkpoints are damaged, or are missing although epochs have ended.
   */
  async findNewest(): Promise<FoundCheckpoint | undefined> {
    const found = await this.#checkpoints.findNewest(this.#metrics.length);
    if (found === undefined && this.#metrics.length > 0)
      throw new DataError(
        `run: ${this.checkpointPath("checkpoint")} must exist, got no checkpoint in ${this.path}; restore it from a copy`,
      );
    return found;
  }

  /** Makes a checkpoint of `findNewest` the newest file. A damaged file in its place gets another name. @throws DataError */
  adopt(found: FoundCheckpoint): Promise<void> {
    this.#checkLocked();
    return this.#checkpoints.adopt(found);
  }

  /** Repairs the best checkpoint from its copy, or the copy from it. @returns what was done, as sentences for users. @throws DataError */
  repairBest(): Promise<string[]> {
    this.#checkLocked();
    return this.#checkpoints.repairBest();
  }

  /** The best checkpoint. A damaged one is replaced by its copy, with a note. @throws DataError when both are missing or damaged. */
  readBest(): Promise<Checkpoint> {
    return this.#checkpoints.readBest();
  }

  async #writeMetrics(metrics: readonly EpochMetrics[]): Promise<void> {
    await this.#write("metrics.jsonl", metrics.map((line) => `${JSON.stringify(line)}\n`).join(""));
    this.#metrics = metrics;
  }

  async #write(name: string, content: string): Promise<void> {
    this.#checkLocked();
    await writeFileAtomic(join(this.path, name), content);
  }

  #checkLocked(): void {
    if (this.#unlock === undefined)
      throw new ConfigError(`run: ${this.path} must be locked before it is written; open it with RunFolder.openLocked`);
  }

  /** Under the lock, no other process writes the run, so every temporary file is a leftover. */
  async #removeLeftovers(): Promise<void> {
    for (const name of await readdir(this.path))
      if (isTemporaryName(name) || formerTemporaryName.test(name))
        await remove(join(this.path, name)).catch((error: unknown) => {
          throw writeError(join(this.path, name), error);
        });
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

/** Versions before this one named the files that they were writing like this. */
const formerTemporaryName = /^(config\.json|metrics\.jsonl|evaluation\.json|(checkpoint|best)\.safetensors)\.partial-\d+$/;

/** @throws DataError unless `path` is the folder of a run. */
async function checkExists(path: string): Promise<void> {
  const entries = await readdir(path).catch((error: unknown) => {
    throw new DataError(
      `run: ${path} must be the folder of a run, got ${errorCode(error) ?? error}; name a folder that train has written`,
      { cause: error },
    );
  });
  if (!entries.includes("config.json"))
    throw new DataError(`run: ${path} must hold config.json, got none; name a folder that train has written`);
}

const taken = (path: string): ConfigError =>
  new ConfigError(
    `run: ${path} must not exist yet, or be empty, got something there; ` +
      `name another folder, or continue the run with --resume ${path}`,
  );
