/** The specs that a search over the hyper-parameter of a family tries. */

import { ConfigError } from "../core/errors.ts";
import { type NamedFamily, specFor } from "./convolution-text.ts";
import type { BudgetSearch, FamilySpec } from "./family.ts";
import type { ConvolutionSpec } from "./spec.ts";

/** The spec at a position of the search. The other hyper-parameters have their defaults. @throws ConfigError for one without a default. */
export function specAt(named: NamedFamily, { name, divisor }: BudgetSearch, position: number): ConvolutionSpec {
  const { kind, parameters } = named.family;
  const others = parameters.filter((parameter) => parameter.name !== name);
  const missing = others.find((parameter) => parameter.default === undefined);
  if (missing !== undefined)
    throw new ConfigError(
      `budget: ${kind} must have a default for ${missing.name}, which the budget does not choose; add one to its record`,
    );
  const values = parameters.map((parameter) => [parameter.name, parameter.name === name ? position / divisor : parameter.default]);
  return specFor(named, { kind, ...Object.fromEntries(values) } as FamilySpec);
}
