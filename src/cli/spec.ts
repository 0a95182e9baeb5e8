/** The command line's words for networks and convolutions: the one place where they are text. Inside, both are typed unions. */

import { ConfigError } from "../core/errors.ts";
import { WideResNet } from "../models/wide-resnet.ts";
import type { Build } from "../nn/init.ts";
import type { ConvolutionFactory } from "../structured/convolution-factory.ts";
import { Conv } from "../structured/dense.ts";
import { Sep } from "../structured/separable.ts";
import type { Classifier } from "../train/evaluate.ts";

export type ConvolutionSpec = { readonly kind: "Conv" } | { readonly kind: "Sep" };

const convolutionKinds = ["Conv", "Sep"] as const satisfies readonly ConvolutionSpec["kind"][];

/** What `--conv` takes, as help and errors say it. */
export const convolutionForms = convolutionKinds.join(", ");

/** @throws ConfigError for text that names no convolution. */
export function parseConvolution(text: string): ConvolutionSpec {
  const kind = convolutionKinds.find((name) => name === text);
  if (kind === undefined) throw new ConfigError(`convolution: must be one of ${convolutionForms}, got "${text}"`);
  return { kind };
}

export const formatConvolution = (spec: ConvolutionSpec): string => spec.kind;

export function convolutionFactory(spec: ConvolutionSpec): ConvolutionFactory {
  switch (spec.kind) {
    case "Conv":
      return Conv;
    case "Sep":
      return Sep;
  }
}

/** A WideResNet of 6n + 4 layers, 16·width channels and up. */
export interface NetworkSpec {
  readonly kind: "wrn";
  readonly depth: number;
  readonly width: number;
  readonly dropout: number;
  readonly convolution: ConvolutionSpec;
}

export const networkKinds = ["wrn"] as const satisfies readonly NetworkSpec["kind"][];

/** `wrn-10-1-Conv`: how run folders and reports call a network. */
export const formatNetwork = ({ kind, depth, width, convolution }: NetworkSpec): string =>
  `${kind}-${depth}-${width}-${formatConvolution(convolution)}`;

/** @throws ConfigError for a depth or width that the network cannot have. */
export function createNetwork(spec: NetworkSpec, classes: number, build: Build): Classifier {
  const { depth, width, dropout, convolution } = spec;
  return new WideResNet({ depth, width, dropout, classes, convolution: convolutionFactory(convolution) }, build);
}
