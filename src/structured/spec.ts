/** What a convolution may be made of: one kind per family, each with its own hyper-parameters. Text exists only on the command line. */

export type ConvolutionSpec =
  | { readonly kind: "Conv" }
  | { readonly kind: "Sep" }
  /** `factors` as built; the command line's ACDC_n means n − 1 of them. */
  | { readonly kind: "ACDC" | "OriginalACDC" | "PlainACDC"; readonly factors: number }
  | { readonly kind: "Hashed" | "SepHashed" | "HashedSeparable"; readonly fraction: number }
  | { readonly kind: "HashedDecimate" | "SepHashedDecimate" }
  | { readonly kind: "Generic" | "LR"; readonly scale: number }
  | { readonly kind: "TensorTrain" | "Tucker" | "CP"; readonly scale: number }
  | { readonly kind: "Shuffle"; readonly groups: number }
  | { readonly kind: "Monarch"; readonly blocks: number }
  | { readonly kind: "BlockTensorTrain"; readonly rank: number }
  | { readonly kind: "MatrixTensorTrain"; readonly rank: number; readonly cores: number }
  | { readonly kind: "Kronecker"; readonly terms: number }
  | { readonly kind: "BLAST"; readonly scale: number; readonly blocks: number }
  | { readonly kind: "Butterfly" };

export type ConvolutionKind = ConvolutionSpec["kind"];
export type SpecOf<K extends ConvolutionKind> = Extract<ConvolutionSpec, { readonly kind: K }>;
