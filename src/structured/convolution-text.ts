/** The command line's words for convolutions: the one place where they are text. Inside, they are a typed union. */

import { ConfigError } from "../core/errors.ts";
import type { ConvolutionKind, ConvolutionSpec } from "./spec.ts";

/** How a kind is written: its own name alone, or `Name_number`, some with a second number. */
interface Form {
  readonly text: string;
  read(parameters: readonly number[]): ConvolutionSpec | undefined;
  write(spec: ConvolutionSpec): readonly (number | string)[];
}

/** A form whose fields are the spec's own; the result is checked by the types of `read`. */
const form = <S extends ConvolutionSpec>(
  text: string,
  read: (parameters: readonly number[]) => S | undefined,
  write: (spec: S) => readonly (number | string)[],
): Form => ({ text, read, write: (spec) => write(spec as S) });

const whole = (value: number | undefined): value is number => value !== undefined && Number.isInteger(value) && value >= 1;
const positive = (value: number | undefined): value is number => value !== undefined && value > 0;
const only = <T>(parameters: readonly T[], count: number): boolean => parameters.length === count;

const bare = (kind: "Conv" | "Sep" | "HashedDecimate" | "SepHashedDecimate" | "Butterfly"): Form =>
  form(
    kind,
    (p) => (only(p, 0) ? { kind } : undefined),
    () => [],
  );

const scaled = (kind: "Generic" | "LR" | "TensorTrain" | "Tucker" | "CP"): Form =>
  form(
    `${kind}_<scale>`,
    (p) => (only(p, 1) && positive(p[0]) ? { kind, scale: p[0] } : undefined),
    ({ scale }) => [scale],
  );

const hashed = (kind: "Hashed" | "SepHashed"): Form =>
  form(
    `${kind}_<fraction>`,
    (p) => (only(p, 1) && positive(p[0]) ? { kind, fraction: p[0] } : undefined),
    ({ fraction }) => [fraction],
  );

/** ACDC_n has n − 1 factors in the paper's code, ACDC alone is ACDC_12; published counts rest on it (docs/faithfulness.md). */
const acdc = (kind: "ACDC" | "OriginalACDC" | "PlainACDC"): Form =>
  form(
    `${kind}[_<factors + 1>]`,
    (p) => {
      const [layers = 12] = p;
      return p.length <= 1 && whole(layers) && layers >= 2 ? { kind, factors: layers - 1 } : undefined;
    },
    ({ factors }) => [factors + 1],
  );

const forms: Readonly<Record<ConvolutionKind, Form>> = {
  Conv: bare("Conv"),
  Sep: bare("Sep"),
  ACDC: acdc("ACDC"),
  OriginalACDC: acdc("OriginalACDC"),
  PlainACDC: acdc("PlainACDC"),
  Hashed: hashed("Hashed"),
  HashedDecimate: bare("HashedDecimate"),
  SepHashed: hashed("SepHashed"),
  SepHashedDecimate: bare("SepHashedDecimate"),
  HashedSeparable: form(
    "HashedSeparable[_<fraction>]",
    (p) => (p.length <= 1 && positive(p[0] ?? 0.2) ? { kind: "HashedSeparable", fraction: p[0] ?? 0.2 } : undefined),
    ({ fraction }) => [fraction],
  ),
  Generic: scaled("Generic"),
  LR: scaled("LR"),
  TensorTrain: scaled("TensorTrain"),
  Tucker: scaled("Tucker"),
  CP: scaled("CP"),
  Shuffle: form(
    "Shuffle_<groups>",
    (p) => (only(p, 1) && whole(p[0]) ? { kind: "Shuffle", groups: p[0] } : undefined),
    ({ groups }) => [groups],
  ),
  Monarch: form(
    "Monarch_<blocks>",
    (p) => (only(p, 1) && whole(p[0]) ? { kind: "Monarch", blocks: p[0] } : undefined),
    ({ blocks }) => [blocks],
  ),
  BlockTensorTrain: form(
    "BlockTensorTrain_<rank>",
    (p) => (only(p, 1) && whole(p[0]) ? { kind: "BlockTensorTrain", rank: p[0] } : undefined),
    ({ rank }) => [rank],
  ),
  MatrixTensorTrain: form(
    "MatrixTensorTrain_<rank>[_<cores>]",
    (p) => {
      const [rank, cores = 3] = p;
      return p.length <= 2 && whole(rank) && whole(cores) ? { kind: "MatrixTensorTrain", rank, cores } : undefined;
    },
    ({ rank, cores }) => (cores === 3 ? [rank] : [rank, cores]),
  ),
  Kronecker: form(
    "Kronecker_<terms>",
    (p) => (only(p, 1) && whole(p[0]) ? { kind: "Kronecker", terms: p[0] } : undefined),
    ({ terms }) => [terms],
  ),
  BLAST: form(
    "BLAST_<scale>[_<blocks>]",
    (p) => {
      const [scale, blocks = 4] = p;
      return p.length <= 2 && positive(scale) && whole(blocks) ? { kind: "BLAST", scale, blocks } : undefined;
    },
    ({ scale, blocks }) => (blocks === 4 ? [scale] : [scale, blocks]),
  ),
  Butterfly: bare("Butterfly"),
};

export const convolutionKinds = Object.keys(forms) as readonly ConvolutionKind[];

/** What `--conv` takes, as help and errors say it. */
export const convolutionForms = Object.values(forms)
  .map(({ text }) => text)
  .join(", ");

/** The kind a text begins with, and the spec it is; no spec where the kind's parameters are not what it takes. */
function read(text: string): { readonly name: string; readonly known: Form; readonly spec: ConvolutionSpec | undefined } | undefined {
  const [name = "", ...numbers] = text.split("_");
  if (!Object.hasOwn(forms, name)) return undefined;
  const known = forms[name as ConvolutionKind];
  const parameters = numbers.map((number) => (/^\d+(\.\d+)?$/.test(number) ? Number(number) : Number.NaN));
  return { name, known, spec: parameters.some(Number.isNaN) ? undefined : known.read(parameters) };
}

/** The kind that a text names, with or without its parameters. */
export const kindOf = (text: string): ConvolutionKind | undefined => {
  const [name] = text.split("_");
  return convolutionKinds.find((kind) => kind === name);
};

/** What is wrong with the parameters of a kind that exists; undefined for other texts. */
export function convolutionRefusal(text: string): string | undefined {
  const found = read(text);
  if (found === undefined || found.spec !== undefined) return undefined;
  const { name, known } = found;
  const rule = name.endsWith("ACDC") ? " with an integer of at least 2 (ACDC_n has n − 1 factors)" : " with numbers above 0";
  return `takes ${name} as ${known.text}${known.text === name ? "" : rule}, got "${text}"`;
}

/** `TensorTrain_0.44` as a spec. @throws ConfigError for text that names no convolution, or one with parameters it cannot have. */
export function parseConvolution(text: string): ConvolutionSpec {
  const spec = read(text)?.spec;
  if (spec !== undefined) return spec;
  throw new ConfigError(`convolution: ${convolutionRefusal(text) ?? `must be one of ${convolutionForms}, got "${text}"`}`);
}

export const formatConvolution = (spec: ConvolutionSpec): string => [spec.kind, ...forms[spec.kind].write(spec)].join("_");
