/**
 * Foreign values in error messages. What is quoted has a bounded length and depth, and no character that a terminal would obey: a file or
 * an option may hold megabytes, a million nested lists, or escape sequences.
 */

/** The length of a quotation where none is given, in UTF-16 units. */
const defaultLength = 80;

/** Nested values below this depth are quoted as `…`. */
const deepest = 4;

/** Characters that act on a terminal or that nobody sees: controls, marks of direction and width, separators of lines, lone surrogates. */
const unseen = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** `\u001b`, or `\u{e0001}` beyond the basic plane. */
export const escapeCharacter = (character: string): string => {
  const code = character.codePointAt(0)!.toString(16);
  return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, "0")}`;
};

/** The first `length` units, with `…` where something is left out. */
const cut = (text: string, length: number): string => (text.length > length ? `${text.slice(0, Math.max(0, length - 1))}…` : text);

/**
 * A text without quotation marks, such as a path or the message of another program. Control characters become escapes such as `\u001b`.
 * @param length The largest length of the result. Default: 80.
 */
export const visible = (text: string, length: number = defaultLength): string =>
  cut(cut(text, length).replace(unseen, escapeCharacter), length);

/**
 * A text of several lines, whose line breaks and tabs stay. Every other control character becomes an escape.
 * @param length The largest length of the result.
 */
export const visibleLines = (text: string, length: number): string =>
  cut(
    cut(text, length).replace(unseen, (character) => (character === "\n" || character === "\t" ? character : escapeCharacter(character))),
    length,
  );

/** A text in quotation marks. A quotation mark inside gets a backslash, as in JSON. */
function quoteText(text: string, length: number): string {
  const inside = JSON.stringify(text.slice(0, length)).slice(1, -1).replace(unseen, escapeCharacter);
  const whole = inside.length + 2 <= length && text.length <= length;
  return whole ? `"${inside}"` : `"${inside.slice(0, Math.max(0, length - 3))}…"`;
}

/**
 * Any value in the notation of JSON: `quote({ a: [1] })` is `{"a":[1]}`. A value that JSON does not have is named: `NaN`, `undefined`,
 * `[object Map]`. Never throws for a value of plain data.
 * @param length The largest length of the result. Default: 80.
 */
export function quote(value: unknown, length: number = defaultLength): string {
  return cut(quoteWithin(value, length, 0), length);
}

function quoteWithin(value: unknown, length: number, depth: number): string {
  if (typeof value === "string") return quoteText(value, length);
  if (typeof value === "bigint") return cut(`${value}n`, length);
  if (typeof value === "symbol" || typeof value === "function") return Object.prototype.toString.call(value);
  if (typeof value !== "object" || value === null) return Object.is(value, -0) ? "-0" : String(value);
  const isArray = Array.isArray(value);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (!isArray && prototype !== null && prototype !== Object.prototype) return Object.prototype.toString.call(value);
  const [open, close] = isArray ? ["[", "]"] : ["{", "}"];
  const keys = isArray ? undefined : Object.keys(value);
  const count = keys?.length ?? (value as readonly unknown[]).length;
  if (depth === deepest && count > 0) return `${open}…${close}`;
  let text = open;
  for (let i = 0; i < count; i++) {
    if (i > 0) text += ",";
    const room = length - text.length - 1;
    if (room < 2) return `${text}…${close}`;
    const key = keys?.[i];
    if (key !== undefined) text += `${quoteText(key, room)}:`;
    text += quoteWithin(key === undefined ? (value as readonly unknown[])[i] : (value as Record<string, unknown>)[key], room, depth + 1);
  }
  return text + close;
}
