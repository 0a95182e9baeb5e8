/** Rules for the values of settings. One rule checks a setting wherever it comes from: the command line, a preset or a config.json. */

import { ConfigError } from "../core/errors.ts";
import { suggestion } from "../core/nearest-word.ts";

/** Which values a setting may have. */
export interface Rule<T> {
  /** The allowed values in words that complete "must be …". */
  readonly allowed: string;
  /** The value that a text stands for; undefined when the text stands for no allowed value. */
  parse(text: string): T | undefined;
  /** Whether a value of unknown type is allowed. */
  accepts(value: unknown): value is T;
  /** Says what is wrong with a text that is nearly right; undefined when `allowed` says enough. */
  refusal?(text: string): string | undefined;
  /** The end of a message about a wrong text: `; did you mean quick?`, or nothing. */
  suggestion?(text: string): string;
}

/** The type of the values that a rule allows. */
export type RuleValue<R> = R extends Rule<infer T> ? T : never;

interface Bounds {
  readonly least?: number;
  readonly most?: number;
  /** Bounds that are not allowed themselves. */
  readonly above?: number;
  readonly below?: number;
}

const within = (value: number, { least = -Infinity, most = Infinity, above = -Infinity, below = Infinity }: Bounds): boolean =>
  value >= least && value <= most && value > above && value < below;

function describe(kind: string, { least, most, above, below }: Bounds): string {
  const low = least !== undefined ? `[${least}` : above !== undefined ? `(${above}` : undefined;
  const high = most !== undefined ? `${most}]` : below !== undefined ? `${below})` : undefined;
  if (low !== undefined && high !== undefined) return `${kind} in ${low}, ${high}`;
  if (least !== undefined) return `${kind} ≥ ${least}`;
  return above !== undefined ? `${kind} > ${above}` : kind;
}

function numeric(kind: string, bounds: Bounds, is: (value: unknown) => boolean): Rule<number> {
  const accepts = (value: unknown): value is number => typeof value === "number" && is(value) && within(value, bounds);
  return {
    allowed: describe(kind, bounds),
    accepts,
    parse: (text) => {
      // Number("") is 0, but an empty text is no number.
      const value = text.trim() === "" ? Number.NaN : Number(text);
      return accepts(value) ? value : undefined;
    },
  };
}

/** Integers within bounds. */
export const integer = (bounds: Bounds): Rule<number> => numeric("an integer", bounds, Number.isSafeInteger);
/** Finite numbers within bounds. */
export const number = (bounds: Bounds): Rule<number> => numeric("a number", bounds, Number.isFinite);

/** One of `names`. */
export function choice<const T extends string>(names: readonly T[]): Rule<T> {
  const accepts = (value: unknown): value is T => names.includes(value as T);
  return {
    allowed: names.length === 1 ? names[0]! : `one of ${names.join(", ")}`,
    accepts,
    parse: (text) => (accepts(text) ? text : undefined),
    suggestion: (text) => suggestion(text, names),
  };
}

/** What one rule or the other allows. */
export function either<A, B>(one: Rule<A>, other: Rule<B>): Rule<A | B> {
  return {
    allowed: `${one.allowed}, or ${other.allowed}`,
    accepts: (value): value is A | B => one.accepts(value) || other.accepts(value),
    parse: (text) => one.parse(text) ?? other.parse(text),
  };
}

/** The length of the longest path that Linux takes. No other setting is nearly as long, and `check` may take time in proportion to it. */
const longestText = 4096;

/** Texts for which `check` does not throw a ConfigError. */
export function text(allowed: string, check: (text: string) => void): Rule<string> {
  const accepts = (value: unknown): value is string => {
    if (typeof value !== "string" || value.length > longestText) return false;
    try {
      check(value);
      return true;
    } catch (error) {
      if (error instanceof ConfigError) return false;
      throw error;
    }
  };
  return { allowed, accepts, parse: (argument) => (accepts(argument) ? argument : undefined) };
}

/** Paths in a file system. */
export const path: Rule<string> = text("a path", (value) => {
  if (value === "" || value.includes("\0")) throw new ConfigError("path: must not be empty or hold NUL");
});

/** A list of increasing integers up to `most`, separated by commas. */
export function milestones(most: number): Rule<readonly number[]> {
  const accepts = (value: unknown): value is readonly number[] =>
    Array.isArray(value) && value.every((v, i) => Number.isSafeInteger(v) && v > (i === 0 ? 0 : value[i - 1]) && v <= most);
  const parse = (argument: string): readonly number[] | undefined => {
    const values = argument.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
    return accepts(values) ? values : undefined;
  };
  return { allowed: `increasing epochs in [1, ${most}], separated by commas`, accepts, parse };
}

/** Three integers, separated by commas. */
export function three(bounds: Bounds): Rule<readonly number[]> {
  const accepts = (value: unknown): value is readonly number[] =>
    Array.isArray(value) && value.length === 3 && value.every((v) => Number.isSafeInteger(v) && within(v, bounds));
  const parse = (argument: string): readonly number[] | undefined => {
    const values = argument.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
    return accepts(values) ? values : undefined;
  };
  return { allowed: `three ${describe("integers", bounds)}, separated by commas`, accepts, parse };
}

/** One finite number for each channel of an RGB image, separated by commas. */
export function perChannel(bounds: Bounds): Rule<readonly number[]> {
  const accepts = (value: unknown): value is readonly number[] =>
    Array.isArray(value) && value.length === 3 && value.every((v) => Number.isFinite(v) && within(v, bounds));
  const parse = (argument: string): readonly number[] | undefined => {
    const values = argument.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
    return accepts(values) ? values : undefined;
  };
  return { allowed: `three ${describe("numbers", bounds)}, separated by commas`, accepts, parse };
}

/** Truth values. */
export const flag: Rule<boolean> = {
  allowed: "true or false",
  accepts: (value) => typeof value === "boolean",
  parse: (argument) => (argument === "true" ? true : argument === "false" ? false : undefined),
};

/** The values of `rule`, and undefined. */
export const optional = <T>(rule: Rule<T>): Rule<T | undefined> => ({
  allowed: rule.allowed,
  accepts: (value): value is T | undefined => value === undefined || rule.accepts(value),
  parse: rule.parse,
  ...(rule.refusal && { refusal: rule.refusal }),
  ...(rule.suggestion && { suggestion: rule.suggestion }),
});
