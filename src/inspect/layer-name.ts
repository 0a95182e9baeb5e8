/**
 * Layers as `inspect --layer` names them: `tensor-train`, `TensorTrain`, `low-rank`, or a family of a module; each with hyper-parameters to
 * start from.
 */

import { ConfigError } from "../core/errors.ts";
import { suggestion } from "../core/nearest-word.ts";
import { familyNamed, formatConvolution, parseConvolution, specFor, splitModule } from "../structured/convolution-text.ts";
import { families } from "../structured/families.ts";
import type { StructuredFamily } from "../structured/family.ts";
import { type ConvolutionSpec, familyOf, familySpecOf } from "../structured/spec.ts";

/** `TensorTrain` → `tensor-train`; `ACDC`, an abbreviation, → `acdc`. */
const kebab = (kind: string): string => kind.replaceAll(/([a-z])([A-Z])/g, "$1-$2").toLowerCase();

const names: ReadonlyMap<string, StructuredFamily> = new Map(
  (families as readonly unknown[] as readonly StructuredFamily[]).flatMap((family) =>
    [kebab(family.kind), ...(family.alias === undefined ? [] : [family.alias])].map((name) => [name, family] as const),
  ),
);

export const layerNames: readonly string[] = [...names.keys()];

/** The names of all hyper-parameters of the built-in families. */
export const hyperParameters: readonly HyperParameterName[] = [
  ...new Set(families.flatMap(({ parameters }) => parameters.map(({ name }: { readonly name: HyperParameterName }) => name))),
];
type HyperParameterName = (typeof families)[number]["parameters"][number]["name"];
export type HyperParameters = { readonly [Name in HyperParameterName]?: number | undefined };

/** The spec that a name or a text stands for, before single hyper-parameters are changed. */
function startingSpec(text: string): ConvolutionSpec {
  const named = names.get(text);
  if (named !== undefined) return named.examples.inspect as ConvolutionSpec;
  const { module, form } = splitModule(text);
  const found = familyNamed(text);
  // The kind alone is a spec where every hyper-parameter has a default.
  const needsNumbers = found?.family.parameters.some((parameter) => parameter.default === undefined);
  if (found?.family.kind === form && (module !== undefined || needsNumbers)) return specFor(found, found.family.examples.inspect);
  if (module === undefined && !/^[A-Z]/.test(text))
    throw new ConfigError(
      `inspect: --layer must be one of ${layerNames.join(", ")}, or a spec such as TensorTrain_0.5, got "${text}"` +
        suggestion(text, layerNames),
    );
  return parseConvolution(text);
}

/**
 * The spec of `tensor-train` or `TensorTrain`, or of `TensorTrain_0.5` as `--conv` writes it, with the given hyper-parameters in place of
 * the spec's own.
 * @throws ConfigError for an unknown name, and for a hyper-parameter that the family does not have.
 */
export function parseLayer(text: string, given: HyperParameters = {}): ConvolutionSpec {
  const spec = startingSpec(text);
  const family = familyOf(spec);
  const own = family.parameters.map(({ name }) => name);
  const changes = Object.entries(given).filter(([, value]) => value !== undefined);
  const unknown = changes.find(([name]) => !own.includes(name));
  if (unknown !== undefined) {
    const takes = own.length === 0 ? "has no hyper-parameters" : `takes ${own.map((name) => `--${name}`).join(" and ")}`;
    throw new ConfigError(`inspect: ${text} ${takes}, got --${unknown[0]}; leave it out`);
  }
  const { module } = splitModule(text);
  const changed = specFor({ family, module }, { ...familySpecOf(spec), ...Object.fromEntries(changes) });
  // The text form checks the numbers by the rules of `--conv`.
  return parseConvolution(formatConvolution(changed));
}
