/** Random smooth functions of two tensors whose shapes broadcast, for properties of derivatives. */

import fc from "fast-check";
import { Random } from "../../src/core/random.ts";
import { add, exp, multiply, sigmoid, sin, tanh } from "../../src/ops/elementwise.ts";
import { flip } from "../../src/ops/layout.ts";
import { matmul } from "../../src/ops/matmul.ts";
import { mean } from "../../src/ops/reductions.ts";
import { reshape } from "../../src/ops/reshape.ts";
import { softmax } from "../../src/ops/softmax.ts";
import { sum } from "../../src/ops/sum-and-broadcast.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { broadcastPairs } from "../arbitraries/shapes.ts";
import { seeds } from "../arbitraries/values.ts";
import { sampleTensor } from "../support/sample.ts";

export interface GeneratedFunction {
  readonly f: (a: Tensor, b: Tensor) => Tensor;
  readonly inputs: [a: Tensor, b: Tensor];
}

/** Ops that keep the shape. Their values are at most 1.35, so that derivatives of all orders stay moderate. */
const unary: readonly ((x: Tensor) => Tensor)[] = [
  tanh,
  sin,
  sigmoid,
  (x) => exp(multiply(tanh(x), 0.3)),
  (x) => (x.rank === 0 || x.size === 0 ? sin(x) : softmax(x, -1)),
  (x) => flip(tanh(x), x.shape.length === 0 ? [] : [0]),
];

/** How the last value becomes the result: as it is, its sum or its mean over the last axis, or its Gram matrix. */
const endings: readonly ((x: Tensor) => Tensor)[] = [
  (x) => x,
  (x) => sum(x, x.rank === 0 ? {} : { axes: -1, keepDims: true }),
  (x) => (x.size === 0 ? x : mean(x)),
  (x) => {
    const column = reshape(x, [x.size, 1]);
    return matmul(column, column, { transposeB: true });
  },
];

/** The function that a seed determines: up to `steps` steps, of which each combines two values of before. */
function functionOf(seed: number, steps: number): (a: Tensor, b: Tensor) => Tensor {
  return (a, b) => {
    const random = new Random(seed);
    const values = [add(a, multiply(b, 0.5)), multiply(a, b)];
    for (let i = 0; i < steps; i++) {
      const pick = (): Tensor => values[random.integer(values.length)]!;
      const op = unary[random.integer(unary.length)]!;
      values.push(random.integer(2) === 0 ? op(pick()) : op(multiply(pick(), pick())));
    }
    // Every value takes part, so the result depends on both inputs.
    const all = values.reduce((total, value, i) => add(total, multiply(value, 1 / (i + 1))));
    return endings[random.integer(endings.length)]!(all);
  };
}

export const generatedFunctions = ({ empty = true } = {}): fc.Arbitrary<GeneratedFunction> =>
  fc
    .record({ shapes: broadcastPairs({ maxRank: 2, maxSize: 3, empty }), seed: seeds, steps: fc.nat({ max: 4 }) })
    .map(({ shapes: { a, b }, seed, steps }) => ({
      f: functionOf(seed, steps),
      inputs: [sampleTensor(a, seed, -1, 1), sampleTensor(b, seed + 1, -1, 1)],
    }));
