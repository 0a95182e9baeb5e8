/** What the paper's code refuses and this library builds on purpose: an expected error there is no failure here. */

import type { ConvolutionKind } from "../structured/spec.ts";

export const beyondReference: Readonly<Partial<Record<ConvolutionKind, string>>> = {
  CP: "the paper's code has a CP layer but calls it deprecated in networks; here it is built as any other",
};
