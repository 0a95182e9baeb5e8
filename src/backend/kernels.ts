/**
 * The interface between ops and a backend. A backend is a record of functions on flat storages.
 *
 * Ops check shapes and dtypes and reduce every case to a few plain numbers (a geometry, a view, outer × axis × inner), so a kernel does not
 * check shapes. All floating-point operands of one call have the same dtype. A kernel returns new storage with one holder and does not
 * change its inputs. The exceptions are `write`, `accumulate` and the two optimiser updates, which change storage in place.
 * Calling a kernel is synchronous. Reading (`storage.read()`) is not, because a device may still be computing when a kernel returns.
 */

import type { ChannelStage } from "../core/channel-stage.ts";
import type { ConvolutionGeometry } from "../core/convolution-geometry.ts";
import type { SeparableGeometry } from "../core/separable-geometry.ts";
import type { DType, Storage, TypedArray } from "../tensor/storage.ts";

/**
 * y_i = f(x_i). `step` is 1 where x > 0, else 0. `erf`, `normalCdf`, `expm1` = eˣ − 1 and `log1p` = log(1 + x) have the full accuracy of
 * the dtype, also near 0. `gelu` is x·Φ(x), and keeps its digits also far below 0. `not` is 1 where x = 0.
 */
export const unaryOps = [
  "negate",
  "absolute",
  "sign",
  "reciprocal",
  "exp",
  "expm1",
  "log",
  "log1p",
  "sqrt",
  "reciprocalSqrt",
  "tanh",
  "sigmoid",
  "erf",
  "normalCdf",
  "gelu",
  "sin",
  "cos",
  "relu",
  "step",
  "floor",
  "not",
] as const;
export type UnaryOp = (typeof unaryOps)[number];

/**
 * c = f(a, b). Comparisons give 1 or 0 in the operands' dtype. `reluGradient`(x, g) is g where x > 0, else 0.
 * `geluGradient`(x, g) is g·(Φ(x) + x·φ(x)). `power` follows IEEE 754, so 1ᵇ is 1 for every b, even for NaN.
 */
export const binaryOps = [
  "add",
  "subtract",
  "multiply",
  "divide",
  "power",
  "maximum",
  "minimum",
  "equal",
  "notEqual",
  "less",
  "lessEqual",
  "greater",
  "greaterEqual",
  "reluGradient",
  "geluGradient",
] as const;
export type BinaryOp = (typeof binaryOps)[number];

export type ReduceOp = "sum" | "max";

/**
 * How two operands broadcast. `shape` is the shape of the output, in which adjacent axes are merged where both operands allow it. A stride
 * of 0 repeats the operand along the axis.
 */
export interface Broadcast {
  readonly shape: readonly number[];
  readonly stridesA: readonly number[];
  readonly stridesB: readonly number[];
}

/** Element (i₀, i₁, …) of a view is element `offset + Σ i_k·strides_k` of its storage. Strides may be 0 (repeat) or negative (flip). */
export interface View {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
}

/**
 * A tensor seen as [outer, axis, inner]. `axis` is the size of the axis that an op works along. `outer` is the product of the sizes before
 * this axis, and `inner` is the product of the sizes after it.
 */
export interface AxisSplit {
  readonly outer: number;
  readonly axis: number;
  readonly inner: number;
}

/**
 * C[b] = A[b]·B[b] for b < batch, with A:[m,k] (stored as [k,m] if `transposeA`) and B:[k,n] (stored as [n,k] if `transposeB`).
 * `batchStrideA` is the number of elements from A[b] to A[b + 1]: m·k, or 0 if all b share one matrix. `batchStrideB` is the same for B.
 */
export interface MatmulGeometry {
  readonly batch: number;
  readonly m: number;
  readonly k: number;
  readonly n: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly batchStrideA: number;
  readonly batchStrideB: number;
}

/** Stages that act in turn on the channels of x:[batch, channels, columns]. There is at least one stage, and nothing is empty. */
export interface StagesGeometry {
  readonly batch: number;
  readonly columns: number;
  readonly stages: readonly ChannelStage[];
}

/**
 * A depthwise convolution of x:[batch, channels, height, width], and stages that act in turn on the channels of its result. There is at least
 * one stage, and nothing is empty.
 */
export interface WindowStagesGeometry {
  readonly window: ConvolutionGeometry;
  readonly stages: readonly ChannelStage[];
}

/** A tensor seen as [batch, channels, inner]. */
export interface ChannelGeometry {
  readonly batch: number;
  readonly channels: number;
  readonly inner: number;
}

/** Batch normalisation of x:[batch, channels, inner] over batch and inner. */
export interface NormGeometry extends ChannelGeometry {
  readonly epsilon: number;
}

/** relu(v) = max(v, 0) and relu6(v) = min(max(v, 0), 6). NaN stays NaN. */
export const activations = ["relu", "relu6"] as const;
export type Activation = (typeof activations)[number];

/** What a kernel does to its result v in the same pass: y = activation(v + addend). The addend is as long as v. Each may be absent. */
export interface EpilogueStorages {
  readonly addend?: Storage | undefined;
  readonly activation?: Activation | undefined;
}

/**
 * A norm of the batch and the activation behind it, which a kernel computes as it reads its operand x:
 * v = activation(γ·(x − μ)/√(σ² + ε) + β).
 */
export interface PrecedingNormStorages {
  readonly gamma: Storage;
  readonly beta: Storage;
  readonly epsilon: number;
  readonly activation: Activation;
}

/** The mean μ and the biased variance σ² of each channel of a batch. */
export interface BatchStatistics {
  readonly mean: Storage;
  readonly variance: Storage;
}

/** Statistics that follow those of the batches: running ← (1 − momentum)·running + momentum·batch. */
export interface RunningStatistics extends BatchStatistics {
  readonly momentum: number;
  /** The factor of the batch's variance: Bessel's correction. */
  readonly correction: number;
}

/**
 * How a gradient passes an activation: the cotangent of v is g where the activation has slope 1, and 0 elsewhere. The slope of relu is 1
 * where y > 0. The slope of relu6 is 1 where 0 < y < 6.
 */
export interface ActivationGradient {
  readonly activation: Activation;
  /** The result of the activation. */
  readonly y: Storage;
  /** Whether the cotangent of v is wanted too: it is the cotangent of the addend. */
  readonly addend: boolean;
}

/** The matrix [rows, columns] of a butterfly map of L stages, cut from 2^L rows and columns. */
export interface ButterflyGeometry {
  readonly stages: number;
  readonly rows: number;
  readonly columns: number;
}

/** The cross-entropy of `rows` rows of logits over `classes` classes. A share of each target is spread over all classes. */
export interface CrossEntropyGeometry {
  readonly rows: number;
  readonly classes: number;
  readonly labelSmoothing: number;
}

/** What the gradient of a cross-entropy needs of each row x of logits: m = max x and Σ_c e^(x_c − m). */
export interface SoftmaxRows {
  readonly maximum: Storage;
  readonly sum: Storage;
}

/** A parameter in a step of SGD. All entries of a step have a momentum buffer, or none has. */
export interface SgdEntry {
  readonly parameter: Storage;
  readonly gradient: Storage;
  readonly momentum: Storage | undefined;
  readonly learningRate: number;
  readonly weightDecay: number;
}

/**
 * The update of torch.optim.SGD. With d = g + weightDecay·p, the momentum buffer is v ← d in the first step and v ← momentum·v + d in later
 * steps. Then p ← p − lr·v, or p ← p − lr·(d + momentum·v) if `nesterov`. Without a buffer, p ← p − lr·d.
 */
export interface SgdUpdate {
  readonly momentum: number;
  readonly nesterov: boolean;
  /** Whether this is the first step. */
  readonly first: boolean;
}

/** A parameter in a step of Adam. */
export interface AdamEntry {
  readonly parameter: Storage;
  readonly gradient: Storage;
  /** The running mean of the gradient, and of its square. */
  readonly mean: Storage;
  readonly square: Storage;
  readonly learningRate: number;
  readonly weightDecay: number;
  /** The number t of this update of the parameter, starting at 1. The bias correction depends on t. */
  readonly step: number;
}

/**
 * Adam (arXiv 1412.6980) adds weightDecay·p to g. AdamW (arXiv 1711.05101) multiplies p by 1 − lr·weightDecay instead, and is chosen by
 * `decoupled`.
 */
export interface AdamUpdate {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly decoupled: boolean;
}

/**
 * The number of storages of a backend, and its memory in bytes. `used` is the memory of the storages. `reserved` is the memory that the
 * system gave the backend. `peak` is the largest value of `used` since `resetPeak`.
 */
export interface MemoryReport {
  readonly backend: string;
  readonly storages: number;
  readonly used: number;
  readonly peak: number;
  readonly reserved: number;
}

export interface Kernels {
  readonly name: string;
  /** The number of threads that compute, including the caller's thread. */
  readonly threads: number;

  // — storage —
  upload(dtype: DType, data: ArrayLike<number>): Storage;
  full(dtype: DType, length: number, value: number): Storage;
  /**
   * As `upload`, for data that never change. A device keeps them, by the identity of the array. Optional: without it they are uploaded each
   * time.
   */
  constant?(dtype: DType, data: TypedArray): Storage;
  /** Overwrites all of `target`. */
  write(target: Storage, data: ArrayLike<number>): void;
  cast(x: Storage, dtype: DType): Storage;
  memory(): MemoryReport;
  resetPeak(): void;
  /** Frees the backend's threads or device. Afterwards, ops on its tensors throw. Default: there is nothing to free. */
  dispose?(): void;
  /** Whether the backend can no longer compute, because it was disposed of or lost a thread or its device. Default: false. */
  readonly disposed?: boolean;
  /** What users should know about how the backend runs on this machine, such as why it has one thread. Default: no note. */
  readonly note?: string;

  // — elementwise —
  unary(op: UnaryOp, x: Storage): Storage;
  binary(op: BinaryOp, a: Storage, b: Storage, broadcast: Broadcast): Storage;
  /** target_i ← target_i + x_i. Both storages have the same length. */
  accumulate(target: Storage, x: Storage): void;
  /** y_i = a_i where condition_i ≠ 0, else b_i. All storages have the same length. */
  select(condition: Storage, a: Storage, b: Storage): Storage;
  /** y_i = min(max(x_i, low), high). */
  clamp(x: Storage, low: number, high: number): Storage;

  /**
   * The gradients of Σ g·(a·b) with respect to a and b, each summed over the axes along which its operand repeats. Optional: without it, or
   * where it gives undefined, each gradient is a product and a sum.
   */
  multiplyGradient?(a: Storage, b: Storage, g: Storage, broadcast: Broadcast): { a: Storage; b: Storage } | undefined;

  // — along an axis —
  /** [outer, axis, inner] → [outer, inner]. An empty axis gives 0 (sum) or −∞ (max). The max over elements with a NaN is NaN. */
  reduce(op: ReduceOp, x: Storage, split: AxisSplit): Storage;
  /** The int32 position of the first maximum along the axis: [outer, axis, inner] → [outer, inner]. */
  argmax(x: Storage, split: AxisSplit): Storage;
  /** [outer, axis, inner], indices:[count] → [outer, count, inner]. @throws ShapeError for an index outside [0, axis). */
  gather(x: Storage, indices: Storage, split: AxisSplit): Storage;
  /**
   * The adjoint of gather: y:[outer, count, inner] is added to zeros [outer, axis, inner] at the indices. If an index is repeated, its
   * elements are added in order.
   */
  scatterAdd(y: Storage, indices: Storage, split: AxisSplit): Storage;
  /**
   * The int32 positions along the axis that sort the elements: [outer, axis, inner] → [outer, axis, inner]. The order is ascending, or
   * descending if `descending`. Equal elements keep their order, and NaN counts as the largest. x may be int32.
   */
  argsort(x: Storage, descending: boolean, split: AxisSplit): Storage;
  /**
   * y[o,j,i] = x[o, indices[o,j,i], i], where x, indices and y are all [outer, axis, inner]. Every index must be in [0, axis).
   */
  takeAlongAxis(x: Storage, indices: Storage, split: AxisSplit): Storage;
  /** y = D·x along the axis, or Dᵀ·x if `transpose`. D[k,i] = 2·cos(πk(2i+1)/2n), the DCT-II without normalisation. */
  cosineTransform(x: Storage, transpose: boolean, split: AxisSplit): Storage;

  // — layout —
  /** Copies a view into contiguous storage. Permute, slice, flip, broadcast and diagonal are all views. */
  readView(x: Storage, view: View): Storage;
  /**
   * Makes storage with `length` elements equal to `fill`, and then writes each part through its view. The views do not overlap. Pad, concat
   * and the adjoints of slices use this kernel.
   */
  assemble(dtype: DType, length: number, fill: number, parts: readonly { readonly source: Storage; readonly view: View }[]): Storage;

  // — contractions —
  matmul(a: Storage, b: Storage, geometry: MatmulGeometry): Storage;
  /**
   * The gradients of Σ g·matmul(A, B) with respect to A and B, each stored as its operand. Optional: without it, or where it gives
   * undefined, each gradient is a product.
   */
  matmulGradient?(a: Storage, b: Storage, g: Storage, geometry: MatmulGeometry): { a: Storage; b: Storage } | undefined;
  conv2d(x: Storage, w: Storage, geometry: ConvolutionGeometry): Storage;
  /** The gradient of Σ g·conv2d(x, w) with respect to x: g:[N,O,H′,W′], w → [N,C,H,W]. */
  conv2dInputGradient(g: Storage, w: Storage, geometry: ConvolutionGeometry): Storage;
  /** The gradient of Σ g·conv2d(x, w) with respect to w: x, g → [O,C/groups,Kh,Kw]. */
  conv2dWeightGradient(x: Storage, g: Storage, geometry: ConvolutionGeometry): Storage;

  // — fused for speed —
  /**
   * y = P·(w ∗ x) + addend: a depthwise window, and then a map of the channels at every pixel. x:[N,C,H,W], w:[C,1,Kh,Kw], P:[O,C]. The
   * addend has the shape of y, and may be absent.
   */
  separableConv2d(x: Storage, w: Storage, map: Storage, geometry: SeparableGeometry, addend?: Storage): Storage;
  /** The gradients of Σ g·separableConv2d(x, w, P) with respect to x, w and P. */
  separableConv2dGradient(
    x: Storage,
    w: Storage,
    map: Storage,
    g: Storage,
    geometry: SeparableGeometry,
  ): { x: Storage; w: Storage; map: Storage };
  /**
   * y = P·(w ∗ v) + addend with v = activation(norm(x)), where the statistics are those of x. v is not kept. Both kernels are optional:
   * without them the op is composed of others.
   */
  normSeparableConv2d?(
    x: Storage,
    norm: PrecedingNormStorages,
    w: Storage,
    map: Storage,
    geometry: SeparableGeometry,
    addend?: Storage,
  ): { y: Storage } & BatchStatistics;
  /** The gradients of Σ g·normSeparableConv2d(x, γ, β, w, P) with respect to x, γ, β, w and P. */
  normSeparableConv2dGradient?(
    x: Storage,
    norm: PrecedingNormStorages & BatchStatistics,
    w: Storage,
    map: Storage,
    g: Storage,
    geometry: SeparableGeometry,
  ): { x: Storage; gamma: Storage; beta: Storage; w: Storage; map: Storage };
  /**
   * The maximum of each window, and its flat index into x, which the gradient needs. Padding counts as −∞. The geometry has O = C = groups.
   */
  maxPool2d(x: Storage, geometry: ConvolutionGeometry): { values: Storage; indices: Storage };
  /** y = activation(s·x + t + addend) with one s and one t for each channel. */
  channelAffine(x: Storage, scale: Storage, shift: Storage, geometry: ChannelGeometry, then?: EpilogueStorages): Storage;
  /**
   * y = activation(γ·(x − μ)/√(σ² + ε) + β + addend), where μ is the mean and σ² the biased variance of each channel of this batch. A
   * kernel may also compute the running statistics after this batch; if it does not, the op does.
   */
  batchNorm(
    x: Storage,
    gamma: Storage,
    beta: Storage,
    geometry: NormGeometry,
    then?: EpilogueStorages,
    running?: RunningStatistics,
  ): { y: Storage; running?: BatchStatistics } & BatchStatistics;
  /** The gradients of Σ g·batchNorm(x) with respect to x, γ and β, and to the addend if `through` asks for it. */
  batchNormGradient(
    x: Storage,
    gamma: Storage,
    mean: Storage,
    variance: Storage,
    g: Storage,
    geometry: NormGeometry,
    through?: ActivationGradient,
  ): { x: Storage; gamma: Storage; beta: Storage; addend?: Storage };
  /**
   * The stages in turn at every column (core/channel-stage.ts). Weight s is [weights, outputs, inputs] of stage s. Both kernels are optional:
   * without them the op is composed of others.
   */
  contractChannels?(x: Storage, weights: readonly Storage[], geometry: StagesGeometry): Storage;
  /** The gradients of Σ g·contractChannels(x, weights) with respect to x and the weights. */
  contractChannelsGradient?(
    x: Storage,
    weights: readonly Storage[],
    g: Storage,
    geometry: StagesGeometry,
  ): { x: Storage; weights: readonly Storage[] };
  /**
   * contractChannels(w ∗ x) with a depthwise window w:[C,1,Kh,Kw]. Both kernels are optional: without them the op is composed of others.
   */
  contractWindow?(x: Storage, w: Storage, weights: readonly Storage[], geometry: WindowStagesGeometry): Storage;
  /** The gradients of Σ g·contractWindow(x, w, weights) with respect to x, w and the weights. */
  contractWindowGradient?(
    x: Storage,
    w: Storage,
    weights: readonly Storage[],
    g: Storage,
    geometry: WindowStagesGeometry,
  ): { x: Storage; w: Storage; weights: readonly Storage[] };
  /**
   * contractWindow(v) with v = activation(norm(x)), and the statistics of x. Both kernels are optional: without them the op is composed of
   * others.
   */
  normContractWindow?(
    x: Storage,
    norm: PrecedingNormStorages,
    w: Storage,
    weights: readonly Storage[],
    geometry: WindowStagesGeometry,
  ): { y: Storage } & BatchStatistics;
  /** The gradients of Σ g·normContractWindow(x) with respect to x, γ, β, w and the weights. */
  normContractWindowGradient?(
    x: Storage,
    norm: PrecedingNormStorages & BatchStatistics,
    w: Storage,
    weights: readonly Storage[],
    g: Storage,
    geometry: WindowStagesGeometry,
  ): { x: Storage; gamma: Storage; beta: Storage; w: Storage; weights: readonly Storage[] };
  /**
   * The matrix of a butterfly map (ops/butterfly-matrix.ts): twiddle:[L, 2^(L−1), 2, 2] → [rows, columns]. Both kernels are optional:
   * without them the op is composed of others.
   */
  butterflyMatrix?(twiddle: Storage, geometry: ButterflyGeometry): Storage;
  /** The gradient of Σ g·butterflyMatrix(twiddle). */
  butterflyMatrixGradient?(twiddle: Storage, g: Storage, geometry: ButterflyGeometry): Storage;
  /**
   * y = x·γ/√max(factor·Σx², 1), and the sum of squares. Both kernels are optional: without them the op is composed of others
   * (ops/weight-norm.ts).
   */
  limitedNorm?(x: Storage, gain: Storage, factor: number): { y: Storage; square: Storage };
  /** The gradients of Σ g·limitedNorm(x, γ) with respect to x and γ. */
  limitedNormGradient?(x: Storage, gain: Storage, square: Storage, g: Storage, factor: number): { x: Storage; gain: Storage };
  /**
   * The mean over the rows of −Σ_c q_c·log softmax(x)_c, with q = (1 − s)·onehot(label) + s/classes. logits:[rows, classes], int32
   * labels:[rows] → [1]. A row with NaN or ∞, or with nothing but −∞, is NaN. Both kernels are optional: without them the op is composed of
   * others.
   */
  crossEntropy?(logits: Storage, labels: Storage, geometry: CrossEntropyGeometry): { loss: Storage } & SoftmaxRows;
  /** The gradient of g·crossEntropy(logits) with respect to the logits: (softmax(x) − q)·g/rows. */
  crossEntropyGradient?(logits: Storage, labels: Storage, rows: SoftmaxRows, g: Storage, geometry: CrossEntropyGeometry): Storage;
  /** A whole step of an optimiser. The entries have different parameters. */
  sgdUpdate(entries: readonly SgdEntry[], update: SgdUpdate): void;
  adamUpdate(entries: readonly AdamEntry[], update: AdamUpdate): void;
}

/** The names of the kernels: all members of a backend but its name, threads, memory report, disposal and note. */
export type KernelName = Exclude<keyof Kernels, "name" | "threads" | "memory" | "resetPeak" | "dispose" | "disposed" | "note">;
