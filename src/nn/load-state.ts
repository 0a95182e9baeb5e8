/** Loading of state dicts: either every entry is overwritten or none is. */

import { DataError } from "../core/errors.ts";
import { formatShape, type Shape, sameShape, sizeOf } from "../core/shape.ts";
import type { State } from "./state.ts";

/** The values of one entry. */
interface Values {
  readonly shape: Shape;
  readonly data: ArrayLike<number>;
}

/** The values of a state dict, by name. */
export type StateValues = ReadonlyMap<string, Values>;

/** The reason why `given` cannot be written to an entry; undefined where it can. */
function mismatch({ shape, dtype }: State, given: Values): string | undefined {
  if (!sameShape(given.shape, shape)) return `${formatShape(given.shape)} instead of ${formatShape(shape)}`;
  if (given.data.length !== sizeOf(shape)) return `${given.data.length} values for ${formatShape(shape)}`;
  if (dtype === "int32" && !Array.from(given.data).every(Number.isSafeInteger)) return `${Array.from(given.data)} instead of whole numbers`;
  return undefined;
}

/**
 * Overwrites every entry of `own` with the values of the same name. Nothing is written unless everything fits.
 * @param op The operation that an error names.
 * @throws DataError with the name of every entry that is missing, unknown, of another shape, or a counter whose value is no whole number.
 */
export function overwriteState(op: string, own: ReadonlyMap<string, State>, values: StateValues): void {
  const faults = [
    ...[...own.keys()].filter((name) => !values.has(name)).map((name) => `${name} is missing`),
    ...[...values.keys()].filter((name) => !own.has(name)).map((name) => `${name} is unknown`),
    ...[...own].flatMap(([name, state]) => {
      const given = values.get(name);
      const fault = given && mismatch(state, given);
      return fault === undefined ? [] : [`${name} is ${fault}`];
    }),
  ];
  if (faults.length > 0) {
    const more = faults.length > 5 ? ` and ${faults.length - 5} more` : "";
    throw new DataError(`${op}: the state must fit the network, got ${faults.slice(0, 5).join("; ")}${more}`);
  }
  for (const [name, state] of own) state.write(values.get(name)!.data);
}
