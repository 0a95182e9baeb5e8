/**
 * BLAST (Lee et al. 2024, arXiv 2410.21262). The blocks in a row of blocks share their left factor, the blocks in a column of blocks share
 * their right factor, and each block has a diagonal factor of its own.
 */

import { greatestCommonDivisor } from "../core/factors.ts";
import { checkOptions } from "../core/options.ts";
import { Random } from "../core/random.ts";
import { nearestBlast } from "../linalg/blast.ts";
import type { Matrix } from "../linalg/matrix.ts";
import type { Described } from "../nn/describe.ts";
import type { Build } from "../nn/init.ts";
import type { Parameter } from "../nn/state.ts";
import type { Stage } from "../ops/contract-channels.ts";
import { einsum, einsumMultiplyAdds } from "../ops/einsum.ts";
import { reshape } from "../ops/reshape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { biasParameter, factor, refuseSpectral, variancePreserving } from "./factor.ts";
import { defineFamily, familyOptions, positive, searchScale, whole } from "./family.ts";
import { checkDivisor, checkSizes, loweredDivisor } from "./sizes.ts";
import { type FactorSize, StructuredLinear, type StructuredOptions, type Work } from "./structured-linear.ts";

export interface BlastShape {
  /** The number b of block rows and block columns, a common divisor of in and out. */
  readonly blocks: number;
  /** The number r of columns of each U_i, which is also the number of rows of each V_j. */
  readonly rank: number;
}

const denseEquation = "ipr,ijr,jrq->ipjq";

/** The limits of the descent of `fromDense`. What later rounds would still gain, training gains faster. */
const fitting = { iterations: 100, tolerance: 1e-6 } as const;

/**
 * Block (i, j) of W is U_i·diag(s_ij)·V_j with U:[b,out/b,r], S:[b,b,r] and V:[b,r,in/b]. W has r·(in + out + b²) parameters, and W·x takes
 * as many multiply-adds for a column x. Part j of x is first multiplied by V_j. Then, at each of the r positions, a b×b matrix mixes the b
 * parts. Last, part i is multiplied by U_i. If all elements of S are 1, the rank of W is at most r. `fromDense` is preconditioned
 * alternating descent, which finds a local optimum that is at least as near as the truncated SVD of rank r.
 */
export class BlastLinear extends StructuredLinear {
  readonly name = "BlastLinear";
  readonly U: Parameter;
  readonly S: Parameter;
  readonly V: Parameter;
  readonly bias: Parameter | undefined;

  /** @throws ConfigError unless blocks is a common divisor of in and out and rank is an integer ≥ 1; also for `init: "spectral"`. */
  constructor(inFeatures: number, outFeatures: number, { blocks: b, rank }: BlastShape, build: Build, options: StructuredOptions = {}) {
    super(inFeatures, outFeatures, options.mode);
    checkOptions("BlastLinear", options, familyOptions);
    checkSizes("BlastLinear", { inFeatures, outFeatures, rank });
    checkDivisor(
      "BlastLinear",
      "blocks",
      b,
      greatestCommonDivisor(inFeatures, outFeatures),
      "the greatest common divisor of inputs and outputs",
    );
    refuseSpectral("BLAST", options.init ?? "reference");
    this.U = factor(variancePreserving([b, outFeatures / b, rank], rank, outFeatures / b, build), "brc");
    this.S = factor(variancePreserving([b, b, rank], b, b, build), "rcb");
    this.V = factor(variancePreserving([b, rank, inFeatures / b], inFeatures / b, rank, build), "brc");
    this.bias = options.bias ? biasParameter(outFeatures, inFeatures, build) : undefined;
  }

  override stages(): readonly Stage[] {
    return [
      ["jrq,jq->jr", this.V.value],
      ["ijr,jr->ir", this.S.value],
      ["ipr,ir->ip", this.U.value],
    ];
  }

  override factorSizes(): readonly FactorSize[] {
    const [b, height, rank] = this.U.shape as [number, number, number];
    return [
      { parameter: this.V, inputs: this.inFeatures / b, outputs: rank },
      { parameter: this.S, inputs: b, outputs: b },
      { parameter: this.U, inputs: rank, outputs: height },
    ];
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

  override fromDense(target: Matrix): void {
    const [blocks, , rank] = this.U.shape as [number, number, number];
    const { U, S, V } = nearestBlast(target, { blocks, rank, random: new Random(0), ...fitting });
    this.U.write(U.data);
    this.S.write(S.data);
    this.V.write(V.data);
  }
}

export const blastFamily = defineFamily({
  kind: "BLAST",
  parameters: [positive("scale"), whole("blocks", { default: 4 })],
  budget: searchScale("scale", 4),
  examples: { inspect: { kind: "BLAST", scale: 0.125, blocks: 4 }, bench: [{ kind: "BLAST", scale: 0.25, blocks: 4 }] },
  linear: ({ scale, blocks }, inFeatures, outFeatures, build, options) => {
    const rank = Math.max(1, Math.round(scale * Math.min(inFeatures, outFeatures)));
    // One spec serves layers of all sizes, so the number of blocks is lowered to a divisor.
    const lowered = loweredDivisor(greatestCommonDivisor(inFeatures, outFeatures), blocks);
    return new BlastLinear(inFeatures, outFeatures, { blocks: lowered, rank }, build, options);
  },
});
