/** The hash of an address, `#equation=ij%2Cjk&step=2`, as named texts. The playground and the labs say what a text means. */

import { DataError } from "../core/errors.ts";
import { quote } from "../core/quote.ts";

/** The length of the longest hash that is read. */
const longest = 4096;

/** The hash with its `#`, and empty without fields. */
export function formatHash(fields: Readonly<Record<string, string>>): string {
  const parts = Object.entries(fields).map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  return parts.length === 0 ? "" : `#${parts.join("&")}`;
}

/** The text that a part of a hash stands for. @throws DataError for a part that is no text. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (cause) {
    throw new DataError(`link: every part must be percent-encoded text, got ${quote(part)}; copy the link again`, { cause });
  }
}

/**
 * The fields of a hash, with or without its `#`. Only `names` are allowed, each at most once.
 * @throws DataError that names what is wrong.
 */
export function parseHash<Name extends string>(hash: string, names: readonly Name[]): Partial<Record<Name, string>> {
  const body = hash.startsWith("#") ? hash.slice(1) : hash;
  if (body.length > longest) throw new DataError(`link: must have at most ${longest} characters, got ${body.length}; copy the link again`);
  const fields = new Map<Name, string>();
  for (const part of body === "" ? [] : body.split("&")) {
    const [name, ...rest] = part.split("=").map(decoded) as [string, ...string[]];
    const known = names.find((each) => each === name);
    if (known === undefined) throw new DataError(`link: must name choices of ${names.join(", ")}, got ${quote(name)}`);
    if (fields.has(known)) throw new DataError(`link: ${known} must stand once, got it twice; copy the link again`);
    if (rest.length !== 1) throw new DataError(`link: ${known} must have one value, got ${rest.length}; copy the link again`);
    fields.set(known, rest[0]!);
  }
  return Object.fromEntries(fields) as Partial<Record<Name, string>>;
}

/** The integer that `text` writes in the shortest way. @throws DataError for anything else, or an integer outside [0, most]. */
export function parseCount(name: string, text: string, most: number): number {
  const value = Number(text);
  if (!/^(0|[1-9]\d{0,8})$/.test(text) || value > most)
    throw new DataError(`link: ${name} must be an integer in [0, ${most}], got ${quote(text)}; copy the link again`);
  return value;
}
