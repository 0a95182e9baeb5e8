/** The convolutions that the page offers: a name for readers, and a few sizes of each family from small to large. */

export interface FamilyChoice {
  readonly kind: string;
  readonly title: string;
  /** The idea in a few words. */
  readonly idea: string;
  /** Texts of `--conv`, from few parameters to many. */
  readonly sizes: readonly string[];
  /** Where the usual size is. */
  readonly usual: number;
  /** Whether the fit of a trained network takes a minute or more, so that a run cannot change to the family. Default: false. */
  readonly slowFit?: true;
}

const sized = (kind: string, values: readonly number[]): string[] => values.map((value) => `${kind}_${value}`);

export const familyChoices: readonly FamilyChoice[] = [
  { kind: "Conv", title: "Dense", idea: "every channel to every channel", sizes: ["Conv"], usual: 0 },
  { kind: "Sep", title: "Separable", idea: "a window for each channel, then a full matrix", sizes: ["Sep"], usual: 0 },
  {
    kind: "TensorTrain",
    title: "Tensor-Train",
    idea: "a chain of small cores",
    sizes: sized("TensorTrain", [0.1, 0.2, 0.35, 0.5, 0.75, 1]),
    usual: 3,
  },
  {
    kind: "Tucker",
    title: "Tucker",
    idea: "a small core with a matrix for each axis",
    sizes: sized("Tucker", [0.1, 0.2, 0.35, 0.5, 0.75, 1]),
    usual: 3,
  },
  {
    kind: "CP",
    title: "CP",
    idea: "a sum of outer products",
    sizes: sized("CP", [0.1, 0.2, 0.35, 0.5, 0.75, 1]),
    usual: 3,
  },
  {
    kind: "Generic",
    title: "Low rank",
    idea: "two thin matrices",
    sizes: sized("Generic", [0.1, 0.2, 0.35, 0.5, 0.75]),
    usual: 1,
  },
  {
    kind: "Monarch",
    title: "Monarch",
    idea: "blocks, a permutation, blocks",
    sizes: sized("Monarch", [8, 4, 2]),
    usual: 1,
  },
  {
    kind: "Shuffle",
    title: "Shuffle",
    idea: "grouped products with the channels shuffled between",
    sizes: sized("Shuffle", [8, 4, 2]),
    usual: 1,
  },
  {
    kind: "Kronecker",
    title: "Kronecker",
    idea: "a sum of Kronecker products",
    sizes: sized("Kronecker", [1, 2, 4, 8]),
    usual: 2,
  },
  { kind: "Butterfly", title: "Butterfly", idea: "log₂ n sparse factors", sizes: ["Butterfly"], usual: 0 },
  {
    kind: "ACDC",
    title: "ACDC",
    idea: "diagonals between cosine transforms",
    sizes: sized("ACDC", [8, 16, 32]),
    usual: 0,
    slowFit: true,
  },
  {
    kind: "Hashed",
    title: "Hashed",
    idea: "weights shared by a hash",
    sizes: sized("Hashed", [0.05, 0.1, 0.2, 0.5]),
    usual: 2,
  },
];

/** Where a text of `--conv` stands among the choices; undefined for a text that the page does not offer. */
export function placeOf(conv: string): { readonly family: FamilyChoice; readonly size: number } | undefined {
  for (const family of familyChoices) {
    const size = family.sizes.indexOf(conv);
    if (size >= 0) return { family, size };
  }
  return undefined;
}

/** The name of a convolution for readers: `Tensor-Train 0.5`. */
export function titleOf(conv: string): string {
  const place = placeOf(conv);
  if (place === undefined) return conv;
  const [, ...numbers] = conv.split("_");
  return [place.family.title, ...numbers].join(" ");
}
