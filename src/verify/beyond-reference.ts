/**
 * Layers that the paper's code refuses and that this library builds on purpose. An error that the fixtures expect of them is no failure.
 */

import type { ConvolutionKind } from "../structured/spec.ts";

export const beyondReference: Readonly<Partial<Record<ConvolutionKind, string>>> = {
  CP: "the paper's code has a CP layer but refuses it in networks as deprecated; this library builds it like any other",
};
