/** Loading of state dicts, with a report of the names that do not fit. */

import { DataError } from "../core/errors.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { formatShape, type Shape, sameShape, sizeOf } from "../core/shape.ts";
import type { State } from "./state.ts";

/** The values of one entry. */
interface Values {
  readonly shape: Shape;
  readonly data: ArrayLike<number>;
}

/** The values of a state dict, by name. */
export type StateValues = ReadonlyMap<string, Values>;

/** The names that kept a state dict from fitting. */
export interface LoadReport {
  /** The entries that got no value. */
  readonly missing: readonly string[];
  /** The values that belong to no entry. */
  readonly unexpected: readonly string[];
  /** The entries whose values have another shape or cannot be stored, with the reason: `fc.weight is [5,64] instead of [10,64]`. */
  readonly mismatched: readonly string[];
}

/** A state dict that does not fit. `report` has all names; the message has the first of them. */
export class StateError extends DataError {
  override name = "StateError";
  readonly report: LoadReport;

  constructor(message: string, report: LoadReport) {
    super(message);
    this.report = report;
  }
}

export interface LoadOptions {
  /** Whether anything that does not fit is an error. If false, every entry that fits is written and the rest is reported. Default: true. */
  readonly strict?: boolean;
}

/** How `overwriteState` finds the value of an entry. */
interface OverwriteOptions extends LoadOptions {
  /** The name that an entry had in files of earlier versions. Default: the same name. */
  readonly formerName?: (name: string) => string;
}

/** The names of `OverwriteOptions`. */
const overwriteOptions: OptionNames = optionNames<OverwriteOptions>({ strict: true, formerName: true });

/** The shape without the sizes of 1 at its end. A classifier was once stored as a 1×1 convolution, [O,I,1,1], and is now a matrix. */
const withoutLastOnes = (shape: Shape): Shape => shape.slice(0, shape.findLastIndex((size) => size !== 1) + 1);

/** The reason why `given` cannot be written to an entry; undefined where it can. */
function mismatch({ shape, dtype }: State, given: Values, former: boolean): string | undefined {
  const sameSizes = former ? sameShape(withoutLastOnes(given.shape), withoutLastOnes(shape)) : sameShape(given.shape, shape);
  if (!sameSizes) return `${formatShape(given.shape)} instead of ${formatShape(shape)}`;
  if (given.data.length !== sizeOf(shape)) return `${given.data.length} values for ${formatShape(shape)}`;
  if (dtype === "int32" && !Array.from(given.data).every(Number.isSafeInteger)) return `${Array.from(given.data)} instead of whole numbers`;
  return undefined;
}

/** Whether the file has the names of an earlier version: the former name of every entry, and not the present name of every entry. */
function hasFormerNames(own: ReadonlyMap<string, State>, values: StateValues, formerName: (name: string) => string): boolean {
  const needed = [...own].filter(([, { missingValue }]) => missingValue === undefined).map(([name]) => name);
  return !needed.every((name) => values.has(name)) && needed.every((name) => values.has(formerName(name)));
}

/**
 * Overwrites the entries of `own` with the values of the same name. An entry with a default (a counter) may be missing, and gets the
 * default.
 * @param op The operation that an error names.
 * @returns the names that did not fit; without `strict: false` there are none.
 * @throws StateError, unless `strict` is false, if a value is missing, unexpected, of another shape, or no whole number for a counter.
 * Nothing is written then.
 */
export function overwriteState(
  op: string,
  own: ReadonlyMap<string, State>,
  values: StateValues,
  options: OverwriteOptions = {},
): LoadReport {
  checkOptions(op, options, overwriteOptions);
  const { strict = true, formerName = (name: string) => name } = options;
  const former = hasFormerNames(own, values, formerName);
  const unexpected = new Set(values.keys());
  const missing: string[] = [];
  const mismatched: string[] = [];
  const writes: (() => void)[] = [];
  for (const [name, state] of own) {
    const key = former ? formerName(name) : name;
    const given = values.get(key);
    unexpected.delete(key);
    if (given === undefined) {
      const { missingValue } = state;
      if (missingValue === undefined) missing.push(name);
      else writes.push(() => state.write(new Float64Array(sizeOf(state.shape)).fill(missingValue)));
      continue;
    }
    const fault = mismatch(state, given, former);
    if (fault === undefined) writes.push(() => state.write(given.data));
    else mismatched.push(`${name} is ${fault}`);
  }
  const report = { missing, unexpected: [...unexpected], mismatched };
  const faults = [
    ...missing.map((name) => `${name} is missing`),
    ...report.unexpected.map((name) => `${name} is unexpected`),
    ...mismatched,
  ];
  if (strict && faults.length > 0) {
    const more = faults.length > 5 ? ` and ${faults.length - 5} more` : "";
    throw new StateError(`${op}: the state must fit the network, got ${faults.slice(0, 5).join("; ")}${more}`, report);
  }
  for (const write of writes) write();
  return report;
}
