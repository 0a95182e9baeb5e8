/** A linear ShuffleNet block near a given kernel: two grouped maps with a window between them (`ShuffleLinear`). */

import { Random } from "../core/random.ts";
import { canonicalPolyadic } from "./canonical-polyadic.ts";
import { lowRank } from "./low-rank.ts";
import { columnsOf, type Matrix, matrix, transposed } from "./matrix.ts";
import { type TensorArray, tensorArray } from "./tensor-array.ts";

/** The numbers of the block's factors, row by row. */
export interface ShuffleFactors {
  /** G₁:[b,in/g]. */
  readonly first: Float64Array;
  /** w:[b,k²]. */
  readonly window: Float64Array;
  /** G₂:[out,b/g]. */
  readonly second: Float64Array;
}

/** Σ_t of outputs[o,t]·inputs[i,t]·taps[u,t] near a block [o,i,u]. Without taps all of them are 1. */
interface Terms {
  readonly outputs: Matrix;
  readonly inputs: Matrix;
  readonly taps?: Matrix;
}

function termsOf(block: TensorArray, rank: number): Terms {
  const [outs, ins, area] = block.shape as [number, number, number];
  if (area === 1) {
    const { left, right } = lowRank(matrix(outs, ins, block.data), rank);
    return { outputs: left, inputs: transposed(right) };
  }
  const { factors } = canonicalPolyadic(block, { rank, random: new Random(0) });
  return { outputs: factors[0]!, inputs: factors[1]!, taps: factors[2]! };
}

/**
 * The factors of a block near K:[out,in,k,k] with g groups, which divide in, out and the b places of the bottleneck. Each place belongs to
 * one pair of groups. So the part of K between two groups is a CP decomposition of its own, whose terms are the places of that pair:
 * K[o,i,t] ≈ Σ_p G₂[o,p]·w[p,t]·G₁[p,i]. For k = 1 it is the truncated SVD, the nearest such matrix; otherwise it is alternating least
 * squares.
 */
export function nearestShuffle(kernel: TensorArray, { groups, bottleneck }: { groups: number; bottleneck: number }): ShuffleFactors {
  const [outputs, inputs, height, breadth] = kernel.shape as [number, number, number, number];
  const [width, outs, ins, area] = [bottleneck / groups, outputs / groups, inputs / groups, height * breadth];
  const first = new Float64Array(bottleneck * ins);
  const second = new Float64Array(outputs * width);
  const window = new Float64Array(bottleneck * area).fill(area === 1 ? 1 : 0);
  for (let c = 0; c < groups; c++)
    for (let a = 0; a < groups; a++) {
      // Group c of G₂ reads these places p = j·g + a of the shuffled bottleneck.
      const places = Array.from({ length: width }, (_, t) => c * width + t).filter((p) => p % groups === a);
      if (places.length === 0) continue;
      const block = tensorArray([outs, ins, area]);
      for (let o = 0; o < outs; o++) {
        const from = ((c * outs + o) * inputs + a * ins) * area;
        block.data.set(kernel.data.subarray(from, from + ins * area), o * ins * area);
      }
      const terms = termsOf(block, places.length);
      for (const [t, p] of places.slice(0, terms.outputs.columns).entries()) {
        first.set(transposed(columnsOf(terms.inputs, t, t + 1)).data, (a * width + Math.floor(p / groups)) * ins);
        if (terms.taps !== undefined) window.set(columnsOf(terms.taps, t, t + 1).data, p * area);
        for (let o = 0; o < outs; o++)
          second[(c * outs + o) * width + (p - c * width)] = terms.outputs.data[o * terms.outputs.columns + t]!;
      }
    }
  return { first, window, second };
}
