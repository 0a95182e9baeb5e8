/** jax-js, eager or compiled by its `jit`. In Node it uses one thread, because its other threads need Web Workers. */

import { blockUntilReady, defaultDevice, init, jit, lax, nn, numpy as np, tree, valueAndGrad, vjp } from "@jax-js/jax";
import type { ConvolutionProblem, Problem, TrainingStepProblem } from "../../../src/bench/benchmarks.ts";
import { convolutionShapes, operandValues, stepClasses, stepImageShape, stepLabels, stepRates } from "../../../src/bench/workload.ts";
import type { Shape } from "../../../src/core/shape.ts";
import type { Contender, Run } from "./contender.ts";
import { initialParameters, type NamedParameter } from "./initial-parameters.ts";
import peers from "./package.json" with { type: "json" };
import { type NetworkOps, wideResNet } from "./wide-resnet.ts";

export type Mode = "eager" | "jit";

export async function jaxJs(mode: Mode, device: "wasm" | "webgpu" = "wasm"): Promise<Contender> {
  // The default choice of a device uses `navigator`, which Node 20 does not have.
  if (!(await init(device)).includes(device)) throw new Error(`jax-js: its ${device} backend does not start`);
  defaultDevice(device);
  return {
    name: mode === "jit" ? "jax-js-jit" : "jax-js",
    // The package does not export its package.json, so the version is that of our own dependencies, which is exact.
    version: peers.dependencies["@jax-js/jax"],
    slow: (problem) => slowIn(mode, problem),
    activate: async () => undefined,
    prepare: async (problem) =>
      problem.kind === "trainingStep" ? stepRun(problem, await initialParameters(problem), mode) : opRun(problem, mode),
  };
}

function slowIn(mode: Mode, problem: Problem): string | undefined {
  if (problem.kind === "trainingStep") return "ten seconds a step";
  if (mode === "eager") return undefined;
  if (problem.kind === "dispatch") return "seconds to compile a thousand ops";
  return problem.kind === "convolution" && problem.backward && problem.groups === 1 ? "up to half a minute a repetition" : undefined;
}

const array = (values: ArrayLike<number>, shape: Shape): np.Array => np.array(Float32Array.from(values)).reshape([...shape]);
const operand = (shape: Shape, place: number): np.Array => array(operandValues(shape, place), shape);

/** Runs `solve`, which takes ownership of its arguments, as every function of jax-js does. */
function runOf(solve: (...operands: np.Array[]) => np.Array[], operands: np.Array[], mode: Mode): Run {
  const compiled = mode === "jit" ? jit(solve) : solve;
  const call = async (): Promise<np.Array[]> => blockUntilReady(compiled(...operands.map((x) => x.ref)));
  return {
    repeat: async () => tree.dispose(await call()),
    results: async () => Promise.all((await call()).map((result) => result.data())),
    dispose: () => tree.dispose(operands),
  };
}

type OpProblem = Exclude<Problem, TrainingStepProblem>;

function opRun(problem: OpProblem, mode: Mode): Run {
  switch (problem.kind) {
    case "gemm":
      return runOf(
        (a, b) => [np.matmul(a!, b!)],
        [0, 1].map((place) => operand([problem.size, problem.size], place)),
        mode,
      );
    case "convolution":
      return convolutionRun(problem, mode);
    case "batchNorm": {
      const x = [problem.batch, problem.channels, problem.size, problem.size];
      const shapes = [x, [problem.channels], [problem.channels], x];
      return runOf(
        withGradients((x, gamma, beta) => batchNorm(x!, gamma!, beta!)),
        shapes.map(operand),
        mode,
      );
    }
    case "relu":
      return runOf(
        withGradients((x) => nn.relu(x!)),
        [0, 1].map((place) => operand([problem.length], place)),
        mode,
      );
    case "dispatch": {
      const solve = (a: np.Array, b: np.Array): np.Array[] => {
        const sums = Array.from({ length: problem.count }, () => np.add(a.ref, b.ref));
        tree.dispose([a, b]);
        return sums;
      };
      return runOf(
        solve as (...operands: np.Array[]) => np.Array[],
        [0, 1].map((place) => operand([1], place)),
        mode,
      );
    }
  }
}

/** [y, gradients…] of `f` at all operands but the last, which is the cotangent of y. */
const withGradients =
  (f: (...xs: np.Array[]) => np.Array) =>
  (...operands: np.Array[]): np.Array[] => {
    const [y, pullBack] = vjp(f, operands.slice(0, -1)) as unknown as [np.Array, ((g: np.Array) => np.Array[]) & { dispose(): void }];
    const gradients = pullBack(operands.at(-1)!);
    pullBack.dispose();
    return [y, ...gradients];
  };

const same = (kernel: number): [number, number][] => [
  [kernel >> 1, kernel >> 1],
  [kernel >> 1, kernel >> 1],
];

function convolutionRun(problem: ConvolutionProblem, mode: Mode): Run {
  const [x, w, g] = convolutionShapes(problem).map(operand) as [np.Array, np.Array, np.Array];
  const forward = (x: np.Array, w: np.Array): np.Array =>
    lax.convGeneralDilated(x, w, [1, 1], same(3), { featureGroupCount: problem.groups });
  if (problem.backward)
    return runOf(
      withGradients((x, w) => forward(x!, w!)),
      [x, w, g],
      mode,
    );
  g.dispose();
  return runOf((x, w) => [forward(x!, w!)], [x, w], mode);
}

/** Training mode, channels in axis 1. */
function batchNorm(x: np.Array, gamma: np.Array, beta: np.Array): np.Array {
  const channels = x.shape[1]!;
  const perChannel = (v: np.Array): np.Array => v.reshape([1, channels, 1, 1]);
  const centred = x.ref.sub(np.mean(x, [0, 2, 3], { keepdims: true }));
  const variance = np.mean(np.square(centred.ref), [0, 2, 3], { keepdims: true });
  return centred.mul(perChannel(gamma).div(np.sqrt(variance.add(1e-5)))).add(perChannel(beta));
}

type Parameters = Record<string, np.Array>;

function stepRun(problem: TrainingStepProblem, initial: readonly NamedParameter[], mode: Mode): Run {
  const images = operand(stepImageShape(problem), 0);
  const targets = nn.oneHot(np.array([...stepLabels(problem)], { dtype: np.int32 }), stepClasses);
  let parameters: Parameters = Object.fromEntries(initial.map(({ name, shape, values }) => [name, array(values, shape)]));
  let velocities: Parameters = Object.fromEntries(initial.map(({ name, shape }) => [name, np.zeros([...shape])]));
  const gradient = valueAndGrad(lossOf(problem.batch));
  const compiled = mode === "jit" ? jit(gradient) : gradient;
  const { learningRate, momentum, weightDecay } = stepRates;
  const step = async (): Promise<np.Array> => {
    const [loss, gradients] = compiled(tree.ref(parameters), images.ref, targets.ref) as [np.Array, Parameters];
    for (const { name } of initial) {
      const decayed = gradients[name]!.add(parameters[name]!.ref.mul(weightDecay));
      velocities = { ...velocities, [name]: velocities[name]!.mul(momentum).add(decayed) };
      parameters = { ...parameters, [name]: parameters[name]!.sub(velocities[name]!.ref.mul(learningRate)) };
    }
    await blockUntilReady([loss, parameters, velocities]);
    return loss;
  };
  return {
    repeat: async () => (await step()).dispose(),
    results: async () => [await (await step()).data(), await (await step()).data()],
    dispose: () => tree.dispose([parameters, velocities, images, targets]),
  };
}

/** The mean cross-entropy of the network. It takes ownership of its arguments, so each parameter is used exactly once. */
const lossOf =
  (batch: number) =>
  (parameters: Parameters, images: np.Array, targets: np.Array): np.Array => {
    const at = (name: string): np.Array => parameters[name]!;
    const ops: NetworkOps<np.Array> = {
      has: (name) => name in parameters,
      convolution: (x, weight, stride) => lax.convGeneralDilated(x, at(weight), [stride, stride], same(at(weight).shape[2]!)),
      batchNorm: (x, name) => batchNorm(x, at(`${name}.weight`), at(`${name}.bias`)),
      relu: nn.relu,
      add: np.add,
      pool: (x) => np.mean(x, [2, 3]),
      linear: (x, name) => np.matmul(x, at(`${name}.weight`).transpose()).add(at(`${name}.bias`)),
      again: (x) => x.ref,
    };
    const logProbabilities = nn.logSoftmax(wideResNet(ops, images));
    return logProbabilities
      .mul(targets)
      .sum()
      .mul(-1 / batch);
  };
