/** A spec says what a convolution is made of: a family, and a number for each of the family's hyper-parameters. */

import { ConfigError } from "../core/errors.ts";
import { suggestion } from "../core/nearest-word.ts";
import { quote } from "../core/quote.ts";
import { families } from "./families.ts";
import type { FamilySpec, SpecOfFamily, StructuredFamily } from "./family.ts";

/** A spec of a built-in family. The union has one member for each record in `families`. */
export type BuiltInSpec = SpecOfFamily<(typeof families)[number]>;
export type ConvolutionKind = BuiltInSpec["kind"];
export type SpecOf<K extends ConvolutionKind> = Extract<BuiltInSpec, { readonly kind: K }>;

/** A spec of a family that is not built in. The spec holds the record of the family. */
export interface OwnSpec {
  readonly kind: "own";
  readonly family: StructuredFamily;
  /** The kind of the family and its hyper-parameters. */
  readonly spec: FamilySpec;
  /** The absolute path of the module that exports the record. It is undefined if the program itself makes the record. */
  readonly module?: string | undefined;
}

export type ConvolutionSpec = BuiltInSpec | OwnSpec;

const familyByKind: ReadonlyMap<string, StructuredFamily> = new Map(families.map((family) => [family.kind, family as StructuredFamily]));

/** The built-in family of this kind. It is undefined if there is none. */
export const builtInFamily = (kind: string): StructuredFamily | undefined => familyByKind.get(kind);

/** The record of the spec's family. @throws ConfigError for a kind that is not built in. */
export function familyOf(spec: ConvolutionSpec): StructuredFamily {
  const family = spec.kind === "own" ? spec.family : familyByKind.get(spec.kind);
  if (family !== undefined) return family;
  const kinds = [...familyByKind.keys()];
  throw new ConfigError(`spec: kind must be one of ${kinds.join(", ")}, got ${quote(spec.kind)}${suggestion(String(spec.kind), kinds)}`);
}

/** The kind and the hyper-parameters, in the form that the methods of the family's record take. */
export const familySpecOf = (spec: ConvolutionSpec): FamilySpec => (spec.kind === "own" ? spec.spec : spec);

/**
 * The spec of a family that is not built in, such as `ownSpec(diagonalPlusLowRank, { kind: "DiagonalPlusLowRank", rank: 4 })`.
 * `module` is the absolute path of the module that exports the record. The text form needs it to find the family again.
 */
export function ownSpec<Kind extends string, Name extends string>(
  family: StructuredFamily<Kind, Name>,
  spec: FamilySpec<Kind, Name>,
  module?: string,
): OwnSpec;
// The implementation does not name the hyper-parameters, which the first signature demands to be the same in `family` and `spec`.
export function ownSpec(family: StructuredFamily, spec: FamilySpec, module?: string): OwnSpec {
  return { kind: "own", family, spec, module };
}
