/** Files as bytes and as text. Whatever stands in the way of reading becomes an error of this library. */

import { readFile } from "node:fs/promises";
import { DataError } from "../errors.ts";
import { visible } from "../quote.ts";
import { describeError, errorCode } from "./system-error.ts";

/** What the error for a file that cannot be read says. */
export interface ReadOptions {
  /** The operation, with which the error begins. */
  readonly op: string;
  /** What to do. */
  readonly remedy: string;
}

/** A folder in the place of a file has the code EISDIR, which few users know. */
const reasonOf = (error: unknown): string =>
  errorCode(error) === "EISDIR" ? "a folder" : (errorCode(error) ?? visible(describeError(error), 200));

async function orRefuse<T>(reading: Promise<T>, path: string, { op, remedy }: ReadOptions): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    throw new DataError(`${op}: ${path} must be readable, got ${reasonOf(error)}; ${remedy}`, { cause: error });
  }
}

/** @throws DataError for a file that cannot be read. */
export const readBytes = (path: string, options: ReadOptions): Promise<Uint8Array> => orRefuse(readFile(path), path, options);

/** @throws DataError for a file that cannot be read, or that is too long for a text. */
export const readText = (path: string, options: ReadOptions): Promise<string> => orRefuse(readFile(path, "utf8"), path, options);

/** Whether an error of `readBytes` or `readText` says that there is no such file. */
export const isMissing = (error: unknown): boolean =>
  error instanceof DataError && ["ENOENT", "ENOTDIR"].includes(errorCode(error.cause) ?? "");

/** The text of a file; undefined where there is no such file. @throws DataError as `readText` does. */
export async function readTextIfPresent(path: string, options: ReadOptions): Promise<string | undefined> {
  try {
    return await readText(path, options);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
