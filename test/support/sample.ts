/** Random arrays from a seed. A counterexample then prints as a shape and a seed instead of a long list of numbers. */

import { Random } from "../../src/core/random.ts";
import { type Shape, sizeOf } from "../../src/core/shape.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { type NdArray, toTensor } from "./nd-array.ts";

/** Independent uniform draws from [low, high). */
export function sample(shape: Shape, seed: number, low = -2, high = 2): NdArray {
  const random = new Random(seed >>> 0);
  return { shape, values: Array.from({ length: sizeOf(shape) }, () => low + (high - low) * random.uniform()) };
}

/**
 * Values around 0 in random order that differ by about 0.1. Their distance from 0.1·k + 0.05·`phase` is about 0.025 for every integer k, so
 * none is near a tie or a kink of a function. Default phase: 0.
 */
export function distinct(shape: Shape, seed: number, phase: 0 | 1 = 0): NdArray {
  const random = new Random(seed >>> 0);
  const order = [...random.permutation(sizeOf(shape))];
  const middle = Math.floor(order.length / 2);
  return { shape, values: order.map((k) => (k - middle) * 0.1 + 0.025 + 0.05 * phase + 0.01 * (random.uniform() - 0.5)) };
}

export const sampleTensor = (shape: Shape, seed: number, low?: number, high?: number): Tensor => toTensor(sample(shape, seed, low, high));
export const distinctTensor = (shape: Shape, seed: number, phase?: 0 | 1): Tensor => toTensor(distinct(shape, seed, phase));
