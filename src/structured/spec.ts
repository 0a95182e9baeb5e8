/** A spec says what a convolution is made of: a family, and a number for each of the family's hyper-parameters. */

import { families } from "./families.ts";
import type { FamilySpec, SpecOfFamily, StructuredFamily } from "./family.ts";

/** A spec of a built-in family: one member of the union for each record of the list. */
export type BuiltInSpec = SpecOfFamily<(typeof families)[number]>;
export type ConvolutionKind = BuiltInSpec["kind"];
export type SpecOf<K extends ConvolutionKind> = Extract<BuiltInSpec, { readonly kind: K }>;

/** A spec of a family that is not in the list. The spec carries the family's record. */
export interface OwnSpec {
  readonly kind: "own";
  readonly family: StructuredFamily;
  /** The kind of the family and its hyper-parameters. */
  readonly spec: FamilySpec;
  /** The absolute path of the module that exports the record; undefined for a record of the program itself. */
  readonly module?: string | undefined;
}

export type ConvolutionSpec = BuiltInSpec | OwnSpec;

const records: ReadonlyMap<string, StructuredFamily> = new Map(families.map((family) => [family.kind, family as StructuredFamily]));

/** The built-in family of a kind; undefined for any other word. */
export const builtInFamily = (kind: string): StructuredFamily | undefined => records.get(kind);

/** The record of the spec's family. */
export const familyOf = (spec: ConvolutionSpec): StructuredFamily => (spec.kind === "own" ? spec.family : records.get(spec.kind)!);

/** The spec as its family's record reads it. */
export const familySpecOf = (spec: ConvolutionSpec): FamilySpec => (spec.kind === "own" ? spec.spec : spec);

/**
 * The spec of a family that is not in the list: `ownSpec(diagonalPlusLowRank, { kind: "DiagonalPlusLowRank", rank: 4 })`.
 * `module` is the absolute path of the module that exports the record, if the spec is to be written as text.
 */
export const ownSpec = <Kind extends string, Name extends string>(
  family: StructuredFamily<Kind, Name>,
  spec: FamilySpec<Kind, Name>,
  module?: string,
): OwnSpec => ({ kind: "own", family: family as unknown as StructuredFamily, spec, module });
