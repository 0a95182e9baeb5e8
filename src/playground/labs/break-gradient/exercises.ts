/** The ops whose gradient a visitor may break: the forward pass, the right VJP as text, and some ways to spoil it. */

import { add, divide, exp, multiply, negate, sigmoid, subtract, tanh } from "../../../ops/elementwise.ts";
import { transpose } from "../../../ops/layout.ts";
import { matmul } from "../../../ops/matmul.ts";
import { mean } from "../../../ops/reductions.ts";
import { softmax } from "../../../ops/softmax.ts";
import { sum } from "../../../ops/sum-and-broadcast.ts";
import type { Tensor } from "../../../tensor/tensor.ts";

/** The ops that the text of a VJP may call. */
export const vocabulary = { add, subtract, multiply, divide, negate, exp, sigmoid, tanh, sum, mean, softmax, matmul, transpose } as const;

/** A change that makes the gradient wrong. */
export interface Fault {
  readonly label: string;
  /** The text that stands in the right VJP, and what takes its place. */
  readonly from: string;
  readonly to: string;
}

export interface Exercise {
  readonly name: string;
  readonly title: string;
  readonly equation: string;
  /** x:[rows,columns] in float64 → y. */
  readonly forward: (x: Tensor) => Tensor;
  /** The body of a function of x and of g, the cotangent of y. It returns the cotangent of x. */
  readonly source: string;
  readonly faults: readonly Fault[];
}

export const exercises: readonly Exercise[] = [
  {
    name: "swish",
    title: "Swish",
    equation: "y = x · σ(x)",
    forward: (x) => multiply(x, sigmoid(x)),
    source: `const s = sigmoid(x);
const slope = add(s, multiply(x, multiply(s, subtract(1, s))));
return multiply(g, slope);`,
    faults: [
      {
        label: "forget the product rule",
        from: "add(s, multiply(x, multiply(s, subtract(1, s))))",
        to: "multiply(x, multiply(s, subtract(1, s)))",
      },
      { label: "forget the cotangent", from: "multiply(g, slope)", to: "slope" },
      { label: "a wrong sign", from: "subtract(1, s)", to: "add(1, s)" },
    ],
  },
  {
    name: "softmax",
    title: "Softmax",
    equation: "y = softmax(x), along each row",
    forward: (x) => softmax(x),
    source: `const y = softmax(x);
const shift = sum(multiply(g, y), { axes: 1, keepDims: true });
return multiply(y, subtract(g, shift));`,
    faults: [
      { label: "sum over the wrong axis", from: "axes: 1", to: "axes: 0" },
      { label: "treat each element alone", from: "multiply(y, subtract(g, shift))", to: "multiply(g, multiply(y, subtract(1, y)))" },
    ],
  },
  {
    name: "gram",
    title: "x · xᵀ",
    equation: "y = x · xᵀ",
    forward: (x) => matmul(x, transpose(x)),
    source: `return add(matmul(g, x), matmul(transpose(g), x));`,
    faults: [
      { label: "use x only once", from: "add(matmul(g, x), matmul(transpose(g), x))", to: "matmul(g, x)" },
      { label: "forget a transpose", from: "matmul(transpose(g), x)", to: "matmul(g, x)" },
    ],
  },
  {
    name: "centre",
    title: "Centre",
    equation: "y = x − mean of each column",
    forward: (x) => subtract(x, mean(x, { axes: 0, keepDims: true })),
    source: `return subtract(g, mean(g, { axes: 0, keepDims: true }));`,
    faults: [
      { label: "take the mean for a constant", from: "subtract(g, mean(g, { axes: 0, keepDims: true }))", to: "g" },
      { label: "a sum in the place of the mean", from: "mean(g,", to: "sum(g," },
    ],
  },
];
