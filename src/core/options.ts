/** The check of option names, for programs in plain JavaScript, where no compiler finds a misspelt name. */

import { ConfigError } from "./errors.ts";

/** The names that an options object may have. */
export type OptionNames = Readonly<Record<string, true>>;

/** The names of the options `T`. The compiler demands each name of `T` and no other. */
export const optionNames = <T>(names: { readonly [Name in keyof Required<T>]: true }): OptionNames => names;

/** What a value of the wrong kind is, for errors: `an array`, `Random`, `7`. */
export const kindOf = (value: unknown): string => {
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" && value !== null ? (value.constructor?.name ?? "an object") : String(value);
};

/**
 * @throws ConfigError for a value that is no object, and for a name that is not among `known`. The error names the option that was probably
 * meant.
 */
export function checkOptions(op: string, options: object | undefined, known: OptionNames): void {
  if (options !== undefined && (typeof options !== "object" || options === null || Array.isArray(options)))
    throw new ConfigError(`${op}: the options must be an object with ${Object.keys(known).join(", ")}, got ${kindOf(options)}`);
  for (const name in options) if (known[name] !== true) throw unknownOption(op, name, Object.keys(known));
}

function unknownOption(op: string, name: string, known: readonly string[]): ConfigError {
  const near = known
    .map((other) => ({ other, distance: editDistance(name.toLowerCase(), other.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)[0];
  const advice = near !== undefined && near.distance <= Math.max(1, name.length / 3) ? `; did you mean ${near.other}?` : "";
  return new ConfigError(`${op}: the options are ${known.join(", ")}, got ${name}${advice}`);
}

/** The least number of insertions, deletions and substitutions of letters that turn `a` into `b` (Levenshtein 1966). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}
