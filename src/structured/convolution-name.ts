/** Specs as they are written. `convolution-text.ts` reads them. */

import { parameterValue } from "./family.ts";
import { type ConvolutionSpec, familyOf, familySpecOf } from "./spec.ts";

/** The spec's name without a module: `MyKind_4`. It names networks and files. */
export function convolutionName(spec: ConvolutionSpec): string {
  const [{ kind, parameters }, own] = [familyOf(spec), familySpecOf(spec)];
  const written = parameters.map((parameter) => ({ parameter, value: parameterValue(own, parameter.name) }));
  // A default is left out where nothing follows it, unless the family writes it always.
  while (written.length > 0 && !written.at(-1)!.parameter.writesDefault && written.at(-1)!.parameter.default === written.at(-1)!.value)
    written.pop();
  return [kind, ...written.map(({ parameter, value }) => value + (parameter.textOffset ?? 0))].join("_");
}

/** The kind in a name: `TensorTrain` in `TensorTrain_0.44x2`, and `Sep` in `Sepx2`. */
export const kindIn = (name: string): string => name.split("_")[0]!.replace(/x\d+$/, "");

/** The text of a spec that is made of others; undefined for any other spec. */
export const composedText = (spec: { readonly kind: string }): string | undefined => {
  const { text } = spec as { readonly text?: unknown };
  return typeof text === "string" ? text : undefined;
};

/** The spec as `parseConvolution` reads it. */
export const formatConvolution = (spec: ConvolutionSpec): string => {
  const name = composedText(familySpecOf(spec)) ?? convolutionName(spec);
  return spec.kind === "own" && spec.module !== undefined ? `${spec.module}:${name}` : name;
};
