/**
 * The one path from a file's text to a value that the library trusts: text → JSON → schema → value. The schemas stand beside the types that
 * they describe. They are made of the words below, and each word says in an error what it allows. The library behind them is Valibot.
 */

import * as v from "valibot";
import { DataError } from "./errors.ts";
import { parseJson, restore } from "./json.ts";
import { quote, visible } from "./quote.ts";

/** The description of the values that a file may hold. */
export type Schema<T> = v.GenericSchema<unknown, T>;

/** Values that a predicate accepts. @param allowed The values in words that complete "must hold …". */
export const accepted = <T>(allowed: string, accepts: (value: unknown) => boolean): Schema<T> => v.custom<T>(accepts, allowed) as Schema<T>;

/** Integers that a double holds exactly, from `least` on. Default of `least`: 0. */
export const whole = (least = 0): Schema<number> =>
  accepted(`an integer ≥ ${least}`, (value) => Number.isSafeInteger(value) && (value as number) >= least);

/** Finite numbers within the bounds. JSON can write numbers that become ∞, such as 1e999. */
export const finite = (least = -Infinity, most = Infinity): Schema<number> => {
  const bounds = [least > -Infinity ? ` ≥ ${least}` : "", most < Infinity ? ` and ≤ ${most}` : ""].join("");
  return accepted(`a finite number${bounds}`, (value) => Number.isFinite(value) && (value as number) >= least && (value as number) <= most);
};

export const text: Schema<string> = v.string("a text") as Schema<string>;
export const flag: Schema<boolean> = v.boolean("true or false") as Schema<boolean>;

/** One of the given texts or numbers. */
export const oneOf = <const T extends string | number>(values: readonly T[]): Schema<T> =>
  accepted(values.length === 1 ? quote(values[0]) : `one of ${values.join(", ")}`, (value) => values.includes(value as T));

/** Lists of any length, or of one length. */
export const list = <T>(entry: Schema<T>, length?: number): Schema<T[]> => {
  const entries = v.array(entry, "a list");
  if (length === undefined) return entries as Schema<T[]>;
  return v.pipe(entries, v.length(length, `a list of ${length} entries`)) as Schema<T[]>;
};

/** Objects whose keys may be anything. */
export const dictionary = <T>(entry: Schema<T>): Schema<Record<string, T>> =>
  v.record(v.string(), entry, "an object") as Schema<Record<string, T>>;

/** The value or nothing. In an object, the key may be missing. */
export const optional = <T>(schema: Schema<T>): Schema<T | undefined> => v.optional(schema) as Schema<T | undefined>;

/** The value or null. */
export const nullable = <T>(schema: Schema<T>): Schema<T | null> => {
  const { message } = schema as { readonly message?: unknown };
  return accepted(`${typeof message === "string" ? message : "a value"} or null`, (value) => value === null || v.is(schema, value));
};

/** A schema that refers to itself. The depth of a value has a bound, since `parseJson` has one. */
export const recursive = <T>(schema: () => Schema<T>): Schema<T> => v.lazy(schema) as Schema<T>;

/** Values of a schema that follow a rule too. @param rule The rule in words that complete "must hold …". */
export const where = <T>(schema: Schema<T>, rule: string, follows: (value: T) => boolean): Schema<T> =>
  v.pipe(
    schema,
    v.check((value) => follows(value), rule),
  ) as Schema<T>;

type OptionalKeys<T> = { [K in keyof T]: undefined extends T[K] ? K : never }[keyof T];
type ObjectOf<T> = { [K in Exclude<keyof T, OptionalKeys<T>>]: T[K] } & { [K in OptionalKeys<T>]?: T[K] };

/** Objects with the given entries. Other keys are left alone: a later version of the library may have written them. */
export function object<T extends Record<string, unknown>>(entries: { readonly [K in keyof T]: Schema<T[K]> }): Schema<ObjectOf<T>>;
// Valibot computes a type of its own from the entries. The compiler cannot compare that type with `ObjectOf<T>` for an unknown T.
export function object(entries: v.ObjectEntries): Schema<unknown> {
  return v.looseObject(entries, "an object");
}

/** The entries of a value that a schema describes. Others could overwrite what is written beside them. */
export const only = <T extends object>(value: T, entries: Readonly<Record<keyof T, unknown>>): T =>
  Object.fromEntries(Object.entries(value).filter(([name]) => Object.hasOwn(entries, name))) as T;

/** Where a value comes from, for errors. */
export interface SourceOptions {
  /** What an error begins with: the operation and the file, such as `run: runs/a/config.json`. */
  readonly source: string;
  /** What to do about a wrong value. Default: to restore the file from a copy. */
  readonly remedy?: string;
}

/** Whether an issue is a missing key. Valibot reports it as an issue of the object around it. */
const isMissing = ({ kind, type, expected }: v.BaseIssue<unknown>): boolean =>
  kind === "schema" && type === "loose_object" && expected !== "Object";

/**
 * The value itself, if the schema describes it. Nothing is copied or converted.
 * @throws DataError with the file, the rule, the place in the value, what is there, and the remedy.
 */
export function checkSchema<T>(schema: Schema<T>, value: unknown, { source, remedy = restore }: SourceOptions): T {
  const { issues } = v.safeParse(schema, value, { abortEarly: true });
  if (issues === undefined) return value as T;
  const [issue] = issues;
  const path = v.getDotPath(issue);
  const place = path === null ? "" : visible(path);
  const [rule, got] = isMissing(issue) ? [place, "none"] : [`${issue.message}${place === "" ? "" : ` as ${place}`}`, quote(issue.input)];
  throw new DataError(`${source} must hold ${rule}, got ${got}; ${remedy}`);
}

/** The value that a JSON text holds. @throws DataError for a text that is no JSON, and as `checkSchema` does. */
export const readJson = <T>(schema: Schema<T>, json: string, options: SourceOptions): T =>
  checkSchema(schema, parseJson(json, options.source), options);
