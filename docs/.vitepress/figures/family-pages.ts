/** What the pages of the families show besides their prose: which maps their tables count, and which weights their pictures name. */

import type { StageNotes, Step } from "../pictures/contraction-picture.ts";

/** A map from `inputs` to `outputs` channels of the convolution with this text form. */
export interface Example {
  readonly spec: string;
  readonly inputs: number;
  readonly outputs: number;
}

export interface FamilyPage {
  /** The name of the page's file in `docs/families`, without the ending. */
  readonly page: string;
  /** The rows of the table of costs. */
  readonly counted: readonly Example[];
  /** The map that the picture shows. */
  readonly drawn: Example;
  /** The weights of its stages, in the order in which they act, each by its name alone or with the symbols of the page. */
  readonly weights?: readonly (string | StageNotes)[];
  /** The picture of a map that is no chain of stages. Default: W is formed, and multiplied. */
  readonly steps?: readonly Step[];
  /** The convolutions of the family in the tables of measurements. */
  readonly measured: RegExp;
}

const shapes: readonly (readonly [number, number])[] = [
  [160, 160],
  [160, 320],
  [640, 640],
];
const all = (spec: string): readonly Example[] => shapes.map(([inputs, outputs]) => ({ spec, inputs, outputs }));
const square = (spec: string, ...sizes: readonly number[]): readonly Example[] =>
  sizes.map((size) => ({ spec, inputs: size, outputs: size }));
const drawn = (spec: string, inputs = 160, outputs = 160): Example => ({ spec, inputs, outputs });

/**
 * The weights of a train of three cores that is cut in the second digit, d₂ = p·a, with the ranks of the page. All but the names of the
 * cores are the letters of `trainStages`.
 */
const cutTrain = (names: readonly [string, string, string], [first, second]: readonly [string, string]): readonly StageNotes[] => [
  { name: names[0], symbols: { p: "a", d: "d₃", a: second } },
  { name: names[1], symbols: { a: first, o: "p", i: "a", b: second } },
  { name: names[2], symbols: { d: "d₁", b: first, p: "p" } },
];

/** One factor of ACDC, as the method `contract` works it off. */
const acdcSteps: readonly Step[] = [
  { label: "x", detail: "160 channels" },
  { label: "Π", detail: "first half to even places" },
  { label: "C⁻¹", detail: "cosine transform, scaled" },
  { label: "∘ d", detail: "160 parameters" },
  { label: "Π", detail: "first half to even places" },
  { label: "C", detail: "transposed cosine transform" },
  { label: "∘ a", detail: "160 parameters" },
  { label: "y", detail: "160 channels, or the next factor" },
];

export const familyPages: readonly FamilyPage[] = [
  { page: "dense-separable", counted: square("Sep", 160, 640), drawn: drawn("Sep"), measured: /^Sep$/ },
  {
    page: "acdc",
    counted: [...square("ACDC_3", 160, 640), ...square("ACDC_15", 640)],
    drawn: drawn("ACDC_3"),
    steps: acdcSteps,
    measured: /ACDC/,
  },
  {
    page: "hashednet",
    counted: square("SepHashed_0.2", 160, 640),
    drawn: drawn("SepHashed_0.2"),
    measured: /Hashed/,
  },
  {
    page: "tensor-train",
    counted: all("TensorTrain_0.44"),
    drawn: drawn("TensorTrain_0.44", 640, 640),
    weights: cutTrain(["G₃", "G₂", "G₁"], ["r₁", "r₂"]),
    measured: /^TensorTrain/,
  },
  {
    page: "tucker",
    counted: all("Tucker_0.41"),
    drawn: drawn("Tucker_0.41", 640, 640),
    weights: cutTrain(["U₃", "S·U₂", "U₁"], ["s₁", "s₃"]),
    measured: /^Tucker/,
  },
  {
    page: "canonical-polyadic",
    counted: all("CP_0.5"),
    drawn: drawn("CP_0.5", 640, 640),
    weights: [
      { name: "F₃", symbols: { i: "d₃", z: "R", c: "a" } },
      { name: "F₂", symbols: { o: "p", c: "a", z: "R" } },
      { name: "F₁", symbols: { m: "d₁", z: "R", o: "p" } },
    ],
    measured: /^CP/,
  },
  { page: "low-rank", counted: all("Generic_0.1"), drawn: drawn("Generic_0.1"), weights: ["contract", "expand"], measured: /^Generic/ },
  { page: "tied-low-rank", counted: all("LR_0.1"), drawn: drawn("LR_0.1"), weights: ["F", "F again"], measured: /^LR/ },
  { page: "linear-shufflenet", counted: all("Shuffle_4"), drawn: drawn("Shuffle_4"), weights: ["first", "second"], measured: /^Shuffle/ },
  { page: "monarch", counted: all("Monarch_8"), drawn: drawn("Monarch_8"), weights: ["R", "L"], measured: /^Monarch/ },
  {
    page: "block-tensor-train",
    counted: all("BlockTensorTrain_2"),
    drawn: drawn("BlockTensorTrain_2"),
    weights: ["right", "left"],
    measured: /BlockTensorTrain/,
  },
  {
    page: "matrix-tensor-train",
    counted: [...square("MatrixTensorTrain_8", 160, 640), ...square("MatrixTensorTrain_8_2", 640)],
    drawn: drawn("MatrixTensorTrain_8"),
    weights: [
      { name: "G₁", symbols: { m: "m₁", n: "n₁", b: "r₁", i: "n₂n₃" } },
      { name: "G₂", symbols: { a: "r₁", m: "m₂", n: "n₂", b: "r₂", o: "m₁", i: "n₃" } },
      { name: "G₃", symbols: { a: "r₂", m: "m₃", n: "n₃", o: "m₁m₂" } },
    ],
    measured: /^MatrixTensorTrain/,
  },
  { page: "kronecker", counted: all("Kronecker_4"), drawn: drawn("Kronecker_4"), weights: ["C", "B"], measured: /^Kronecker/ },
  { page: "blast", counted: all("BLAST_0.25"), drawn: drawn("BLAST_0.25"), weights: ["V", "S", "U"], measured: /^BLAST/ },
  {
    page: "butterfly",
    counted: all("Butterfly"),
    drawn: drawn("Butterfly"),
    weights: ["stages within", "stages between"],
    measured: /^Butterfly/,
  },
];
