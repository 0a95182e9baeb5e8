/**
 * Writes event files, `events.out.tfevents.<seconds>.<hostname>`, which TensorBoard shows while training runs. Every session of a run
 * writes its own file. TensorBoard reads the files of a folder in the order of their names, as if they were one file.
 */

import { readdir } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { ConfigError } from "../../core/errors.ts";
import { largest } from "../../core/extent.ts";
import { makeFolder, OutputFile, remove } from "../../core/node/files.ts";
import { errorCode } from "../../core/node/system-error.ts";
import { writeError } from "./atomic-file.ts";
import { frame, imageEvent, type Moment, type PngImage, scalarsEvent, startEvent, versionEvent } from "./event-records.ts";

export interface EventFileOptions {
  /** The first step of this file. TensorBoard forgets this step and the later ones of earlier files in the folder. Default: 0. */
  readonly resumeStep?: number;
}

/** Collects events in memory, and appends them to a file at each `flush`. A crash loses the events that were not flushed, and no others. */
export class EventFileWriter {
  readonly path: string;
  readonly #file: OutputFile;
  /** Number of bytes on the disk that are whole records. */
  #length = 0;
  #pending: Uint8Array[] = [];
  #lastStep: number;
  /** Settles when the last write does. Each write waits for the one before. */
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string, file: OutputFile, firstStep: number) {
    this.path = path;
    this.#file = file;
    this.#lastStep = firstStep;
  }

  /**
   * Creates a file in `folder`, and the folder if it is absent. The file's name sorts after the names already there, even if the clock was
   * set back.
   * @throws ConfigError for a step that is no integer ≥ 0, DataError when the file cannot be written.
   */
  static async create(folder: string, { resumeStep: step = 0 }: EventFileOptions = {}): Promise<EventFileWriter> {
    checkStep(step);
    const wallTime = Date.now() / 1000;
    const { path, file } = await openLast(folder, Math.floor(wallTime));
    const writer = new EventFileWriter(path, file, step);
    // Every file has a start event, even the first one of a run: TensorBoard's newer reader does not take the first start event for a
    // restart.
    for (const event of [versionEvent, startEvent]) writer.#add(event({ step, wallTime }));
    try {
      await writer.flush();
    } catch (error) {
      await file.close();
      await remove(path).catch(() => undefined);
      throw error;
    }
    return writer;
  }

  /**
   * Adds numbers at a step, by tag (`train/loss`, `learning_rate`). They are stored as float32, NaN and infinities included.
   * @param wallTime Unix time in seconds.
   * @throws ConfigError for a step before the last one. Steps must rise over all tags, because a resumed run withdraws steps from all tags.
   */
  scalars(step: number, wallTime: number, values: Readonly<Record<string, number>>): void {
    this.#add(scalarsEvent(this.#moment(step, wallTime), values));
  }

  /**
   * Adds an image, such as an attention map, at a step.
   * @param wallTime Unix time in seconds.
   * @throws ConfigError for a step before the last one.
   */
  image(step: number, wallTime: number, tag: string, image: PngImage): void {
    this.#add(imageEvent(this.#moment(step, wallTime), tag, image));
  }

  /** Appends the collected events and waits for the disk. @throws DataError when they cannot be written. The next flush tries again. */
  flush(): Promise<void> {
    const written = this.#writing.then(() => this.#append());
    this.#writing = written.catch(() => undefined);
    return written;
  }

  /** Flushes, and closes the file in any case. @throws DataError when the collected events cannot be written. */
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
      // A failed write may have left half a record. Readers find a record by the length of the one before, so this would hide all later
      // records.
      await this.#file.truncate(this.#length);
      await this.#file.write(content);
      await this.#file.sync();
      this.#length += content.length;
    } catch (error) {
      this.#pending = [...records, ...this.#pending];
      throw writeError(this.path, error);
    }
  }
}

/** Opens a new file that sorts last in `folder`. Its second is `now`, or the next free one after the newest file. */
async function openLast(folder: string, now: number): Promise<{ path: string; file: OutputFile }> {
  let path = folder;
  try {
    await makeFolder(folder);
    const taken = (await readdir(folder)).map((name) => Number(/^events\.out\.tfevents\.(\d+)\./.exec(name)?.[1] ?? 0));
    for (let seconds = Math.max(now, largest(taken) + 1); ; seconds++) {
      path = join(folder, `events.out.tfevents.${String(seconds).padStart(10, "0")}.${hostname()}`);
      try {
        // Of two writers that start at once, each gets its own file.
        return { path, file: await OutputFile.create(path) };
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
