/** A family of a user's own whose maps have no method `fromDense`. */

import { constant } from "../../src/nn/init.ts";
import { eye } from "../../src/ops/creation.ts";
import { multiply } from "../../src/ops/elementwise.ts";
import { factor } from "../../src/structured/factor.ts";
import { defineFamily } from "../../src/structured/family.ts";
import { type OwnSpec, ownSpec } from "../../src/structured/spec.ts";
import { StructuredLinear } from "../../src/structured/structured-linear.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

/** W = g·1, cut to [out,in], with one number g. */
class Gain extends StructuredLinear {
  readonly name = "Gain";
  readonly bias = undefined;
  readonly g = factor(constant([1, 1], 1, { random: undefined as never }));

  toDense(): Tensor {
    return multiply(this.g.value, eye(this.outFeatures, this.inFeatures));
  }

  denseCost(): number {
    return this.outFeatures * this.inFeatures;
  }
}

const family = defineFamily({
  kind: "Gain",
  parameters: [],
  examples: { inspect: { kind: "Gain" } },
  linear: (_, inFeatures, outFeatures, __, options) => new Gain(inFeatures, outFeatures, options.mode),
});

export const withoutApproximation: OwnSpec = ownSpec(family, { kind: "Gain" });
