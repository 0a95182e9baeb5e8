/** Numbers for tests, from a seed: a counterexample then prints as a shape and a seed, not as a page of digits. */

import { Random } from "../../src/core/random.ts";
import { type Shape, sizeOf } from "../../src/core/shape.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { type NdArray, toTensor } from "./nd-array.ts";

/** Independent uniform draws from [low, high). */
export function sample(shape: Shape, seed: number, low = -2, high = 2): NdArray {
  const random = new Random(seed >>> 0);
  return { shape, values: Array.from({ length: sizeOf(shape) }, () => low + (high - low) * random.uniform()) };
}

/** Distinct values 0.1 apart in random order, around 0 but never within 0.03 of a multiple of 0.1 plus 0.05·`phase`: far from every tie and kink. */
export function distinct(shape: Shape, seed: number, phase: 0 | 1 = 0): NdArray {
  const random = new Random(seed >>> 0);
  const order = [...random.permutation(sizeOf(shape))];
  const middle = Math.floor(order.length / 2);
  return { shape, values: order.map((k) => (k - middle) * 0.1 + 0.025 + 0.05 * phase + 0.01 * (random.uniform() - 0.5)) };
}

export const sampleTensor = (shape: Shape, seed: number, low?: number, high?: number): Tensor => toTensor(sample(shape, seed, low, high));
export const distinctTensor = (shape: Shape, seed: number, phase?: 0 | 1): Tensor => toTensor(distinct(shape, seed, phase));
