/** Solves the problems of the benchmarks with this library. The operands are made once, and `run` is one repetition. */

import { Random } from "../core/random.ts";
import { type Shape, sizeOf } from "../core/shape.ts";
import { gradients } from "../grad/gradients.ts";
import { WideResNet } from "../models/wide-resnet.ts";
import { crossEntropy } from "../nn/losses.ts";
import type { Module } from "../nn/module.ts";
import { batchNorm } from "../ops/batch-norm.ts";
import { conv2d } from "../ops/convolution.ts";
import { tensor } from "../ops/creation.ts";
import { add, relu } from "../ops/elementwise.ts";
import { matmul } from "../ops/matmul.ts";
import { parseConvolution } from "../structured/convolution-text.ts";
import { convolutionFactory } from "../structured/create-convolution.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Classifier } from "../train/evaluate.ts";
import { Sgd } from "../train/sgd.ts";
import type { ConvolutionProblem, Problem, TrainingStepProblem } from "./benchmarks.ts";

export interface Workload {
  /** Runs one repetition, and returns its results in the order of computation. It must be called within a scope. */
  run(): readonly Tensor[];
  /** Frees the operands. */
  dispose(): void;
  /** The network of a training step, so that a profile can name its layers. */
  readonly model?: Module;
}

/** The numbers of an operand, drawn from U(−1, 1) with the place of the operand in the problem as seed. Every library starts from these. */
export function operandValues(shape: Shape, place: number): Float32Array {
  const random = new Random(place);
  return Float32Array.from({ length: sizeOf(shape) }, () => 2 * random.uniform() - 1);
}

/** The shapes of the operands in the order of their places: x, w and the cotangent ȳ. */
export function convolutionShapes({ batch, inChannels, outChannels, size, groups }: ConvolutionProblem): readonly [Shape, Shape, Shape] {
  return [
    [batch, inChannels, size, size],
    [outChannels, inChannels / groups, 3, 3],
    [batch, outChannels, size, size],
  ];
}

export const stepClasses = 10;
/** Rates that are common in the literature, and so small that training on one batch over and over stays finite. */
export const stepRates = { learningRate: 0.01, momentum: 0.9, weightDecay: 5e-4 } as const;
export const stepImageShape = ({ batch }: TrainingStepProblem): Shape => [batch, 3, 32, 32];
/** Labels that take the classes in turn. */
const labelsOf = (count: number, classes: number): Int32Array => Int32Array.from({ length: count }, (_, n) => n % classes);
export const stepLabels = ({ batch }: TrainingStepProblem): Int32Array => labelsOf(batch, stepClasses);
/** The network of a step. Its initialisation decomposes no matrix, since the numbers in the factors do not change the time of a step. */
export function stepNetwork({ depth, width, convolution }: TrainingStepProblem): WideResNet {
  const factory = convolutionFactory(parseConvolution(convolution), { init: "variance-preserving" });
  return new WideResNet({ depth, width, classes: stepClasses, convolution: factory }, { random: new Random(0) });
}

/** Makes the operands of `problem` on the active backend. */
export function prepareWorkload(problem: Problem): Workload {
  if (problem.kind === "trainingStep") return prepareStep(problem);
  const operands = operandShapes(problem).map((shape, place) => tensor(operandValues(shape, place), { shape }));
  return {
    run: () => solve(problem, operands),
    dispose: () => {
      for (const operand of operands) operand.dispose();
    },
  };
}

type OpProblem = Exclude<Problem, TrainingStepProblem>;

/** The shapes of the operands of a problem, in the order of their places. */
export function operandShapes(problem: OpProblem): readonly Shape[] {
  switch (problem.kind) {
    case "gemm":
      return [
        [problem.size, problem.size],
        [problem.size, problem.size],
      ];
    case "convolution":
      return convolutionShapes(problem);
    case "batchNorm": {
      const x = [problem.batch, problem.channels, problem.size, problem.size];
      return [x, [problem.channels], [problem.channels], x];
    }
    case "relu":
      return [[problem.length], [problem.length]];
    case "dispatch":
      return [[1], [1]];
  }
}

function solve(problem: OpProblem, operands: readonly Tensor[]): readonly Tensor[] {
  switch (problem.kind) {
    case "gemm": {
      const [a, b] = operands as [Tensor, Tensor];
      return [matmul(a, b)];
    }
    case "convolution": {
      const [x, w, g] = operands as [Tensor, Tensor, Tensor];
      const y = conv2d(x, w, { padding: 1, groups: problem.groups });
      return problem.backward ? withGradients(y, [x, w], g) : [y];
    }
    case "batchNorm": {
      const [x, gamma, beta, g] = operands as [Tensor, Tensor, Tensor, Tensor];
      return withGradients(batchNorm(x, gamma, beta).y, [x, gamma, beta], g);
    }
    case "relu": {
      const [x, g] = operands as [Tensor, Tensor];
      return withGradients(relu(x), [x], g);
    }
    case "dispatch": {
      const [a, b] = operands as [Tensor, Tensor];
      return Array.from({ length: problem.count }, () => add(a, b));
    }
  }
}

const withGradients = (y: Tensor, wrt: readonly Tensor[], seed: Tensor): Tensor[] => [y, ...gradients(y, wrt, { seed })];

const prepareStep = (problem: TrainingStepProblem): Workload =>
  prepareTrainingStep(stepNetwork(problem), stepImageShape(problem), stepClasses);

/**
 * A training step of any network as a workload: forward pass, cross-entropy, backward pass, and SGD with momentum, on one batch of random
 * images. The workload owns the network. @param shape [N,C,H,W] of the images.
 */
export function prepareTrainingStep(network: Classifier, shape: Shape, classes: number): Workload {
  const { learningRate, momentum, weightDecay } = stepRates;
  const optimizer = new Sgd([{ parameters: network.parameters(), weightDecay }], { momentum });
  const [labels, random] = [labelsOf(shape[0]!, classes), new Random(0)];
  const images = tensor(operandValues(shape, 0), { shape });
  return {
    run: () => {
      const loss = crossEntropy(network.forward(images, { training: true, random }), labels);
      optimizer.step(gradients(loss, optimizer.values, { freeGraph: true }), learningRate);
      return [loss];
    },
    model: network,
    dispose: () => {
      images.dispose();
      network.dispose();
      optimizer.dispose();
    },
  };
}
