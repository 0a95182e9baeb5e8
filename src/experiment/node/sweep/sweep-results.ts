/** The results of a sweep: one JSON line a run. No run gets a second line, whenever a process is killed. */

import { readFile } from "node:fs/promises";
import { parseJson, withoutByteOrderMark } from "../../../core/json.ts";
import { errorCode } from "../../../data/node/system-error.ts";
import { writeFileAtomic } from "../../../train/node/atomic-file.ts";
import type { RunSummary } from "./run-summary.ts";

/** The lines of a file of results. @param path The file's name in errors. @throws DataError for a line that is no JSON. */
export const parseResults = (text: string, path: string): SweepResult[] =>
  withoutByteOrderMark(text)
    .split("\n")
    .flatMap((line, index) => (line.trim() === "" ? [] : [parseJson(line, `sweep: line ${index + 1} of ${path}`) as SweepResult]));

export interface SweepResult extends RunSummary {
  readonly id: string;
  /** The folder of the run; `host:path` for a run on another machine. */
  readonly run: string;
}

/** The file is replaced as a whole, so that it never holds a part of a line. Only the holder of the sweep's lock writes it. */
export class SweepResults {
  readonly path: string;
  #lines: readonly SweepResult[];

  private constructor(path: string, lines: readonly SweepResult[]) {
    this.path = path;
    this.#lines = lines;
  }

  /** Reads the results; a file that does not exist holds none. */
  static async open(path: string): Promise<SweepResults> {
    const text = await readFile(path, "utf8").catch((error: unknown) => {
      if (errorCode(error) === "ENOENT") return "";
      throw error;
    });
    return new SweepResults(path, parseResults(text, path));
  }

  get lines(): readonly SweepResult[] {
    return this.#lines;
  }

  has(id: string): boolean {
    return this.#lines.some((line) => line.id === id);
  }

  /** Adds a line, unless the run has one already. @throws DataError when the file cannot be written; the earlier lines stay. */
  async add(result: SweepResult): Promise<void> {
    if (this.has(result.id)) return;
    const lines = [...this.#lines, result];
    await writeFileAtomic(this.path, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    this.#lines = lines;
  }
}
