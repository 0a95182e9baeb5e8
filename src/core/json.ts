/** JSON as other programs and editors write it. */

import { DataError } from "./errors.ts";
import { fileKind } from "./file-kind.ts";
import { quote } from "./quote.ts";

const byteOrderMark = "\ufeff";

/** The text without the mark that some editors put before it. JSON.parse does not take the mark. */
const withoutByteOrderMark = (text: string): string => (text.startsWith(byteOrderMark) ? text.slice(1) : text);

/**
 * How many lists and objects may lie in one another. What the library writes has a depth below 30. Functions that call themselves for each
 * level, such as JSON.stringify, overflow the stack at some thousand levels.
 */
const deepest = 200;

/** What to do about a file whose content is wrong, where nothing better is known. */
export const restore = "the file is damaged, restore it from a copy";

/** The error for a text that is not the JSON which it should be. */
const refusal = (source: string, got: string, remedy: string): DataError => new DataError(`${source} must be JSON, got ${got}; ${remedy}`);

const messageOf = (json: string): string | undefined => {
  try {
    JSON.parse(json);
    return undefined;
  } catch (error) {
    return (error as SyntaxError).message;
  }
};

/** Whether more characters could make the text JSON: the engine objects to the end of the text only. */
function breaksOff(json: string): boolean {
  const message = messageOf(json) ?? "Unexpected end";
  const position = / at position (\d+)/.exec(message)?.[1];
  return message.startsWith("Unexpected end") || message.startsWith("Unterminated") || Number(position) === json.length;
}

/**
 * Where a text stops being JSON. The text is not quoted, and neither is the engine's message, which quotes it: the path of a file may lead
 * to a secret.
 */
function faultOf(json: string): string {
  if (breaksOff(json)) return "a text that ends too early";
  let [sound, broken] = [0, json.length];
  while (broken - sound > 1) {
    const middle = Math.floor((sound + broken) / 2);
    if (breaksOff(json.slice(0, middle))) sound = middle;
    else broken = middle;
  }
  const before = json.slice(0, sound);
  return `a mistake in line ${before.split("\n").length}, column ${sound - before.lastIndexOf("\n")}`;
}

/**
 * Parses a JSON file.
 * @param source What an error begins with: the operation and the file, such as `run: runs/a/config.json`.
 * @throws DataError for any other text, and for lists or objects that are nested more than 200 times. It says what the file is where that
 * is known.
 */
export function parseJson(text: string, source: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(withoutByteOrderMark(text));
  } catch {
    const kind = fileKind(new TextEncoder().encode(text.slice(0, 512)));
    if (kind !== undefined && kind.name !== "a JSON file") throw refusal(source, kind.name, kind.remedy);
    throw refusal(source, faultOf(withoutByteOrderMark(text)), restore);
  }
  if (depthOf(text) > deepest) throw refusal(source, `${quote(value)}, which is nested more than ${deepest} times`, restore);
  return value;
}

/** The largest number of lists and objects around one position of a text that JSON.parse accepts. */
function depthOf(json: string): number {
  let [depth, largest] = [0, 0];
  for (let at = 0; at < json.length; at++) {
    const character = json[at];
    if (character === '"') at = stringEnd(json, at) - 1;
    else if (character === "[" || character === "{") largest = Math.max(largest, ++depth);
    else if (character === "]" || character === "}") depth--;
  }
  return largest;
}

/** The values of a text with one JSON value a line, and what was left out. */
export interface JsonLines {
  readonly values: readonly unknown[];
  /** What a user should know of a last line that is no JSON: a process was killed while it wrote the line. Undefined for a whole file. */
  readonly note: string | undefined;
}

/**
 * Parses the lines of a file. A last line that is no JSON is left out, and the note says so.
 * @param source What an error begins with, by the number of the line.
 * @throws DataError for any other line that is no JSON.
 */
export function parseJsonLines(text: string, source: (line: number) => string): JsonLines {
  const lines = withoutByteOrderMark(text).trimEnd().split("\n");
  const values: unknown[] = [];
  for (const [index, line] of lines.entries()) {
    if (line.trim() === "" && lines.length === 1) break;
    try {
      values.push(parseJson(line, source(index + 1)));
    } catch (error) {
      if (index < lines.length - 1 || !(error instanceof DataError)) throw error;
      return { values, note: `${source(index + 1)} is cut off after ${line.length} characters, and is left out` };
    }
  }
  return { values, note: undefined };
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
