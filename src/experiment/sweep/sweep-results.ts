/** A sweep's results: one JSON line a run, each run once, whatever is killed when. */

import { readFile } from "node:fs/promises";
import { parseJson, withoutByteOrderMark } from "../../core/json.ts";
import { errorCode } from "../../data/node/system-error.ts";
import { writeFileAtomic } from "../../train/node/atomic-file.ts";
import type { RunSummary } from "./run-summary.ts";

/** The lines of a file of results. @param path The file's name in errors. @throws DataError for a line that is no JSON. */
export const parseResults = (text: string, path: string): SweepResult[] =>
  withoutByteOrderMark(text)
    .split("\n")
    .flatMap((line, index) => (line.trim() === "" ? [] : [parseJson(line, `sweep: line ${index + 1} of ${path}`) as SweepResult]));

export interface SweepResult extends RunSummary {
  readonly id: string;
  /** The run's folder, beside the results. */
  readonly run: string;
}

/** The file is replaced as a whole, so a line is there or it is not; who holds the sweep's lock is the only writer. */
export class SweepResults {
  readonly path: string;
  #lines: readonly SweepResult[];

  private constructor(path: string, lines: readonly SweepResult[]) {
    this.path = path;
    this.#lines = lines;
  }

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

  /** A run that has its line keeps it. @throws DataError when the file cannot be written; the lines before are untouched. */
  async add(result: SweepResult): Promise<void> {
    if (this.has(result.id)) return;
    const lines = [...this.#lines, result];
    await writeFileAtomic(this.path, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    this.#lines = lines;
  }
}
