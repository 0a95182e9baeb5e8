/** BLAST (Lee et al. 2024, arXiv 2410.21262): blocks that share their bases, each with a diagonal of its own. */

import { divisors, greatestCommonDivisor } from "../core/factors.ts";
import type { Described } from "../nn/describe.ts";
import type { Build } from "../nn/init.ts";
import type { Parameter } from "../nn/state.ts";
import { einsum, einsumMultiplyAdds } from "../ops/einsum.ts";
import { permute } from "../ops/layout.ts";
import { reshape } from "../ops/reshape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { biasParameter, factor, refuseSpectral, variancePreserving } from "./factor.ts";
import { defineFamily, positive, searchScale, whole } from "./family.ts";
import { mixChannels, transposeChannels } from "./mix-channels.ts";
import { checkSizes, StructuredLinear, type StructuredOptions, type Work } from "./structured-linear.ts";

export interface BlastShape {
  /** Lowered to a common divisor of inputs and outputs. */
  readonly blocks: number;
  readonly rank: number;
}

const denseEquation = "ipr,ijr,jrq->ipjq";

/**
 * Block (i, j) of W is U_i·diag(s_ij)·V_j: U:[b,out/b,r], S:[b,b,r], V:[b,r,in/b].   r·(in + out + b²) parameters and multiply-adds
 * per column: each V_j once, then for every r a b×b mixture, then each U_i once. Low rank is the case S = 1.
 */
export class BlastLinear extends StructuredLinear {
  readonly name = "BlastLinear";
  readonly U: Parameter;
  readonly S: Parameter;
  readonly V: Parameter;
  readonly bias: Parameter | undefined;

  /** @throws ConfigError unless blocks and rank are integers ≥ 1. */
  constructor(inFeatures: number, outFeatures: number, { blocks, rank }: BlastShape, build: Build, options: StructuredOptions = {}) {
    super(inFeatures, outFeatures, options.mode);
    checkSizes("BLAST", { inFeatures, outFeatures, blocks, rank });
    refuseSpectral("BLAST", options.init ?? "reference");
    const b = divisors(greatestCommonDivisor(inFeatures, outFeatures))
      .filter((d) => d <= blocks)
      .at(-1)!;
    this.U = factor(variancePreserving([b, outFeatures / b, rank], rank, outFeatures / b, build));
    this.S = factor(variancePreserving([b, b, rank], b, b, build));
    this.V = factor(variancePreserving([b, rank, inFeatures / b], inFeatures / b, rank, build));
    this.bias = options.bias ? biasParameter(outFeatures, inFeatures, build) : undefined;
  }

  override contract(x: Tensor): Tensor {
    const [b, inner, rank] = this.U.shape as [number, number, number];
    const projected = mixChannels(x, reshape(this.V.value, [b * rank, this.inFeatures / b]), b);
    const mixing = reshape(permute(this.S.value, [2, 0, 1]), [rank * b, b]);
    const mixed = mixChannels(transposeChannels(projected, b, rank), mixing, rank);
    return mixChannels(transposeChannels(mixed, rank, b), reshape(this.U.value, [b * inner, rank]), b);
  }

  protected override details(): Readonly<Record<string, Described | undefined>> {
    return { blocks: this.S.shape[0], rank: this.S.shape.at(-1) };
  }

  toDense(): Tensor {
    return reshape(einsum(denseEquation, this.U.value, this.S.value, this.V.value), [this.outFeatures, this.inFeatures]);
  }

  override contractionCost(): Work {
    const [b, , rank] = this.U.shape as [number, number, number];
    return { multiplyAdds: rank * (this.inFeatures + this.outFeatures + b ** 2), perCall: 0 };
  }

  denseCost(): number {
    return einsumMultiplyAdds(denseEquation, this.U.value, this.S.value, this.V.value);
  }
}

export const blastFamily = defineFamily({
  kind: "BLAST",
  parameters: [positive("scale"), whole("blocks", { default: 4 })],
  budget: searchScale("scale", 4),
  examples: { inspect: { kind: "BLAST", scale: 0.125, blocks: 4 }, bench: [{ kind: "BLAST", scale: 0.25, blocks: 4 }] },
  linear: ({ scale, blocks }, inFeatures, outFeatures, build, options) => {
    const rank = Math.max(1, Math.round(scale * Math.min(inFeatures, outFeatures)));
    return new BlastLinear(inFeatures, outFeatures, { blocks, rank }, build, options);
  },
});
