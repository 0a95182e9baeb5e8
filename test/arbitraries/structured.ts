/** Every kind of structured map with sizes it accepts, as plain configurations: a counterexample prints as a spec, two sizes and a seed. */

import fc from "fast-check";
import { families } from "../../src/structured/families.ts";
import type { ConvolutionKind, ConvolutionSpec, SpecOf } from "../../src/structured/spec.ts";
import type { Initialisation } from "../../src/structured/structured-linear.ts";

export interface StructuredConfiguration {
  readonly spec: ConvolutionSpec;
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly rows: number;
  readonly seed: number;
  readonly init: Initialisation;
}

interface Draw<S extends ConvolutionSpec> {
  readonly spec: fc.Arbitrary<S>;
  /** [in, out]. */
  readonly sizes: fc.Arbitrary<readonly [number, number]>;
  readonly inits: readonly Initialisation[];
}

const size = fc.integer({ min: 1, max: 24 });
/** Now and then sizes of real layers, which have many divisors. */
const anySizes: fc.Arbitrary<readonly [number, number]> = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(size, size) },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom(8, 16, 20, 32), fc.constantFrom(8, 16, 32, 40)) },
);
/** One size a multiple of the other, either way. */
const multiples = fc
  .tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 4 }), fc.boolean())
  .map(([a, k, grows]): readonly [number, number] => (grows ? [a, a * k] : [a * k, a]));
/** Any growth, or shrinking by a whole factor. */
const acdcSizes = fc.oneof(
  multiples,
  fc.tuple(size, fc.integer({ min: 0, max: 12 })).map(([a, more]): readonly [number, number] => [a, a + more]),
);
const growing = multiples.map(([a, b]): readonly [number, number] => [Math.min(a, b), Math.max(a, b)]);
/** Triples whose product cuts cleanly between outputs and inputs come up often among these. */
const threeWaySizes = fc.oneof(
  anySizes,
  fc.constantFrom<readonly [number, number]>(
    [8, 8],
    [16, 32],
    [32, 16],
    [64, 64],
    [16, 4],
    [4, 16],
    [27, 27],
    [9, 3],
    [40, 20],
    [10, 80],
    [5, 40],
    [1, 7],
    [7, 1],
  ),
);
const wideEnough = fc.tuple(size, fc.integer({ min: 4, max: 32 }));

const scale = fc.constantFrom(0.1, 0.25, 0.44, 0.5, 0.7, 1, 1.5);
const few = fc.integer({ min: 1, max: 6 });
const acdc = <K extends "ACDC" | "OriginalACDC" | "PlainACDC">(kind: K): Draw<SpecOf<K>> => ({
  spec: fc.integer({ min: 1, max: 4 }).map((factors) => ({ kind, factors }) as SpecOf<K>),
  sizes: acdcSizes,
  inits: ["reference", "variance-preserving"],
});
const scaled = <K extends "TensorTrain" | "Tucker" | "CP">(kind: K): Draw<SpecOf<K>> => ({
  spec: scale.map((s) => ({ kind, scale: s }) as SpecOf<K>),
  sizes: threeWaySizes,
  inits: ["reference", "spectral", "variance-preserving"],
});
const lowRank = <K extends "Generic" | "LR">(
  kind: K,
  sizes: Draw<SpecOf<K>>["sizes"],
  inits: readonly Initialisation[],
): Draw<SpecOf<K>> => ({
  spec: scale.map((s) => ({ kind, scale: s }) as SpecOf<K>),
  sizes,
  inits,
});
const large = fc.tuple(fc.integer({ min: 4, max: 24 }), fc.integer({ min: 4, max: 24 }));
const hashed = <K extends "Hashed" | "SepHashed" | "HashedSeparable">(kind: K): Draw<SpecOf<K>> => ({
  spec: fc.constantFrom(0.2, 0.5, 1).map((fraction) => ({ kind, fraction }) as SpecOf<K>),
  sizes: large,
  inits: ["reference"],
});
const decimated = <K extends "HashedDecimate" | "SepHashedDecimate">(kind: K): Draw<SpecOf<K>> => ({
  spec: fc.constant({ kind } as SpecOf<K>),
  sizes: fc.tuple(fc.integer({ min: 4, max: 16 }), fc.integer({ min: 20, max: 32 })),
  inits: ["reference"],
});
const allInits: readonly Initialisation[] = ["reference", "spectral", "variance-preserving"];

/** One generator a kind: a kind without one does not compile. */
const draws = {
  Conv: { spec: fc.constant({ kind: "Conv" as const }), sizes: anySizes, inits: ["reference"] },
  Sep: { spec: fc.constant({ kind: "Sep" as const }), sizes: anySizes, inits: ["reference"] },
  ACDC: acdc("ACDC"),
  OriginalACDC: acdc("OriginalACDC"),
  PlainACDC: acdc("PlainACDC"),
  Hashed: hashed("Hashed"),
  HashedDecimate: decimated("HashedDecimate"),
  SepHashed: hashed("SepHashed"),
  SepHashedDecimate: decimated("SepHashedDecimate"),
  HashedSeparable: hashed("HashedSeparable"),
  Generic: lowRank("Generic", fc.tuple(fc.integer({ min: 10, max: 24 }), size), allInits),
  LR: lowRank(
    "LR",
    growing.filter(([, out]) => out >= 10),
    allInits,
  ),
  TensorTrain: scaled("TensorTrain"),
  Tucker: scaled("Tucker"),
  CP: scaled("CP"),
  Shuffle: { spec: few.map((groups) => ({ kind: "Shuffle" as const, groups })), sizes: wideEnough, inits: allInits },
  Monarch: { spec: few.map((blocks) => ({ kind: "Monarch" as const, blocks })), sizes: anySizes, inits: allInits },
  BlockTensorTrain: { spec: few.map((rank) => ({ kind: "BlockTensorTrain" as const, rank })), sizes: anySizes, inits: allInits },
  NormedBlockTensorTrain: {
    spec: few.map((rank) => ({ kind: "NormedBlockTensorTrain" as const, rank })),
    sizes: anySizes,
    inits: allInits,
  },
  MatrixTensorTrain: {
    spec: fc.record({ kind: fc.constant("MatrixTensorTrain" as const), rank: few, cores: fc.integer({ min: 1, max: 4 }) }),
    sizes: anySizes,
    inits: allInits,
  },
  Kronecker: { spec: few.map((terms) => ({ kind: "Kronecker" as const, terms })), sizes: anySizes, inits: allInits },
  BLAST: {
    spec: fc.record({ kind: fc.constant("BLAST" as const), scale, blocks: few }),
    sizes: anySizes,
    inits: ["reference", "variance-preserving"],
  },
  Butterfly: { spec: fc.constant({ kind: "Butterfly" as const }), sizes: anySizes, inits: allInits },
} satisfies { readonly [K in ConvolutionKind]: Draw<SpecOf<K>> };

export const structuredKinds = families.map(({ kind }) => kind) as readonly ConvolutionKind[];

/** What begins by decomposing a matrix takes fifty times as long to build and differs in nothing but its numbers: one case in six. */
const initialisations = (inits: readonly Initialisation[]): fc.Arbitrary<Initialisation> =>
  inits.includes("variance-preserving")
    ? fc.oneof({ weight: 5, arbitrary: fc.constant("variance-preserving" as const) }, { weight: 1, arbitrary: fc.constantFrom(...inits) })
    : fc.constantFrom(...inits);

/** Maps of one kind. */
export function structuredConfigurations(kind: ConvolutionKind): fc.Arbitrary<StructuredConfiguration> {
  const { spec, sizes, inits } = draws[kind] as Draw<ConvolutionSpec>;
  return fc
    .record({ spec, sizes, rows: fc.integer({ min: 1, max: 5 }), seed: fc.nat({ max: 2 ** 31 }), init: initialisations(inits) })
    .map(({ sizes: [inFeatures, outFeatures], ...rest }) => ({ ...rest, inFeatures, outFeatures }));
}
