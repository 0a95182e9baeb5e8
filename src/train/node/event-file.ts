/**
 * Event files, which TensorBoard shows while training runs: `events.out.tfevents.<seconds>.<hostname>`. Every session of a run writes a file
 * of its own; TensorBoard reads the files of a folder in the order of their names, as one.
 */

import { type FileHandle, mkdir, open, readdir, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { ConfigError } from "../../core/errors.ts";
import { errorCode } from "../../data/node/system-error.ts";
import { writeError } from "./atomic-file.ts";
import { frame, imageEvent, type Moment, type PngImage, scalarsEvent, startEvent, versionEvent } from "./event-records.ts";

export interface EventFileOptions {
  /** The first step this file will tell of. What earlier files of the folder tell of it and of later ones is withdrawn; by default, everything. */
  readonly resumeStep?: number;
}

/** Gathers events in memory and appends them at each `flush`; a crash loses what was not flushed, and nothing else. */
export class EventFileWriter {
  readonly path: string;
  readonly #file: FileHandle;
  /** Bytes of whole records on the disk. */
  #length = 0;
  #pending: Uint8Array[] = [];
  #lastStep: number;
  /** One write at a time, in the order they were asked for. */
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string, file: FileHandle, firstStep: number) {
    this.path = path;
    this.#file = file;
    this.#lastStep = firstStep;
  }

  /**
   * A new file in `folder`, which is made if absent. Its name sorts after those already there, whatever the clock says.
   * @throws ConfigError for a step that is no integer ≥ 0, DataError when the file cannot be written.
   */
  static async create(folder: string, { resumeStep: step = 0 }: EventFileOptions = {}): Promise<EventFileWriter> {
    checkStep(step);
    const wallTime = Date.now() / 1000;
    const { path, file } = await openLast(folder, Math.floor(wallTime));
    const writer = new EventFileWriter(path, file, step);
    // A start in every file, also the first of a run: TensorBoard's newer reader takes the first it sees for no restart.
    for (const event of [versionEvent, startEvent]) writer.#add(event({ step, wallTime }));
    try {
      await writer.flush();
    } catch (error) {
      await file.close();
      await rm(path, { force: true }).catch(() => undefined);
      throw error;
    }
    return writer;
  }

  /**
   * Numbers by tag (`train/loss`, `learning_rate`), as of `step`. Kept as float32; NaN and infinities are shown as such.
   * @param wallTime Unix time in seconds.
   * @throws ConfigError for a step before the last one: every tag of a run counts the same steps, or a resume would withdraw the wrong ones.
   */
  scalars(step: number, wallTime: number, values: Readonly<Record<string, number>>): void {
    this.#add(scalarsEvent(this.#moment(step, wallTime), values));
  }

  /** A picture, such as an attention map, as of `step`. @param wallTime Unix time in seconds. @throws ConfigError as `scalars` does. */
  image(step: number, wallTime: number, tag: string, image: PngImage): void {
    this.#add(imageEvent(this.#moment(step, wallTime), tag, image));
  }

  /** Appends what was gathered, and waits for the disk. @throws DataError when it cannot; the next flush tries again. */
  flush(): Promise<void> {
    const written = this.#writing.then(() => this.#append());
    this.#writing = written.catch(() => undefined);
    return written;
  }

  /** Flushes, and lets go of the file. @throws DataError when what was gathered cannot be written. */
  async close(): Promise<void> {
    try {
      await this.flush();
    } finally {
      await this.#file.close();
    }
  }

  #moment(step: number, wallTime: number): Moment {
    checkStep(step);
    if (step < this.#lastStep)
      throw new ConfigError(`event file: steps must not go back, got ${step} after ${this.#lastStep}; count every tag in the same steps`);
    this.#lastStep = step;
    return { step, wallTime };
  }

  #add(event: Uint8Array): void {
    this.#pending.push(frame(event));
  }

  async #append(): Promise<void> {
    const records = this.#pending;
    this.#pending = [];
    const content = Buffer.concat(records);
    try {
      // A failed write may have left half a record, which would hide all after it: each is found by the length of the one before.
      await this.#file.truncate(this.#length);
      await this.#file.appendFile(content);
      await this.#file.datasync();
      this.#length += content.length;
    } catch (error) {
      this.#pending = [...records, ...this.#pending];
      throw writeError(this.path, error);
    }
  }
}

/** Opens a file that sorts last in `folder`: of this second, or of the next one free after the newest there. */
async function openLast(folder: string, now: number): Promise<{ path: string; file: FileHandle }> {
  let path = folder;
  try {
    await mkdir(folder, { recursive: true });
    const newest = (await readdir(folder)).map((name) => Number(/^events\.out\.tfevents\.(\d+)\./.exec(name)?.[1] ?? 0));
    for (let seconds = Math.max(now, ...newest.map((second) => second + 1)); ; seconds++) {
      path = join(folder, `events.out.tfevents.${String(seconds).padStart(10, "0")}.${hostname()}`);
      try {
        // "x": of two writers that start at once each needs a file; "a": what was cut off after a failed write must leave no hole.
        return { path, file: await open(path, "ax") };
      } catch (error) {
        if (errorCode(error) !== "EEXIST") throw error;
      }
    }
  } catch (error) {
    throw writeError(path, error);
  }
}

function checkStep(step: number): void {
  if (!Number.isSafeInteger(step) || step < 0) throw new ConfigError(`event file: step must be an integer ≥ 0, got ${step}`);
}
