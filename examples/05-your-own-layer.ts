/**
 * 5. A structured layer of your own.
 *
 * W = diag(d) + U·V: a diagonal plus low rank, square. Five members make a layer: parameters, `contract`, `toDense`, and what both cost.
 * `checkStructuredLinear` tests all the rest: both paths, their gradients, linearity, saving, and every multiply-add you claim.
 *
 * Run: npx tsx examples/05-your-own-layer.ts
 */

import fc from "fast-check";
import * as s from "separable";

/** W = diag(d) + U·V.   d:[n], U:[n,r], V:[r,n]: n + 2nr parameters, as many multiply-adds per column. */
class DiagonalPlusLowRank extends s.StructuredLinear {
  readonly d: s.Parameter;
  readonly u: s.Parameter;
  readonly v: s.Parameter;

  constructor(n: number, rank: number, build: s.Build) {
    super(n, n);
    // `factor` marks a parameter for the weight decay of structured maps.
    this.d = s.factor(s.variancePreserving([n], 1, 1, build));
    this.u = s.factor(s.variancePreserving([n, rank], rank, n, build));
    this.v = s.factor(s.variancePreserving([rank, n], n, rank, build));
  }

  /** x:[N,n,P] → [N,n,P]. Nothing to derive: gradients follow from the ops. */
  override contract(x: s.Tensor): s.Tensor {
    const scaled = s.multiply(s.reshape(this.d.value, [1, this.inFeatures, 1]), x);
    return s.add(scaled, s.mixChannels(s.mixChannels(x, this.v.value), this.u.value));
  }

  override contraction(): s.Work {
    return { multiplyAdds: this.parameterCount(), perCall: 0 };
  }

  /** From the formula, not by applying the layer to the identity: the two are going to be compared. */
  toDense(): s.Tensor {
    const diagonal = s.multiply(s.eye(this.inFeatures, this.inFeatures, { dtype: this.d.dtype }), this.d.value);
    return s.add(diagonal, s.matmul(this.u.value, this.v.value));
  }

  rebuild(): number {
    return this.inFeatures ** 2 * (1 + this.v.shape[0]!);
  }
}

await s.initBackend(["reference"]);
const size = fc.integer({ min: 1, max: 20 });
const property = fc.asyncProperty(size, size, fc.nat(), async (n, rank, seed) => {
  const faults = await s.checkStructuredLinear((build) => new DiagonalPlusLowRank(n, rank, build), { seed });
  if (faults.length > 0) throw new Error(faults.join("\n"));
});
await fc.assert(property, { numRuns: 50 });
console.log("50 of 50 layers keep every promise");
// The wrapper makes a convolution of it: depthwise first, your map after.
const [build, site] = [{ random: new s.Random(0) }, { inChannels: 16, outChannels: 16, kernel: 3 }];
const convolution = new s.SeparableConvolution(site, build, () => new DiagonalPlusLowRank(16, 2, build));
console.log(`as a 3×3 convolution of 16 channels: ${convolution.parameterCount()} parameters instead of ${16 * 16 * 9}`);
