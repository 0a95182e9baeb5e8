/** Sums of Kronecker products (Van Loan & Pitsianis 1993): W = Σ_t B_t ⊗ C_t. */

import { balancedFactors } from "../core/factors.ts";
import { nearestKronecker } from "../linalg/kronecker.ts";
import type { Matrix } from "../linalg/matrix.ts";
import type { Described } from "../nn/describe.ts";
import type { Build } from "../nn/init.ts";
import type { Parameter } from "../nn/state.ts";
import { einsum, einsumMultiplyAdds } from "../ops/einsum.ts";
import { permute } from "../ops/layout.ts";
import { reshape } from "../ops/reshape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { biasParameter, factor, normalMatrix, variancePreserving } from "./factor.ts";
import { defineFamily, searchRank, whole } from "./family.ts";
import { mixChannels } from "./mix-channels.ts";
import { checkSizes, StructuredLinear, type StructuredOptions, type Work } from "./structured-linear.ts";

const denseEquation = "tab,tcd->acbd";

/**
 * W[o₁·m₂ + o₂, i₁·n₂ + i₂] = Σ_t B[t,o₁,i₁]·C[t,o₂,i₂].   t·(m₁n₁ + m₂n₂) parameters; t·m₂·(in + m₁n₁) multiply-adds per column: C first, B after.
 * `fromDense`: the truncated SVD of the rearranged matrix, the nearest such sum.
 */
export class KroneckerLinear extends StructuredLinear {
  readonly name = "KroneckerLinear";
  readonly B: Parameter;
  readonly C: Parameter;
  readonly bias: Parameter | undefined;

  /** @throws ConfigError unless terms is an integer ≥ 1. */
  constructor(inFeatures: number, outFeatures: number, terms: number, build: Build, options: StructuredOptions = {}) {
    super(inFeatures, outFeatures, options.mode);
    checkSizes("Kronecker", { inFeatures, outFeatures, terms });
    const [m1, m2] = balancedFactors(outFeatures, 2) as [number, number];
    const [n1, n2] = balancedFactors(inFeatures, 2) as [number, number];
    const kept = Math.min(terms, m1 * n1, m2 * n2);
    this.B = factor(variancePreserving([kept, m1, n1], kept * n1, m1, build));
    this.C = factor(variancePreserving([kept, m2, n2], n2, kept * m2, build));
    this.bias = options.bias ? biasParameter(outFeatures, inFeatures, build) : undefined;
    if (options.init === "spectral") this.fromDense(normalMatrix(outFeatures, inFeatures, build));
  }

  override contract(x: Tensor): Tensor {
    const [batch, , columns] = x.shape as [number, number, number];
    const [terms, m1, n1] = this.B.shape as [number, number, number];
    const [, m2, n2] = this.C.shape as [number, number, number];
    const inner = mixChannels(reshape(x, [batch * n1, n2, columns]), reshape(this.C.value, [terms * m2, n2]));
    const outer = reshape(permute(this.B.value, [1, 2, 0]), [m1, n1 * terms]);
    return reshape(mixChannels(reshape(inner, [batch, n1 * terms, m2 * columns]), outer), [batch, this.outFeatures, columns]);
  }

  protected override details(): Readonly<Record<string, Described | undefined>> {
    return { terms: this.B.shape[0] };
  }

  toDense(): Tensor {
    return reshape(einsum(denseEquation, this.B.value, this.C.value), [this.outFeatures, this.inFeatures]);
  }

  override contractionCost(): Work {
    const [terms, m1, n1] = this.B.shape as [number, number, number];
    const m2 = this.C.shape[1]!;
    return { multiplyAdds: terms * m2 * (this.inFeatures + m1 * n1), perCall: 0 };
  }

  denseCost(): number {
    return einsumMultiplyAdds(denseEquation, this.B.value, this.C.value);
  }

  override fromDense(target: Matrix): void {
    const [terms, rows, columns] = this.B.shape as [number, number, number];
    const nearest = nearestKronecker(target, { rows, columns }, terms).terms;
    this.B.write(nearest.flatMap(({ b }) => [...b.data]));
    this.C.write(nearest.flatMap(({ c }) => [...c.data]));
  }
}

export const kroneckerFamily = defineFamily({
  kind: "Kronecker",
  title: "Kronecker sum",
  parameters: [whole("terms")],
  budget: searchRank("terms"),
  examples: { inspect: { kind: "Kronecker", terms: 8 }, bench: [{ kind: "Kronecker", terms: 4 }] },
  linear: ({ terms }, inFeatures, outFeatures, build, options) => new KroneckerLinear(inFeatures, outFeatures, terms, build, options),
});
