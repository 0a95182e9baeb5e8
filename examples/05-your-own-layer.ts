/**
 * 5. A structured layer of your own: W = D + U·V, a diagonal and a matrix of low rank. The record makes a family of it that every command takes:
 * separable train --conv ./examples/05-your-own-layer.ts:DiagonalPlusLowRank_4     Run the check: npx tsx examples/05-your-own-layer.ts
 */
import { fileURLToPath } from "node:url";
import * as s from "separable";

const none = [0, 0] as const;
/** d:[m] with m = min(in, out), U:[out,r], V:[r,in].   m + r·(in + out) parameters and multiply-adds per column. `factor` sets their weight decay. */
class DiagonalPlusLowRank extends s.StructuredLinear {
  readonly name = "DiagonalPlusLowRank";
  readonly bias = undefined;
  readonly d: s.Parameter;
  readonly u: s.Parameter;
  readonly v: s.Parameter;
  constructor(inFeatures: number, outFeatures: number, rank: number, build: s.Build, { mode }: s.StructuredOptions = {}) {
    super(inFeatures, outFeatures, mode);
    this.d = s.factor(s.variancePreserving([Math.min(inFeatures, outFeatures)], 1, 1, build));
    this.u = s.factor(s.variancePreserving([outFeatures, rank], rank, outFeatures, build));
    this.v = s.factor(s.variancePreserving([rank, inFeatures], inFeatures, rank, build));
  }
  /** x:[N,in,P] → [N,out,P]. The gradients follow from the ops. */
  override contract(x: s.Tensor): s.Tensor {
    const m = this.d.value.size;
    const scaled = s.multiply(s.reshape(this.d.value, [1, m, 1]), s.slice(x, [undefined, [0, m]]));
    return s.add(s.pad(scaled, [none, [0, this.outFeatures - m], none]), s.mixChannels(s.mixChannels(x, this.v.value), this.u.value));
  }
  override contractionCost(): s.Work {
    return { multiplyAdds: this.parameterCount(), perCall: 0 };
  }
  /** The formula. It must not apply the map to the identity, because it is what `contract` is compared with. */
  toDense(): s.Tensor {
    const diagonal = s.multiply(s.eye(this.outFeatures, this.d.value.size, { dtype: this.d.dtype }), this.d.value);
    return s.add(s.pad(diagonal, [none, [0, this.inFeatures - this.d.value.size]]), s.matmul(this.u.value, this.v.value));
  }
  denseCost(): number {
    return this.outFeatures * (this.d.value.size + this.v.value.size);
  }
}
export const family = s.defineFamily({
  kind: "DiagonalPlusLowRank",
  parameters: [s.whole("rank")],
  budget: s.searchRank("rank"),
  examples: { inspect: { kind: "DiagonalPlusLowRank", rank: 8 } },
  linear: ({ rank }, inFeatures, outFeatures, build, options) => new DiagonalPlusLowRank(inFeatures, outFeatures, rank, build, options),
});
if (fileURLToPath(import.meta.url) === process.argv[1]) {
  // This file is the program: no command has loaded it for its record.
  await s.initBackend(["reference"]);
  const faults: string[] = [];
  for (let seed = 0; seed < 50; seed++) {
    const sizes = [1 + (seed % 17), 1 + (seed % 13), 1 + (seed % 5)] as const;
    faults.push(...(await s.checkStructuredLinear((build) => new DiagonalPlusLowRank(...sizes, build), { seed })));
  }
  console.log(faults.join("\n") || "50 of 50 layers keep every promise");
  const factory = s.convolutionFactory(s.ownSpec(family, { kind: "DiagonalPlusLowRank", rank: 2 }));
  const layer = factory({ inChannels: 16, outChannels: 16, kernel: 3 }, { random: new s.Random(0) });
  console.log(`as a 3×3 convolution of 16 channels: ${layer.parameterCount()} parameters instead of ${16 * 16 * 9}`);
}
