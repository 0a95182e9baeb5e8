/** Butterfly matrices (Dao et al. 2019, arXiv 1903.05895): the sparsity of the FFT, its numbers learned. */

import type { Build } from "../nn/init.ts";
import type { Parameter } from "../nn/module.ts";
import { multiply } from "../ops/arithmetic.ts";
import { reshape } from "../ops/broadcast.ts";
import { ones, tensor } from "../ops/creation.ts";
import { gather } from "../ops/indexing.ts";
import { pad, permute, slice } from "../ops/layout.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { biasParameter, factor, refuseSpectral } from "./factor.ts";
import { mixChannels } from "./mix-channels.ts";
import { checkSizes, StructuredLinear, type StructuredOptions, type Work } from "./structured-linear.ts";

/** Stages merged into one block-diagonal product: blocks of 2⁵ are large enough for a matrix product's pace. */
const mostMerged = 5;

/** Consecutive stages [from, to) of a butterfly, merged. */
interface Chunk {
  readonly from: number;
  readonly to: number;
}

/**
 * W = B_{L−1}·…·B₀ cut to [out,in], N = 2^L the next power of two; B_s mixes the pairs of places that differ in bit s, a 2×2 matrix each
 * (their eq. 2).   2·N·log₂N parameters.
 * Every stage alone would pass over memory for two multiply-adds a number, so runs of up to five are merged once a call into blocks: N·Σ 2^w
 * multiply-adds a column for runs of w stages.
 */
export class ButterflyLinear extends StructuredLinear {
  /** [L, N/2, 2, 2]: stage, pair (the place's other bits), output bit, input bit. */
  readonly twiddle: Parameter;
  readonly bias: Parameter | undefined;
  readonly #stages: number;

  constructor(inFeatures: number, outFeatures: number, build: Build, options: StructuredOptions = {}) {
    super(inFeatures, outFeatures, options.mode);
    checkSizes("Butterfly", { inFeatures, outFeatures });
    refuseSpectral("Butterfly", options.init ?? "reference");
    this.#stages = Math.max(1, Math.ceil(Math.log2(Math.max(inFeatures, outFeatures))));
    const pairs = 2 ** (this.#stages - 1);
    // Rotations by angles drawn at random: W starts orthogonal, so nothing grows or fades.
    const rotations = Array.from({ length: this.#stages * pairs }, () => 2 * Math.PI * build.random.uniform()).flatMap((angle) => [
      ...[Math.cos(angle), -Math.sin(angle)],
      ...[Math.sin(angle), Math.cos(angle)],
    ]);
    this.twiddle = factor(tensor(rotations, { shape: [this.#stages, pairs, 2, 2], dtype: build.dtype ?? "float32" }));
    this.bias = options.bias ? biasParameter(outFeatures, inFeatures, build) : undefined;
  }

  override get throughput(): number {
    return 0.35;
  }

  override offset(): Parameter | undefined {
    return this.bias;
  }

  /** Runs of nearly equal length. */
  #chunks(): Chunk[] {
    const count = Math.ceil(this.#stages / mostMerged);
    return Array.from({ length: count }, (_, i) => ({
      from: Math.round((i * this.#stages) / count),
      to: Math.round(((i + 1) * this.#stages) / count),
    }));
  }

  /** The 2×2 matrices of stage s as [above, between, below, 2, 2]: a place's bits above s, from `from` to s, and below `from`. */
  #stage(s: number, from: number): Tensor {
    const one = reshape(slice(this.twiddle.value, [[s, s + 1]]), [2 ** (this.#stages - 1 - s), 2 ** (s - from), 2 ** from, 2, 2]);
    return one;
  }

  /** The stages' product as blocks [above, 2^w, below, 2^w]: rows and columns are the merged bits. */
  #merge({ from, to }: Chunk): Tensor {
    const [total, below] = [2 ** this.#stages, 2 ** from];
    let blocks = ones([total / below, 1, below, 1], { dtype: this.twiddle.dtype });
    for (let s = from; s < to; s++) {
      const [above, size] = [2 ** (this.#stages - 1 - s), 2 ** (s - from)];
      // new[a, b, m, l, c, x] = w[a, m, l, b, c]·old[a, c, m, l, x]
      const w = reshape(permute(this.#stage(s, from), [0, 3, 1, 2, 4]), [above, 2, size, below, 2, 1]);
      const old = reshape(permute(reshape(blocks, [above, 2, size, below, size]), [0, 2, 3, 1, 4]), [above, 1, size, below, 2, size]);
      blocks = reshape(multiply(w, old), [above, 2 * size, below, 2 * size]);
    }
    return blocks;
  }

  override contract(x: Tensor): Tensor {
    const [batch, , columns] = x.shape as [number, number, number];
    const total = 2 ** this.#stages;
    let z = pad(x, [
      [0, 0],
      [0, total - this.inFeatures],
      [0, 0],
    ]);
    for (const chunk of this.#chunks()) {
      const [above, below, size] = [2 ** (this.#stages - chunk.to), 2 ** chunk.from, 2 ** (chunk.to - chunk.from)];
      const blocks = reshape(permute(this.#merge(chunk), [0, 2, 1, 3]), [total, size]);
      const apart = permute(reshape(z, [batch, above, size, below, columns]), [0, 1, 3, 2, 4]);
      const mixed = mixChannels(reshape(apart, [batch, total, columns]), blocks, above * below);
      z = reshape(permute(reshape(mixed, [batch, above, below, size, columns]), [0, 1, 3, 2, 4]), [batch, total, columns]);
    }
    return slice(z, [undefined, [0, this.outFeatures]]);
  }

  /** One path leads from each input to each output: W[o,i] = Π_s B_s at the place with o's bits below s and i's bits above. */
  toDense(): Tensor {
    const { inFeatures, outFeatures } = this;
    const pairs = 2 ** (this.#stages - 1);
    const stages = Array.from({ length: this.#stages }, (_, s) => {
      const indices = Int32Array.from({ length: outFeatures * inFeatures }, (_, at) => {
        const [o, i] = [Math.floor(at / inFeatures), at % inFeatures];
        const pair = ((i >> (s + 1)) << s) | (o & ((1 << s) - 1));
        return (s * pairs + pair) * 4 + ((o >> s) & 1) * 2 + ((i >> s) & 1);
      });
      return gather(reshape(this.twiddle.value, [this.twiddle.value.size]), tensor(indices, { shape: [indices.length], dtype: "int32" }));
    });
    return reshape(
      stages.reduce((product, stage) => multiply(product, stage)),
      [outFeatures, inFeatures],
    );
  }

  override contraction(): Work {
    const total = 2 ** this.#stages;
    const widths = this.#chunks().map(({ from, to }) => to - from);
    // Merging stage t of a run multiplies 2^t columns into N·2 rows' worth of numbers.
    const merging = widths.map((width) => Array.from({ length: width }, (_, t) => total * 2 ** (t + 1)).reduce((a, b) => a + b, 0));
    return {
      multiplyAdds: widths.reduce((sum, width) => sum + total * 2 ** width, 0),
      perCall: merging.reduce((a, b) => a + b, 0),
    };
  }

  rebuild(): number {
    return (this.#stages - 1) * this.inFeatures * this.outFeatures;
  }
}
