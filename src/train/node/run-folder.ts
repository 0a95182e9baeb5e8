/**
 * A run's folder: `config.json`, `metrics.jsonl` (a line per epoch), `checkpoint.safetensors` (to continue from), `best.safetensors` (the
 * best test accuracy so far) and `evaluation.json` (which class that one took for which). Every file is replaced as a whole, so at any moment what is there can be read and resumed.
 */

import { mkdir, readdir, readFile, rm, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError, DataError } from "../../core/errors.ts";
import { errorCode } from "../../data/node/system-error.ts";
import { type Checkpoint, decodeCheckpoint } from "../checkpoint.ts";
import type { Evaluation } from "../evaluate.ts";
import type { EpochMetrics } from "../trainer.ts";
import { partialMark, writeError, writeFileAtomic } from "./atomic-file.ts";
import { lockName } from "./folder-lock.ts";

/** An evaluation, after which epoch, and what the classes are called. */
export interface RecordedEvaluation extends Evaluation {
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
   * A new run. The folder must be absent or empty: no run is ever written over another.
   * @throws ConfigError when something is there, DataError when it cannot be written.
   */
  static async create(path: string, config: unknown): Promise<RunFolder> {
    await RunFolder.checkFree(path);
    const file = join(path, "config.json");
    try {
      await mkdir(path, { recursive: true });
      // "wx": of two runs that start at once one must lose.
      await writeFile(file, `${JSON.stringify(config, null, 2)}\n`, { flag: "wx" });
    } catch (error) {
      if (errorCode(error) === "EEXIST") throw taken(path);
      // A config cut short would pass for a run.
      await rm(file, { force: true }).catch(() => undefined);
      throw writeError(file, error);
    }
    return new RunFolder(path);
  }

  /** @throws ConfigError when a new run could not be written at `path` without touching what is there. */
  static async checkFree(path: string): Promise<void> {
    const entries = await readdir(path).catch((error: unknown) => {
      if (errorCode(error) === "ENOENT") return [];
      if (errorCode(error) === "ENOTDIR") throw taken(path);
      throw writeError(path, error);
    });
    if (entries.length > 0) throw taken(path);
  }

  /** An existing run. @throws DataError when there is none. */
  static async open(path: string): Promise<RunFolder> {
    const entries = await readdir(path).catch((error: unknown) => {
      throw new DataError(`run: ${path} must be the folder of a run, got ${errorCode(error) ?? error}; name one that train has written`, {
        cause: error,
      });
    });
    if (!entries.includes("config.json"))
      throw new DataError(`run: ${path} must hold config.json, got none; name a folder that train has written`);
    const run = new RunFolder(path);
    run.#metrics = await run.#readMetrics();
    return run;
  }

  /** What `create` was given, unchecked. @throws DataError unless it is JSON. */
  async config(): Promise<unknown> {
    const file = join(this.path, "config.json");
    const text = await readBytes(file);
    try {
      return JSON.parse(new TextDecoder().decode(text));
    } catch (error) {
      throw new DataError(`run: ${file} must be JSON; it is damaged, restore it from a copy`, { cause: error });
    }
  }

  /** A line per finished epoch. */
  get metrics(): readonly EpochMetrics[] {
    return this.#metrics;
  }

  /** Takes the run back to `epochs` finished epochs: the epochs after are about to be repeated. Clears what a killed process left. */
  async rewind(epochs: number): Promise<void> {
    for (const entry of await readdir(this.path)) if (entry.includes(partialMark)) await rm(join(this.path, entry), { force: true });
    const kept = this.#metrics.filter(({ epoch }) => epoch <= epochs);
    if (kept.length < epochs)
      throw new DataError(
        `run: ${join(this.path, "metrics.jsonl")} must hold the ${epochs} epochs before the checkpoint, got ${kept.length}; restore it from a copy`,
      );
    await this.#writeMetrics(kept);
  }

  /** Adds the epoch's line. @throws DataError when it cannot be written; the lines before are untouched. */
  async appendMetrics(metrics: EpochMetrics): Promise<void> {
    await this.#writeMetrics([...this.#metrics, metrics]);
  }

  /** Takes back `create`, for a run that could not begin. */
  async discard(): Promise<void> {
    for (const name of ["config.json", lockName]) await rm(join(this.path, name), { force: true });
    // Only an empty folder goes: whatever else is in it is not ours.
    await rmdir(this.path).catch(() => undefined);
  }

  checkpointPath(which: "checkpoint" | "best"): string {
    return join(this.path, `${which}.safetensors`);
  }

  /** How the best checkpoint did on the test images; undefined where none was tested, or of a run older than this file. */
  async evaluation(): Promise<RecordedEvaluation | undefined> {
    const text = await readFile(join(this.path, "evaluation.json"), "utf8").catch((error: unknown) => {
      if (errorCode(error) === "ENOENT") return undefined;
      throw error;
    });
    return text === undefined ? undefined : (JSON.parse(text) as RecordedEvaluation);
  }

  /** @throws DataError when it cannot be written. */
  writeEvaluation(evaluation: RecordedEvaluation): Promise<void> {
    return writeFileAtomic(join(this.path, "evaluation.json"), `${JSON.stringify(evaluation)}\n`);
  }

  /** Replaces a checkpoint. @throws DataError when it cannot be written; the one before is untouched. */
  writeCheckpoint(which: "checkpoint" | "best", bytes: Uint8Array): Promise<void> {
    return writeFileAtomic(this.checkpointPath(which), bytes);
  }

  /** @throws DataError when it is missing or damaged. */
  readCheckpoint(which: "checkpoint" | "best"): Promise<Checkpoint> {
    return readCheckpointFile(this.checkpointPath(which));
  }

  async #writeMetrics(metrics: readonly EpochMetrics[]): Promise<void> {
    await writeFileAtomic(join(this.path, "metrics.jsonl"), metrics.map((line) => `${JSON.stringify(line)}\n`).join(""));
    this.#metrics = metrics;
  }

  /** The whole lines, in order; a file that was cut short by a crash ends before the line that suffered. */
  async #readMetrics(): Promise<EpochMetrics[]> {
    const text = await readFile(join(this.path, "metrics.jsonl"), "utf8").catch((error: unknown) => {
      if (errorCode(error) === "ENOENT") return "";
      throw error;
    });
    const metrics: EpochMetrics[] = [];
    for (const line of text.split("\n")) {
      const parsed = parseLine(line);
      if (parsed?.epoch !== metrics.length + 1) break;
      metrics.push(parsed);
    }
    return metrics;
  }
}

function parseLine(line: string): EpochMetrics | undefined {
  try {
    return JSON.parse(line) as EpochMetrics;
  } catch {
    return undefined;
  }
}

/** @throws DataError when the file is missing, truncated or corrupted. */
export async function readCheckpointFile(path: string): Promise<Checkpoint> {
  return decodeCheckpoint(await readBytes(path), path);
}

async function readBytes(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new DataError(
      `run: ${file} must be readable, got ${errorCode(error) ?? error}; name a run or a checkpoint that train has written`,
      {
        cause: error,
      },
    );
  }
}

const taken = (path: string): ConfigError =>
  new ConfigError(
    `run: ${path} must not exist yet, or be empty, got something there; name another folder, or continue it with --resume ${path}`,
  );
