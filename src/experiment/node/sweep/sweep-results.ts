/** The results of a sweep: one JSON line a run. No run gets a second line, whenever a process is killed. */

import { dirname } from "node:path";
import { DataError } from "../../../core/errors.ts";
import { type JsonLines, parseJsonLines } from "../../../core/json.ts";
import { OutputFile, syncFolder } from "../../../core/node/files.ts";
import { readTextIfPresent } from "../../../core/node/read-file.ts";
import { accepted, checkSchema, finite, nullable, object, type Schema, where, whole } from "../../../core/schema.ts";
import { writeError, writeFileAtomic } from "../../../train/node/atomic-file.ts";
import type { RunSummary } from "./run-summary.ts";

export interface SweepResult extends RunSummary {
  readonly id: string;
  /** The folder of the run; `host:path` for a run on another machine. */
  readonly run: string;
}

/** Whether a value is a text that is short and that a terminal shows as it is. */
export const isShown = (value: unknown, most = 4096): value is string =>
  typeof value === "string" && value.length <= most && !/\p{Cc}/u.test(value);

/** A summary may come from the worker of somebody else. */
const shown: Schema<string> = accepted("a text of at most 4096 characters, none of them a control character", (value) => isShown(value));
const share = finite(0, 1);

/** What each field of a summary holds. */
export const summaryEntries = {
  network: shown,
  convolution: shown,
  seed: whole(),
  data: shown,
  teacher: nullable(shown),
  parameters: whole(),
  paperMultAdds: finite(0),
  multAdds: finite(0),
  compressionRatio: finite(0),
  epochs: whole(),
  trainLoss: finite(),
  testLoss: nullable(finite()),
  testAccuracy: nullable(share),
  bestTestAccuracy: nullable(share),
  seconds: finite(0),
};

/** What a run came to. */
export const summarySchema: Schema<RunSummary> = object(summaryEntries);

const resultSchema: Schema<SweepResult> = object({
  ...summaryEntries,
  id: where(shown, "a text that is not empty", (id) => id !== ""),
  run: where(shown, "a path that is not empty", (run) => run !== ""),
});

/** The lines of a file of results, and what a user should know of them. */
interface ParsedResults {
  readonly results: readonly SweepResult[];
  /** What was left out: the last line, when a process was killed while it wrote the line. */
  readonly note: string | undefined;
}

/**
 * Reads the lines of a file of results. A last line that was cut off is left out.
 * @param path The file's name in errors.
 * @throws DataError that names the line, for any other line that holds no result.
 */
export function parseResults(text: string, path: string): ParsedResults {
  const source = (line: number): string => `sweep: line ${line} of ${path}`;
  const remedy = "delete this line, and the sweep trains its run again";
  const { values, note } = linesOf(text, source, remedy);
  const results = values.map((value, i) => checkSchema(resultSchema, value, { source: source(i + 1), remedy }));
  return { results, note };
}

function linesOf(text: string, source: (line: number) => string, remedy: string): JsonLines {
  try {
    return parseJsonLines(text, source);
  } catch (error) {
    throw error instanceof DataError ? new DataError(`${error.message}, or ${remedy}`, { cause: error }) : error;
  }
}

const lineOf = (result: SweepResult): string => `${JSON.stringify(result)}\n`;

/**
 * The file of results. Lines are appended, so that a sweep of many runs takes no longer for its last line than for its first. Only the
 * process that holds the lock of the sweep writes the file.
 */
export class SweepResults {
  readonly path: string;
  readonly #ids: Set<string>;
  /** The length of the file in bytes, up to which its lines are whole. */
  #size: number;

  private constructor(path: string, ids: Set<string>, size: number) {
    this.path = path;
    this.#ids = ids;
    this.#size = size;
  }

  /**
   * Reads the results; a file that does not exist holds none. A last line that was cut off is removed, and `onNote` is told of it.
   * @throws DataError for a file with any other damage.
   */
  static async open(path: string, onNote: (note: string) => void): Promise<SweepResults> {
    const text = (await readTextIfPresent(path, { op: "sweep", remedy: "restore it from a copy, or choose another --out" })) ?? "";
    const { results, note } = parseResults(text, path);
    if (note !== undefined) onNote(`${note}; its run is trained again, or resumed`);
    const isWhole = note === undefined && (text === "" || text.endsWith("\n"));
    const content = isWhole ? text : results.map(lineOf).join("");
    if (!isWhole) await writeFileAtomic(path, content);
    return new SweepResults(path, new Set(results.map(({ id }) => id)), Buffer.byteLength(content));
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  /** Adds a line, unless the run has one already. @throws DataError when the file cannot be written; the earlier lines stay. */
  async add(result: SweepResult): Promise<void> {
    if (this.has(result.id)) return;
    const line = Buffer.from(lineOf(result));
    try {
      const file = await OutputFile.extend(this.path);
      try {
        // A part of a line, which a full disk has left, is removed before the next line.
        await file.truncate(this.#size);
        await file.write(line);
        await file.sync();
      } finally {
        await file.close();
      }
    } catch (error) {
      throw writeError(this.path, error);
    }
    if (this.#size === 0) await syncFolder(dirname(this.path));
    this.#size += line.length;
    this.#ids.add(result.id);
  }
}
