/** Layers by the names the command line has for them: `tensor-train`, `low-rank`; each with hyper-parameters to begin with. */

import { ConfigError } from "../core/errors.ts";
import { formatConvolution, parseConvolution } from "../structured/convolution-text.ts";
import type { ConvolutionKind, ConvolutionSpec } from "../structured/spec.ts";

/** A middling size for each: about a quarter of the dense parameters at 64 → 64. */
const usual: { readonly [K in ConvolutionKind]: ConvolutionSpec & { readonly kind: K } } = {
  Conv: { kind: "Conv" },
  Sep: { kind: "Sep" },
  ACDC: { kind: "ACDC", factors: 8 },
  OriginalACDC: { kind: "OriginalACDC", factors: 8 },
  PlainACDC: { kind: "PlainACDC", factors: 8 },
  Hashed: { kind: "Hashed", fraction: 0.25 },
  SepHashed: { kind: "SepHashed", fraction: 0.25 },
  HashedSeparable: { kind: "HashedSeparable", fraction: 0.25 },
  HashedDecimate: { kind: "HashedDecimate" },
  SepHashedDecimate: { kind: "SepHashedDecimate" },
  Generic: { kind: "Generic", scale: 0.125 },
  LR: { kind: "LR", scale: 0.25 },
  TensorTrain: { kind: "TensorTrain", scale: 0.5 },
  Tucker: { kind: "Tucker", scale: 0.5 },
  CP: { kind: "CP", scale: 1 },
  Shuffle: { kind: "Shuffle", groups: 2 },
  Monarch: { kind: "Monarch", blocks: 8 },
  BlockTensorTrain: { kind: "BlockTensorTrain", rank: 1 },
  MatrixTensorTrain: { kind: "MatrixTensorTrain", rank: 4, cores: 3 },
  Kronecker: { kind: "Kronecker", terms: 8 },
  BLAST: { kind: "BLAST", scale: 0.125, blocks: 4 },
  Butterfly: { kind: "Butterfly" },
};

/** What the field calls them, where that is not the kind's own name. */
const aliases: Readonly<Record<string, ConvolutionKind>> = {
  dense: "Conv",
  "depthwise-separable": "Sep",
  "low-rank": "Generic",
  "tied-low-rank": "LR",
  "canonical-polyadic": "CP",
  "linear-shuffle": "Shuffle",
};

/** `TensorTrain` → `tensor-train`; `ACDC`, an abbreviation, → `acdc`. */
const kebab = (kind: string): string => kind.replaceAll(/([a-z])([A-Z])/g, "$1-$2").toLowerCase();

const names: ReadonlyMap<string, ConvolutionKind> = new Map([
  ...(Object.keys(usual) as ConvolutionKind[]).map((kind) => [kebab(kind), kind] as const),
  ...Object.entries(aliases),
]);

export const layerNames: readonly string[] = [...names.keys()];

/** Hyper-parameters by the names their specs have for them. */
export const hyperParameters = ["scale", "rank", "cores", "groups", "blocks", "terms", "factors", "fraction"] as const;
export type HyperParameters = { readonly [K in (typeof hyperParameters)[number]]?: number | undefined };

/**
 * The spec of `tensor-train`, or of `TensorTrain_0.5` as --conv writes it, with the hyper-parameters given instead of the usual ones.
 * @throws ConfigError for a name that is unknown, or a hyper-parameter that this layer has not.
 */
export function parseLayer(text: string, given: HyperParameters = {}): ConvolutionSpec {
  const kind = names.get(text);
  if (kind === undefined && !/^[A-Z]/.test(text))
    throw new ConfigError(`inspect: --layer must be one of ${layerNames.join(", ")}, or a spec such as TensorTrain_0.5, got "${text}"`);
  const spec: ConvolutionSpec = kind === undefined ? parseConvolution(text) : usual[kind];
  const own = Object.keys(spec).filter((name) => name !== "kind");
  const changes = Object.entries(given).filter(([, value]) => value !== undefined);
  const strange = changes.find(([name]) => !own.includes(name));
  if (strange !== undefined) {
    const takes = own.length === 0 ? "has no hyper-parameters" : `takes ${own.map((name) => `--${name}`).join(" and ")}`;
    throw new ConfigError(`inspect: ${text} ${takes}, got --${strange[0]}; leave it out`);
  }
  const changed = { ...spec, ...Object.fromEntries(changes) } as ConvolutionSpec;
  // Written and read again, numbers are checked by the rules of --conv.
  return parseConvolution(formatConvolution(changed));
}
