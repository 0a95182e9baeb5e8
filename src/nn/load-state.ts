/** Loading of state dicts, with a report of the names that do not fit. */

import { DataError } from "../core/errors.ts";
import { checkOptions, kindOf, type OptionNames, optionNames } from "../core/options.ts";
import { quote, visible } from "../core/quote.ts";
import { formatShape, type Shape, sameShape, sizeOf } from "../core/shape.ts";
import type { State } from "./state.ts";

/** The values of one entry. Other programs store counters as 64-bit integers. */
interface Values {
  readonly shape: Shape;
  readonly data: ArrayLike<number> | ArrayLike<bigint>;
}

/** The values as numbers. A 64-bit integer beyond 2⁵³ is rounded, and an entry of integers refuses the result. */
const numbersOf = ({ data }: Values): ArrayLike<number> =>
  typeof data[0] === "bigint" ? Array.from(data as ArrayLike<bigint>, Number) : (data as ArrayLike<number>);

/** The values of a state dict, by name. */
export type StateValues = ReadonlyMap<string, Values>;

/** The names at which a state dict does not fit. */
export interface LoadReport {
  /** The entries that have no default and no value in the state dict. */
  readonly missing: readonly string[];
  /** The values that belong to no entry. */
  readonly unexpected: readonly string[];
  /** The entries whose values have another shape or cannot be stored, with the reason: `fc.weight is [5,64] instead of [10,64]`. */
  readonly mismatched: readonly string[];
}

/** The error for a state dict that does not fit. `report` has all names, and the message has five of them. */
export class StateError extends DataError {
  override name = "StateError";
  readonly report: LoadReport;

  constructor(message: string, report: LoadReport) {
    super(message);
    this.report = report;
  }
}

export interface LoadOptions {
  /**
   * Whether a state dict that does not fit is an error. If false, every entry that fits is written and all others are reported. Default:
   * true.
   */
  readonly strict?: boolean;
}

/**
 * The text that stands before a shorter name in each of the longer names, such as `module.` of `module.fc.weight`. Undefined if there is
 * none. The names may be a stranger's, so the time is linear in their length.
 */
function commonPrefix(longer: readonly string[], shorter: ReadonlySet<string>): string | undefined {
  const [first] = longer;
  if (first === undefined) return undefined;
  let ending = "";
  for (const name of shorter) if (name.length > ending.length && name.length < first.length && first.endsWith(name)) ending = name;
  if (ending === "") return undefined;
  const prefix = first.slice(0, -ending.length);
  return longer.every((name) => name.startsWith(prefix) && shorter.has(name.slice(prefix.length))) ? prefix : undefined;
}

/** What to do about names that differ only in what they begin with. */
function prefixRemedy({ missing, unexpected }: LoadReport, own: ReadonlySet<string>, given: ReadonlySet<string>): string {
  const extra = commonPrefix(unexpected, own);
  if (extra !== undefined) return `; every name of the state begins with ${quote(extra)}, remove it`;
  const lacking = commonPrefix(missing, given);
  return lacking === undefined ? "" : `; every name of the network begins with ${quote(lacking)}, put it before the names of the state`;
}

/** The most faults that a message has. */
const mostFaults = 5;

/** Some faults of each kind: each kind may have as many as the others leave. */
function someFaults(kinds: readonly (readonly string[])[]): string[] {
  const counts = kinds.map(() => 0);
  for (let left = mostFaults, taken = true; left > 0 && taken; ) {
    taken = false;
    for (const [kind, faults] of kinds.entries())
      if (left > 0 && counts[kind]! < faults.length) [counts[kind], left, taken] = [counts[kind]! + 1, left - 1, true];
  }
  return kinds.flatMap((faults, kind) => faults.slice(0, counts[kind]));
}

/** How `overwriteState` finds the value of an entry. */
interface OverwriteOptions extends LoadOptions {
  /** The name that an entry had in files of earlier versions. Default: the same name. */
  readonly formerName?: (name: string) => string;
}

/** The names of `OverwriteOptions`. */
const overwriteOptions: OptionNames = optionNames<OverwriteOptions>({ strict: true, formerName: true });

/** The reason why `given` cannot be written to an entry. It is undefined if `given` can be written. */
function mismatch({ shape, dtype }: State, given: Values): string | undefined {
  if (!sameShape(given.shape, shape)) return `${formatShape(given.shape)} instead of ${formatShape(shape)}`;
  if (given.data.length !== sizeOf(shape)) return `${given.data.length} values for ${formatShape(shape)}`;
  if (dtype === "int32" && !Array.from(numbersOf(given)).every(Number.isSafeInteger))
    return `${quote(Array.from<number | bigint>(given.data))} instead of whole numbers`;
  return undefined;
}

/**
 * Whether the state dict uses the names of an earlier version. It then has the former name of every entry without a default, and lacks the
 * present name of at least one of them.
 */
function hasFormerNames(own: ReadonlyMap<string, State>, values: StateValues, formerName: (name: string) => string): boolean {
  const needed = [...own].filter(([, { missingValue }]) => missingValue === undefined).map(([name]) => name);
  return !needed.every((name) => values.has(name)) && needed.every((name) => values.has(formerName(name)));
}

/**
 * The shape with at most `rank` sizes, where the others are 1. Files of earlier versions hold a classifier as a 1×1 convolution, [O,I,1,1].
 * It is now a matrix, [O,I].
 */
const ofRank = (shape: Shape, rank: number): Shape => (shape.slice(rank).every((size) => size === 1) ? shape.slice(0, rank) : shape);

/**
 * The values under the present names of the entries. A state dict that has these names already, or the names of no version, stays as it is.
 * @param formerName The name that an entry had in files of earlier versions.
 */
export function withPresentNames<T extends Values>(
  own: ReadonlyMap<string, State>,
  values: ReadonlyMap<string, T>,
  formerName: (name: string) => string,
): ReadonlyMap<string, T> {
  if (!hasFormerNames(own, values, formerName)) return values;
  const present = new Map([...own.keys()].map((name) => [formerName(name), name]));
  return new Map(
    [...values].map(([former, value]) => {
      const name = present.get(former);
      return name === undefined ? [former, value] : [name, { ...value, shape: ofRank(value.shape, own.get(name)!.shape.length) }];
    }),
  );
}

/**
 * Overwrites the entries of `own` with the values of the same name. An entry with a default, such as a counter, may be missing. The entry
 * then gets the default.
 * @param op The name of the operation in error messages.
 * @returns the names that did not fit. There are none unless `strict` is false.
 * @throws StateError if a value is missing, unexpected, of another shape, or not a whole number for an int32 entry. Nothing is written
 * then. If `strict` is false, none of these is an error.
 */
export function overwriteState(
  op: string,
  own: ReadonlyMap<string, State>,
  values: StateValues,
  options: OverwriteOptions = {},
): LoadReport {
  checkOptions(op, options, overwriteOptions);
  const { strict = true, formerName = (name: string) => name } = options;
  for (const [name, given] of values)
    if (typeof given?.data !== "object")
      throw new DataError(`${op}: the values must have been read, got ${kindOf(given)} as ${quote(name)}; pass await model.readState()`);
  const named = withPresentNames(own, values, formerName);
  const unexpected = new Set(named.keys());
  const missing: string[] = [];
  const mismatched: string[] = [];
  const writes: (() => void)[] = [];
  for (const [name, state] of own) {
    const given = named.get(name);
    unexpected.delete(name);
    if (given === undefined) {
      const { missingValue } = state;
      if (missingValue === undefined) missing.push(name);
      else writes.push(() => state.write(new Float64Array(sizeOf(state.shape)).fill(missingValue)));
      continue;
    }
    const fault = mismatch(state, given);
    if (fault === undefined) writes.push(() => state.write(numbersOf(given)));
    else mismatched.push(`${name} is ${fault}`);
  }
  const report = { missing, unexpected: [...unexpected], mismatched };
  const faults = [missing.map((name) => `${name} is missing`), report.unexpected.map((name) => `${name} is unexpected`), mismatched];
  const count = faults.flat().length;
  if (strict && count > 0) {
    const more = count > mostFaults ? ` and ${count - mostFaults} more` : "";
    const remedy = prefixRemedy(report, new Set(own.keys()), new Set(named.keys()));
    const some = someFaults(faults).map((fault) => visible(fault, 300));
    throw new StateError(`${op}: the state must fit the network, got ${some.join("; ")}${more}${remedy}`, report);
  }
  for (const write of writes) write();
  return report;
}
