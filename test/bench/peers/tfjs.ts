/** TensorFlow.js on any of its backends. Its kernels need the layout NHWC. */

import * as tf from "@tensorflow/tfjs";
import type { ConvolutionProblem, Problem, TrainingStepProblem } from "../../../src/bench/benchmarks.ts";
import { convolutionShapes, operandValues, stepClasses, stepImageShape, stepLabels, stepRates } from "../../../src/bench/workload.ts";
import type { Shape } from "../../../src/core/shape.ts";
import type { Contender, Run } from "./contender.ts";
import { initialParameters, type NamedParameter } from "./initial-parameters.ts";
import { type NetworkOps, wideResNet } from "./wide-resnet.ts";

const nchwToNhwc = [0, 2, 3, 1];
const nhwcToNchw = [0, 3, 1, 2];
const oihwToHwio = [2, 3, 1, 0];
const hwioToOihw = [3, 2, 0, 1];
/** Depthwise weights, in both directions: [C,1,Kh,Kw] ↔ [Kh,Kw,C,1]. */
const depthwiseSwap = [2, 3, 0, 1];

/** A problem for TensorFlow.js. */
interface Plan {
  /** Computes the results. It runs within tf.tidy. */
  solve(): tf.Tensor[];
  /** The permutation that brings each result into the layout of separable; undefined where none is needed. */
  readonly layouts: readonly (readonly number[] | undefined)[];
  /** The tensors to dispose at the end. */
  readonly held: readonly tf.Tensor[];
}

/** @param slow Which problems take this backend minutes. Default: none. */
export function tfjs(backend: "wasm" | "cpu" | "webgpu", slow: Contender["slow"] = () => undefined): Contender {
  // Production mode turns off checks and advice on stderr.
  tf.enableProdMode();
  return {
    name: `tfjs-${backend}`,
    version: tf.version.tfjs,
    slow,
    activate: async () => {
      if (!(await tf.setBackend(backend))) throw new Error(`tfjs: the ${backend} backend does not start`);
    },
    prepare: async (problem) => runOf(await planOf(problem), problem),
  };
}

function runOf({ solve, layouts, held }: Plan, problem: Problem): Run {
  const read = (): Promise<tf.TypedArray[]> =>
    Promise.all(
      tf
        .tidy(() => solve().map((result, i) => (layouts[i] === undefined ? result : tf.transpose(result, [...layouts[i]]))))
        .map(async (result) => {
          const values = await result.data();
          result.dispose();
          return values;
        }),
    );
  return {
    repeat: async () => {
      const end = tf.tidy(() => tf.slice(tf.reshape(solve().at(-1)!, [-1]), 0, 1));
      await end.data();
      end.dispose();
    },
    results: async () => (problem.kind === "trainingStep" ? [...(await read()), ...(await read())] : read()),
    dispose: () => tf.dispose([...held]),
  };
}

/** An operand of the benchmark with its axes permuted. */
const operand = (shape: Shape, place: number, order?: readonly number[]): tf.Tensor =>
  tf.tidy(() => {
    const natural = tf.tensor(operandValues(shape, place), [...shape]);
    return order === undefined ? natural : tf.transpose(natural, [...order]);
  });

const withGradients = (f: (...xs: tf.Tensor[]) => tf.Tensor, xs: tf.Tensor[], seed: tf.Tensor): tf.Tensor[] => {
  const { value, grads } = tf.valueAndGrads(f)(xs, seed);
  return [value, ...grads];
};

async function planOf(problem: Problem): Promise<Plan> {
  switch (problem.kind) {
    case "gemm": {
      const [a, b] = [0, 1].map((place) => operand([problem.size, problem.size], place)) as [tf.Tensor, tf.Tensor];
      return { solve: () => [tf.matMul(a, b)], layouts: [], held: [a, b] };
    }
    case "convolution":
      return convolutionPlan(problem);
    case "batchNorm": {
      const shape = [problem.batch, problem.channels, problem.size, problem.size];
      const [x, g] = [operand(shape, 0, nchwToNhwc), operand(shape, 3, nchwToNhwc)];
      const [gamma, beta] = [operand([problem.channels], 1), operand([problem.channels], 2)];
      const solve = () => withGradients((x, gamma, beta) => batchNorm(x!, gamma!, beta!), [x, gamma, beta], g);
      return { solve, layouts: [nhwcToNchw, nhwcToNchw], held: [x, gamma, beta, g] };
    }
    case "relu": {
      const [x, g] = [operand([problem.length], 0), operand([problem.length], 1)];
      return { solve: () => withGradients((x) => tf.relu(x!), [x], g), layouts: [], held: [x, g] };
    }
    case "dispatch": {
      const [a, b] = [operand([1], 0), operand([1], 1)];
      return { solve: () => Array.from({ length: problem.count }, () => tf.add(a, b)), layouts: [], held: [a, b] };
    }
    case "trainingStep":
      return stepPlan(problem, await initialParameters(problem));
  }
}

function convolutionPlan(problem: ConvolutionProblem): Plan {
  const [xShape, wShape, gShape] = convolutionShapes(problem);
  const depthwise = problem.groups > 1;
  if (depthwise && problem.groups !== problem.inChannels) throw new Error("tfjs: has no grouped convolution but the depthwise one");
  const x = operand(xShape, 0, nchwToNhwc);
  const w = operand(wShape, 1, depthwise ? depthwiseSwap : oihwToHwio);
  const g = operand(gShape, 2, nchwToNhwc);
  const forward = (x: tf.Tensor, w: tf.Tensor): tf.Tensor =>
    (depthwise ? tf.depthwiseConv2d : tf.conv2d)(x as tf.Tensor4D, w as tf.Tensor4D, 1, "same");
  return {
    solve: () => (problem.backward ? withGradients((x, w) => forward(x!, w!), [x, w], g) : [forward(x, w)]),
    layouts: [nhwcToNchw, nhwcToNchw, depthwise ? depthwiseSwap : hwioToOihw],
    held: [x, w, g],
  };
}

function batchNorm(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor): tf.Tensor {
  const { mean, variance } = tf.moments(x, [0, 1, 2]);
  return tf.batchNorm(x, mean as tf.Tensor1D, variance as tf.Tensor1D, beta as tf.Tensor1D, gamma as tf.Tensor1D, 1e-5);
}

function stepPlan(problem: TrainingStepProblem, initial: readonly NamedParameter[]): Plan {
  const variables = new Map(
    initial.map(({ name, shape, values }): [string, tf.Variable] => {
      const natural = tf.tensor(values as Float32Array, [...shape]);
      return [name, tf.variable(shape.length === 4 ? tf.transpose(natural, oihwToHwio) : natural)];
    }),
  );
  const velocities = new Map([...variables].map(([name, value]): [string, tf.Variable] => [name, tf.variable(tf.zerosLike(value))]));
  const images = operand(stepImageShape(problem), 0, nchwToNhwc);
  const targets = tf.oneHot(tf.tensor1d(stepLabels(problem), "int32"), stepClasses);
  const at = (name: string): tf.Tensor => variables.get(name)!;
  const ops: NetworkOps<tf.Tensor> = {
    has: (name) => variables.has(name),
    // The padding is explicit, because "same" of TensorFlow.js is asymmetric at stride 2.
    convolution: (x, weight, stride) => tf.conv2d(x as tf.Tensor4D, at(weight) as tf.Tensor4D, stride, at(weight).shape[0]! >> 1),
    batchNorm: (x, name) => batchNorm(x, at(`${name}.weight`), at(`${name}.bias`)),
    relu: tf.relu,
    add: tf.add,
    pool: (x) => tf.mean(x, [1, 2]),
    linear: (x, name) => tf.add(tf.matMul(x, at(`${name}.weight`), false, true), at(`${name}.bias`)),
    again: (x) => x,
  };
  const { learningRate, momentum, weightDecay } = stepRates;
  const solve = (): tf.Tensor[] => {
    const { value, grads } = tf.variableGrads(
      () => tf.losses.softmaxCrossEntropy(targets, wideResNet(ops, images)) as tf.Scalar,
      [...variables.values()],
    );
    for (const [name, parameter] of variables) {
      const velocity = velocities.get(name)!;
      const gradient = tf.add(grads[parameter.name]!, tf.mul(parameter, weightDecay));
      velocity.assign(tf.add(tf.mul(velocity, momentum), gradient));
      parameter.assign(tf.sub(parameter, tf.mul(velocity, learningRate)));
    }
    return [value];
  };
  return { solve, layouts: [], held: [images, targets, ...variables.values(), ...velocities.values()] };
}
