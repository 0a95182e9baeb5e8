/**
 * 11. A structured layer of your own: W = diag(g)·U·V, a low rank with a gain for each output. Every command takes its family:
 * separable train --conv ./examples/11-your-own-layer.ts:ScaledLowRank_4     Run the check: npx tsx examples/11-your-own-layer.ts
 */
import { fileURLToPath } from "node:url";
import * as s from "separable";

/** g:[out], U:[out,r], V:[r,in].   out + r·(in + out) parameters. `factor` gives them the weight decay of structured layers. */
class ScaledLowRank extends s.StructuredLinear {
  readonly name = "ScaledLowRank";
  readonly bias = undefined;
  readonly g: s.Parameter;
  readonly u: s.Parameter;
  readonly v: s.Parameter;

  constructor(inFeatures: number, outFeatures: number, rank: number, build: s.Build, { mode }: s.StructuredOptions = {}) {
    super(inFeatures, outFeatures, mode);
    this.g = s.factor(s.constant([outFeatures, 1], 1, build));
    this.u = s.factor(s.variancePreserving([outFeatures, rank], rank, outFeatures, build));
    this.v = s.factor(s.variancePreserving([rank, inFeatures], inFeatures, rank, build));
  }
  /** x:[N,in,P] → [N,out,P]. The gradients follow from the ops. */
  override contract(x: s.Tensor): s.Tensor {
    return s.multiply(this.g.value, s.mixChannels(s.mixChannels(x, this.v.value), this.u.value));
  }
  override contractionCost(): s.Work {
    return { multiplyAdds: this.parameterCount(), perCall: 0 };
  }
  /** The formula. It must not apply the map to the identity, because it is what `contract` is compared with. */
  toDense(): s.Tensor {
    return s.multiply(this.g.value, s.matmul(this.u.value, this.v.value));
  }
  denseCost(): number {
    return this.outFeatures * (this.inFeatures + this.v.value.size);
  }
  /** The nearest such map has gains of 1 and the truncated SVD (Eckart & Young 1936). */
  override fromDense(target: s.Matrix): void {
    const { left, right } = s.lowRank(target, this.v.shape[0]!);
    this.u.write(left.data);
    this.v.write(right.data);
    this.g.write(new Float64Array(this.outFeatures).fill(1));
  }
}

export const family = s.defineFamily({
  kind: "ScaledLowRank",
  parameters: [s.whole("rank")],
  budget: s.searchRank("rank"),
  examples: { inspect: { kind: "ScaledLowRank", rank: 8 } },
  linear: ({ rank }, i, o, build, options) => new ScaledLowRank(i, o, Math.min(rank, i, o), build, options),
});

if (fileURLToPath(import.meta.url) === process.argv[1]) {
  await s.initBackend(["reference"]);
  const faults: string[] = [];
  for (let n = 0; n < 50; n++)
    faults.push(...(await s.checkStructuredLinear((build) => new ScaledLowRank(1 + (n % 17), 1 + (n % 13), 3, build), { seed: n })));
  console.log(faults.join("\n") || "50 of 50 layers keep every promise");
}
