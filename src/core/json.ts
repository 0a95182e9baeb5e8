/** JSON as other programs and editors write it. */

import { DataError } from "./errors.ts";
import { fileKind } from "./file-kind.ts";

const byteOrderMark = "\ufeff";

/** The text without the mark that some editors put before it. JSON.parse does not take the mark. */
export const withoutByteOrderMark = (text: string): string => (text.startsWith(byteOrderMark) ? text.slice(1) : text);

/**
 * Parses a JSON file.
 * @param source What an error begins with: the operation and the file, such as `run: runs/a/config.json`.
 * @throws DataError for any other text. It says what the file is where that is known.
 */
export function parseJson(text: string, source: string): unknown {
  try {
    return JSON.parse(withoutByteOrderMark(text));
  } catch (error) {
    const kind = fileKind(new TextEncoder().encode(text.slice(0, 512)));
    const isOther = kind !== undefined && kind.name !== "a JSON file";
    const [got, remedy] = isOther
      ? [kind.name, kind.remedy]
      : [error instanceof Error ? error.message : String(error), "the file is damaged, restore it from a copy"];
    throw new DataError(`${source} must be JSON, got ${got}; ${remedy}`, { cause: error });
  }
}

/** The end of the string that begins at `start`: the position after its closing quote. */
function stringEnd(json: string, start: number): number {
  let at = start + 1;
  while (json[at] !== '"') at += json[at] === "\\" ? 2 : 1;
  return at + 1;
}

const isBlank = (character: string | undefined): boolean =>
  character === " " || character === "\n" || character === "\r" || character === "\t";

/**
 * The first key that one object of a text has twice; undefined where there is none. JSON.parse keeps the last value of such a key and drops
 * the others. The time is linear in the length of the text.
 * @param json A text that JSON.parse accepts.
 */
export function repeatedKey(json: string): string | undefined {
  /** The keys of every object around the current position. A list has none. */
  const open: (Set<string> | undefined)[] = [];
  for (let at = 0; at < json.length; at++) {
    const character = json[at];
    if (character === "{") open.push(new Set());
    else if (character === "[") open.push(undefined);
    else if (character === "}" || character === "]") open.pop();
    else if (character === '"') {
      const end = stringEnd(json, at);
      let next = end;
      while (isBlank(json[next])) next++;
      if (json[next] === ":") {
        const key = JSON.parse(json.slice(at, end)) as string;
        const keys = open.at(-1)!;
        if (keys.has(key)) return key;
        keys.add(key);
      }
      at = end - 1;
    }
  }
  return undefined;
}
