/** The benchmarks. Each is a name and a problem: plain numbers that any library could solve. */

import { ConfigError } from "../core/errors.ts";
import { suggestion } from "../core/nearest-word.ts";
import { parseConvolution } from "../structured/convolution-text.ts";

/** C = A·B of [size,size] matrices. */
export interface GemmProblem {
  readonly kind: "gemm";
  readonly size: number;
}

/** A 3×3 convolution, stride 1, padding 1, of x:[batch, inChannels, size, size]; `backward` adds the gradients of x and of w. */
export interface ConvolutionProblem {
  readonly kind: "convolution";
  readonly batch: number;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly size: number;
  readonly groups: number;
  readonly backward: boolean;
}

/** Training-mode batch normalisation of x:[batch, channels, size, size], and the gradients of x, γ and β. */
export interface BatchNormProblem {
  readonly kind: "batchNorm";
  readonly batch: number;
  readonly channels: number;
  readonly size: number;
}

/** y = max(x, 0) of `length` elements, and the gradient of x. */
export interface ReluProblem {
  readonly kind: "relu";
  readonly length: number;
}

/** One training step of a WideResNet on 32×32 images: forward, cross-entropy, all gradients, SGD with momentum, and reading the loss. */
export interface TrainingStepProblem {
  readonly kind: "trainingStep";
  readonly depth: number;
  readonly width: number;
  readonly batch: number;
  /** What the 3×3 convolutions of the blocks are made of, such as `Sep` or `Monarch_4`. */
  readonly convolution: string;
}

/** `count` additions of one-element tensors, which measure the overhead of an op. */
export interface DispatchProblem {
  readonly kind: "dispatch";
  readonly count: number;
}

export type Problem = GemmProblem | ConvolutionProblem | BatchNormProblem | ReluProblem | TrainingStepProblem | DispatchProblem;

export interface Benchmark {
  readonly name: string;
  readonly problem: Problem;
  /** Whether the benchmark runs only when its full name is given, because it is slow or large. Default: false. */
  readonly onDemand?: boolean;
}

const gemm = (size: number): Benchmark => ({ name: `gemm-${size}`, problem: { kind: "gemm", size } });

function convolution(inChannels: number, outChannels: number, size: number, batch: number): Benchmark[] {
  const name = `conv3x3-${inChannels}-${outChannels}-hw${size}-b${batch}`;
  const problem = { kind: "convolution", batch, inChannels, outChannels, size, groups: 1 } as const;
  return [
    { name, problem: { ...problem, backward: false } },
    { name: `${name}-fwdbwd`, problem: { ...problem, backward: true } },
  ];
}

/** The step of a network, under the name that the option --only takes. */
export const trainingStep = (depth: number, width: number, batch: number, convolution = "Conv"): Benchmark => ({
  name: `wrn-${depth}-${width}-${convolution === "Conv" ? "" : `${convolution}-`}step-b${batch}`,
  problem: { kind: "trainingStep", depth, width, batch, convolution },
});

/** The step that a name describes, such as `wrn-28-10-LR_0.1-step-b8`. @throws ConfigError for convolutions that do not exist. */
function namedStep(name: string): Benchmark | undefined {
  const [, depth, width, convolution = "Conv", batch] = /^wrn-(\d{1,3})-(\d{1,3})-(?:(\S{1,99})-)?step-b(\d{1,5})$/.exec(name) ?? [];
  if (depth === undefined || Number(batch) === 0) return undefined;
  parseConvolution(convolution);
  return { ...trainingStep(Number(depth), Number(width), Number(batch), convolution), name };
}

/** The structured networks whose steps are measured, in the sizes that people train. */
const structuredConvolutions = [
  "Sep",
  "Generic_0.25",
  "Monarch_4",
  "BlockTensorTrain_2",
  "TensorTrain_0.5",
  "ACDC_3",
  "Butterfly",
  "Shuffle_4",
] as const;

export const benchmarks: readonly Benchmark[] = [
  gemm(256),
  gemm(512),
  gemm(1024),
  ...convolution(16, 32, 32, 32),
  ...convolution(64, 64, 16, 64),
  {
    name: "depthwise3x3-32-hw32-b32-fwdbwd",
    problem: { kind: "convolution", batch: 32, inChannels: 32, outChannels: 32, size: 32, groups: 32, backward: true },
  },
  { name: "batchnorm-1m-fwdbwd", problem: { kind: "batchNorm", batch: 32, channels: 32, size: 32 } },
  { name: "relu-1m-fwdbwd", problem: { kind: "relu", length: 2 ** 20 } },
  { name: "dispatch-1k", problem: { kind: "dispatch", count: 1000 } },
  trainingStep(10, 1, 32),
  trainingStep(10, 1, 32, "Sep"),
  trainingStep(16, 2, 32),
  ...structuredConvolutions.map((convolution) => trainingStep(16, 2, 32, convolution)),
  { ...trainingStep(16, 2, 128), onDemand: true },
];

/**
 * Whether `wanted` selects a benchmark. A full name selects that benchmark; a prefix or a pattern with `*` selects all that match and are
 * not on demand.
 */
function matches(benchmark: Benchmark, wanted: string): boolean {
  if (benchmarks.some(({ name }) => name === wanted)) return benchmark.name === wanted;
  if (benchmark.onDemand || wanted === "") return false;
  const [first = "", ...parts] = wanted.split("*");
  if (!benchmark.name.startsWith(first)) return false;
  const last = parts.pop();
  if (last === undefined) return true;
  // Each part is taken at its first place after the part before it. No other choice leaves more room for the parts that follow.
  let at = first.length;
  for (const part of parts) {
    const found = benchmark.name.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return benchmark.name.length - last.length >= at && benchmark.name.endsWith(last);
}

/**
 * The benchmarks that `only` selects, in the order of the list; without `only`, all that are not on demand. After them come the steps of
 * networks that are not in the list, and that `only` names in full.
 *
 * @param option What an error calls the option that the names come from.
 * @throws ConfigError for a name that selects none.
 */
export function selectBenchmarks(only: readonly string[] | undefined, option = "bench: --only"): Benchmark[] {
  if (only === undefined) return benchmarks.filter(({ onDemand }) => !onDemand);
  const names = benchmarks.map(({ name }) => name);
  const others = only.filter((wanted) => !benchmarks.some((benchmark) => matches(benchmark, wanted)));
  const steps = others.map((wanted) => {
    const step = namedStep(wanted);
    if (step !== undefined) return step;
    throw new ConfigError(
      `${option} must be one of ${names.join(", ")}, or the beginning of one, or a pattern with *, ` +
        `or wrn-<depth>-<width>-<convolution>-step-b<images>, got "${wanted}"${suggestion(wanted, names)}`,
    );
  });
  return [...benchmarks.filter((benchmark) => only.some((wanted) => matches(benchmark, wanted))), ...steps];
}

/**
 * The bytes that an elementwise problem must move when every array is moved once: forward x → y, backward x, ȳ → x̄, in float32. Undefined
 * for problems whose time is spent on arithmetic.
 */
export function compulsoryBytes(problem: Problem): number | undefined {
  const passes = 5;
  if (problem.kind === "relu") return passes * 4 * problem.length;
  if (problem.kind === "batchNorm") return passes * 4 * problem.batch * problem.channels * problem.size ** 2;
  return undefined;
}
