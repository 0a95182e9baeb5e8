/** Butterfly matrices (Dao et al. 2019, arXiv 1903.05895): products with the sparsity of the FFT, whose entries are learned. */

import { checkOptions } from "../core/options.ts";
import { butterflyStages, nearestButterfly } from "../linalg/butterfly.ts";
import type { Matrix } from "../linalg/matrix.ts";
import type { Described } from "../nn/describe.ts";
import type { Build } from "../nn/init.ts";
import type { Parameter } from "../nn/state.ts";
import { butterflyMatrix } from "../ops/butterfly-matrix.ts";
import { contractChannels, type Stage } from "../ops/contract-channels.ts";
import { ones, tensor } from "../ops/creation.ts";
import { multiply } from "../ops/elementwise.ts";
import { pad, permute, slice } from "../ops/layout.ts";
import { reshape } from "../ops/reshape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { biasParameter, factor, normalMatrix } from "./factor.ts";
import { defineFamily, familyOptions } from "./family.ts";
import { checkSizes } from "./sizes.ts";
import { type FactorSize, StructuredLinear, type StructuredOptions, type Work } from "./structured-linear.ts";

/**
 * W = B_{L−1}·…·B₀, cut to [out,in], where N = 2^L is the next power of two. B_s mixes the pairs of places that differ in bit s, with one
 * 2×2 matrix for each pair.   2·N·log₂N parameters.
 * A stage on its own would read and write all numbers for two multiply-adds each. So the stages are merged, once a call, into two runs. The
 * first h stages act within blocks of ℓ = 2^h neighbours, and the others between places that are ℓ apart. Blocks that read only padding are
 * left out. A column takes ⌈in/ℓ⌉·ℓ² + ℓ·⌈in/ℓ⌉·⌈out/ℓ⌉ multiply-adds, about in·ℓ + in·out/ℓ. The map takes the h for which this is least.
 * `fromDense` peels off stage after stage. Its error is at most √(L−1) times the least one.
 */
export class ButterflyLinear extends StructuredLinear {
  readonly name = "ButterflyLinear";
  /** [L, N/2, 2, 2]: stage, pair (the place's other bits), output bit, input bit. */
  readonly twiddle: Parameter;
  readonly bias: Parameter | undefined;
  readonly #stages: number;
  /** The number of stages of the first run. */
  readonly #split: number;

  constructor(inFeatures: number, outFeatures: number, build: Build, options: StructuredOptions = {}) {
    super(inFeatures, outFeatures, options.mode);
    checkOptions("ButterflyLinear", options, familyOptions);
    checkSizes("Butterfly", { inFeatures, outFeatures });
    this.#stages = butterflyStages(outFeatures, inFeatures);
    const splits = Array.from({ length: this.#stages }, (_, i) => i + 1);
    this.#split = splits.reduce((best, h) => (this.#work(h) < this.#work(best) ? h : best));
    const pairs = 2 ** (this.#stages - 1);
    // Each matrix is a rotation by a random angle. So W starts orthogonal, and signals keep their size.
    const rotations = Array.from({ length: this.#stages * pairs }, () => 2 * Math.PI * build.random.uniform()).flatMap((angle) => [
      ...[Math.cos(angle), -Math.sin(angle)],
      ...[Math.sin(angle), Math.cos(angle)],
    ]);
    this.twiddle = factor(tensor(rotations, { shape: [this.#stages, pairs, 2, 2], dtype: build.dtype ?? "float32" }), "bbrc");
    this.bias = options.bias ? biasParameter(outFeatures, inFeatures, build) : undefined;
    if (options.init === "spectral") this.fromDense(normalMatrix(outFeatures, inFeatures, build));
  }

  override get throughput(): number {
    return 0.4;
  }

  /** The multiply-adds a column if the first run has h stages. */
  #work(h: number): number {
    const low = 2 ** h;
    const [blocks, rows] = [Math.ceil(this.inFeatures / low), Math.ceil(this.outFeatures / low)];
    return blocks * low ** 2 + (h === this.#stages ? 0 : low * rows * blocks);
  }

  /** The 2×2 matrices of stage s as [above, between, below, 2, 2]: a place's bits above s, from `from` to s, and below `from`. */
  #stage(s: number, from: number): Tensor {
    return reshape(slice(this.twiddle.value, [[s, s + 1]]), [2 ** (this.#stages - 1 - s), 2 ** (s - from), 2 ** from, 2, 2]);
  }

  /** The product of stages from ≤ s < to as blocks [above, 2^w, below, 2^w]: rows and columns are the merged bits, w = to − from. */
  #merge(from: number, to: number): Tensor {
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

  /** Undefined where places must be added before the stages, or left out behind them. */
  override stages(): readonly Stage[] | undefined {
    const low = 2 ** this.#split;
    return this.inFeatures % low === 0 && this.outFeatures % low === 0 ? this.#runs() : undefined;
  }

  /** The two runs of stages, from and to whole blocks. */
  #runs(): Stage[] {
    const h = this.#split;
    const low = 2 ** h;
    const [blocks, rows] = [Math.ceil(this.inFeatures / low), Math.ceil(this.outFeatures / low)];
    const within = slice(this.#merge(0, h), [[0, blocks]]);
    const runs: Stage[] = [["bji,bi->bj", reshape(within, [blocks, low, low])]];
    if (h < this.#stages) {
      const between = slice(this.#merge(h, this.#stages), [undefined, [0, rows], undefined, [0, blocks]]);
      runs.push(["rjb,bj->rj", reshape(between, [rows, low, blocks])]);
    }
    return runs;
  }

  override contract(x: Tensor): Tensor {
    const low = 2 ** this.#split;
    const padding = Math.ceil(this.inFeatures / low) * low - this.inFeatures;
    const padded =
      padding === 0
        ? x
        : pad(x, [
            [0, 0],
            [0, padding],
            [0, 0],
          ]);
    const z = contractChannels(padded, this.#runs());
    return z.shape[1] === this.outFeatures ? z : slice(z, [undefined, [0, this.outFeatures]]);
  }

  override factorSizes(): readonly FactorSize[] {
    return [{ parameter: this.twiddle, inputs: 2, outputs: 2, count: this.#stages }];
  }

  protected override details(): Readonly<Record<string, Described | undefined>> {
    return { stages: this.#stages };
  }

  toDense(): Tensor {
    return butterflyMatrix(this.twiddle.value, this.outFeatures, this.inFeatures);
  }

  override contractionCost(): Work {
    // Merging stage t of a run turns blocks of 2^t columns into twice as many: 2^(t+1) numbers for each of the N rows.
    const merging = (width: number): number => 2 ** this.#stages * (2 ** (width + 1) - 2);
    const h = this.#split;
    return { multiplyAdds: this.#work(h), perCall: merging(h) + merging(this.#stages - h) };
  }

  denseCost(): number {
    return (this.#stages - 1) * this.inFeatures * this.outFeatures;
  }

  override fromDense(target: Matrix): void {
    this.twiddle.write(nearestButterfly(target).twiddle.data);
  }
}

export const butterflyFamily = defineFamily({
  kind: "Butterfly",
  parameters: [],
  examples: { inspect: { kind: "Butterfly" }, bench: [{ kind: "Butterfly" }] },
  linear: (_, inFeatures, outFeatures, build, options) => new ButterflyLinear(inFeatures, outFeatures, build, options),
});
