/** The programs of the graph walker. Each is a few lines with the ops of the library, and its graph is what the library recorded. */

import { batchNorm } from "../../../ops/batch-norm.ts";
import { conv2d } from "../../../ops/convolution.ts";
import { tensor } from "../../../ops/creation.ts";
import { add, multiply, reciprocalSqrt, relu, subtract, tanh } from "../../../ops/elementwise.ts";
import { mean } from "../../../ops/reductions.ts";
import { sum } from "../../../ops/sum-and-broadcast.ts";
import type { Tensor } from "../../../tensor/tensor.ts";

/** A scalar loss, and the tensors that it is computed from. */
export interface Computation {
  readonly loss: Tensor;
  /** The leaves whose gradients are wanted, by name. */
  readonly parameters: Readonly<Record<string, Tensor>>;
  /** The constant leaves, by name. */
  readonly constants: Readonly<Record<string, Tensor>>;
  /** Names for some of the values between the leaves and the loss. */
  readonly named: Readonly<Record<string, Tensor>>;
}

export interface Program {
  /** Its name in links. */
  readonly name: string;
  readonly title: string;
  /** What is computed, in one line of mathematics. */
  readonly formula: string;
  /** What to look at. */
  readonly lesson: string;
  /** Computes the loss on the active backend. */
  readonly run: () => Computation;
}

const f64 = (values: Parameters<typeof tensor>[0]): Tensor => tensor(values, { dtype: "float64" });

function neuron(): Computation {
  const [w, x, b, target] = [f64([0.8, -0.5, 0.3]), f64([1, 2, -1]), f64(0.6), f64(0.5)];
  const y = tanh(add(sum(multiply(w, x)), b));
  const error = subtract(y, target);
  return { loss: multiply(error, error), parameters: { w, x, b }, constants: { t: target }, named: { y, e: error } };
}

function convolution(): Computation {
  const image = [
    [0, 1, 1, 0],
    [1, 2, 1, 0],
    [0, 1, 2, 1],
    [0, 0, 1, 1],
  ];
  const kernel = [
    [1, 0, -1],
    [1, 0, -1],
    [1, 0, -1],
  ];
  const target = [
    [0, 1],
    [1, 0],
  ];
  const [x, w, t] = [f64([[image]]), f64([[kernel]]), f64([[target]])];
  const y = relu(conv2d(x, w));
  const error = subtract(y, t);
  return { loss: sum(multiply(error, error)), parameters: { x, w }, constants: { t }, named: { y, e: error } };
}

/** The values of both batch norms: one channel, a batch of four, and the weights of the sum that is the loss. */
const batch = () => ({
  x: f64([[1], [2], [4], [5]]),
  gamma: f64([1.5]),
  beta: f64([0.5]),
  c: f64([[1], [-1], [0], [2]]),
});

function composedBatchNorm(): Computation {
  const { x, gamma, beta, c } = batch();
  const epsilon = f64(1e-5);
  const centred = subtract(x, mean(x));
  const scale = reciprocalSqrt(add(mean(multiply(centred, centred)), epsilon));
  const normalised = multiply(centred, scale);
  const y = add(multiply(normalised, gamma), beta);
  const named = { "x−μ": centred, "1/σ": scale, x̂: normalised, y };
  return { loss: sum(multiply(y, c)), parameters: { x, γ: gamma, β: beta }, constants: { c, ε: epsilon }, named };
}

function fusedBatchNorm(): Computation {
  const { x, gamma, beta, c } = batch();
  const { y } = batchNorm(x, gamma, beta);
  return { loss: sum(multiply(y, c)), parameters: { x, γ: gamma, β: beta }, constants: { c }, named: { y } };
}

/** The programs in the order of the menu. */
export const programs: readonly Program[] = [
  {
    name: "neuron",
    title: "A neuron",
    formula: "y = tanh(Σ w·x + b),  loss = (y − t)²",
    lesson: "The error e reaches the loss twice, because e² is e·e. So two cotangents come back to it, and they are added.",
    run: neuron,
  },
  {
    name: "convolution",
    title: "A convolution",
    formula: "y = relu(conv2d(x, w)),  loss = Σ (y − t)²",
    lesson:
      "ReLU lets a cotangent through only where its input is positive. Each weight of the kernel collects what all its positions send.",
    run: convolution,
  },
  {
    name: "batch-norm",
    title: "A batch norm",
    formula: "x̂ = (x − μ)/√(σ² + ε),  y = γ·x̂ + β,  loss = Σ c·y",
    lesson: "Every x acts on μ and σ too. The paths by way of μ and σ take a part of each cotangent away: those of x add up to 0.",
    run: composedBatchNorm,
  },
  {
    name: "batch-norm-fused",
    title: "The same batch norm, fused",
    formula: "y = batchNorm(x, γ, β),  loss = Σ c·y",
    lesson: "One op with one VJP. The cotangents of x, γ and β are those of the graph of small ops.",
    run: fusedBatchNorm,
  },
];
