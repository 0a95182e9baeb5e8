/**
 * Structures that the host writes and the kernels read. The kernels' classes (assembly/) describe them; build-kernels.mjs copies the names
 * of the fields to generated/structs.ts. The host sets fields by name, and the compiler refuses a name that is missing or unknown.
 */

import { structs } from "../generated/structs.ts";
import type { ArenaMemory } from "./arena-memory.ts";

export type StructName = keyof typeof structs;

/** The value of every field. Addresses and distances are in bytes where the kernels' class says so. */
export type StructValues<Name extends StructName> = { readonly [Field in keyof (typeof structs)[Name]]: number };

const wordBytes = 4;

/** For each structure and each of its fields, in order: the name, and whether it is a float. */
const layouts = new Map<string, readonly { readonly field: string; readonly isFloat: boolean }[]>(
  Object.entries(structs).map(([name, fields]) => [
    name,
    Object.entries(fields).map(([field, type]) => ({ field, isFloat: type === "float" })),
  ]),
);

/** Bytes of one structure. */
export const structBytes = (name: StructName): number => wordBytes * layouts.get(name)!.length;

/** The position of every field, in words: for long tables of small structures, which are filled in word by word. */
export const fieldPositions = <Name extends StructName>(name: Name): StructValues<Name> =>
  Object.fromEntries(Object.keys(structs[name]).map((field, position) => [field, position])) as StructValues<Name>;

/** Writes structures one behind the other, from the address `pointer` on. */
export function writeStructs<Name extends StructName>(
  { integers, floats }: ArenaMemory,
  pointer: number,
  name: Name,
  list: readonly StructValues<Name>[],
): void {
  const layout = layouts.get(name)!;
  let word = pointer / wordBytes;
  for (const values of list as readonly Readonly<Record<string, number>>[])
    for (const { field, isFloat } of layout) (isFloat ? floats : integers)[word++] = values[field]!;
}

/** Writes one structure at the address `pointer`. */
export const writeStruct = <Name extends StructName>(memory: ArenaMemory, pointer: number, name: Name, values: StructValues<Name>): void =>
  writeStructs(memory, pointer, name, [values]);
