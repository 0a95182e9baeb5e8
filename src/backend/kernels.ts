/**
 * The contract between ops and the machine: a backend is a record of functions on flat storages.
 *
 * Ops check shapes and dtypes and reduce every case to a few plain numbers (a geometry, a view, outer × axis × inner), so a kernel
 * never sees a shape it has to question. All floating operands of one call have one dtype. Every kernel returns new storage with one holder
 * and leaves its inputs as they were. Only `write` and the two optimiser updates change storage in place.
 * Calling a kernel is synchronous. Reading (`storage.read()`) is not, because a device may still be computing when a kernel returns.
 */

import type { ConvolutionGeometry } from "../core/convolution-geometry.ts";
import type { DType, Storage } from "../tensor/storage.ts";

/**
 * y_i = f(x_i). `step` is 1 where x > 0, else 0. `erf`, `normalCdf`, `expm1` = eˣ − 1 and `log1p` = log(1 + x) are exact to the dtype, also
 * near 0. `not` is 1 where x = 0.
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
  "sin",
  "cos",
  "relu",
  "step",
  "floor",
  "not",
] as const;
export type UnaryOp = (typeof unaryOps)[number];

/**
 * c = f(a, b). Comparisons give 1 or 0 in the operands' dtype. `reluGradient`(x, g) is g where x > 0, else 0. `power` is IEEE 754's:
 * 1ᵇ is 1 for every b, NaN included.
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
] as const;
export type BinaryOp = (typeof binaryOps)[number];

export type ReduceOp = "sum" | "max";

/**
 * How two operands broadcast: the output's shape (adjacent axes already merged where both allow) and each operand's strides, 0 = repeated.
 */
export interface Broadcast {
  readonly shape: readonly number[];
  readonly stridesA: readonly number[];
  readonly stridesB: readonly number[];
}

/** Element (i₀, i₁, …) of a view stands at `offset + Σ i_k·strides_k` of its storage. Strides may be 0 (repeat) or negative (flip). */
export interface View {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
}

/** A tensor seen as [outer, axis, inner] around the one axis an op works along. */
export interface AxisSplit {
  readonly outer: number;
  readonly axis: number;
  readonly inner: number;
}

/**
 * C[b] = A[b]·B[b] for b < batch; A:[m,k] (stored [k,m] when transposeA), B:[k,n] (stored [n,k] when transposeB).
 * The matrices of a batch lie `batchStrideA` elements apart: m·k, or 0 where one matrix serves the whole batch.
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

/** Batch normalisation of x:[batch, channels, inner] over batch and inner. */
export interface NormGeometry {
  readonly batch: number;
  readonly channels: number;
  readonly inner: number;
  readonly epsilon: number;
}

/** p ← p − lr·(momentum rule of g + weightDecay·p), torch.optim.SGD's rule with the momentum buffer starting at the first gradient. */
export interface SgdUpdate {
  readonly learningRate: number;
  readonly momentum: number;
  readonly nesterov: boolean;
  readonly weightDecay: number;
  /** The first step sets the buffer to the gradient instead of mixing. */
  readonly first: boolean;
}

/** Adam (1412.6980) and AdamW (1711.05101): `decoupled` shrinks p by lr·weightDecay instead of adding weightDecay·p to g. */
export interface AdamUpdate {
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  readonly decoupled: boolean;
  /** 1 at the first update: for the bias correction. */
  readonly step: number;
}

/** The bytes that a backend holds. `reserved` is what the system gave it; `peak` is the largest value of `used` since `resetPeak`. */
export interface MemoryReport {
  readonly backend: string;
  readonly storages: number;
  readonly used: number;
  readonly peak: number;
  readonly reserved: number;
}

export interface Kernels {
  readonly name: string;
  /** Threads that compute, the caller's included. */
  readonly threads: number;

  // — storage —
  upload(dtype: DType, data: ArrayLike<number>): Storage;
  full(dtype: DType, length: number, value: number): Storage;
  /** Overwrites all of `target`. */
  write(target: Storage, data: ArrayLike<number>): void;
  cast(x: Storage, dtype: DType): Storage;
  memory(): MemoryReport;
  resetPeak(): void;
  /** Frees the backend's threads or device. Ops on its tensors are errors afterwards. Default: there is nothing to free. */
  dispose?(): void;
  /** Whether it can no longer compute: it was disposed of, or a thread or the device is lost. Default: false. */
  readonly disposed?: boolean;
  /** What a program should know about how it runs here, such as why it has one thread. Default: there is nothing to say. */
  readonly note?: string;

  // — elementwise —
  unary(op: UnaryOp, x: Storage): Storage;
  binary(op: BinaryOp, a: Storage, b: Storage, broadcast: Broadcast): Storage;
  /** condition ≠ 0 ? a : b, all of one length. */
  select(condition: Storage, a: Storage, b: Storage): Storage;
  clamp(x: Storage, low: number, high: number): Storage;

  // — along an axis —
  /** [outer, axis, inner] → [outer, inner]. An empty axis gives 0 (sum) or −∞ (max). NaN wins a max. */
  reduce(op: ReduceOp, x: Storage, split: AxisSplit): Storage;
  /** int32 position of the first maximum: [outer, axis, inner] → [outer, inner]. */
  argmax(x: Storage, split: AxisSplit): Storage;
  /** [outer, axis, inner], indices:[count] → [outer, count, inner]. @throws ShapeError for an index outside [0, axis). */
  gather(x: Storage, indices: Storage, split: AxisSplit): Storage;
  /** Adjoint of gather: zeros [outer, axis, inner] plus y:[outer, count, inner] at the indices, repeated ones adding up in order. */
  scatterAdd(y: Storage, indices: Storage, split: AxisSplit): Storage;
  /**
   * int32 positions along the axis, in the order that sorts each line: [outer, axis, inner] → [outer, axis, inner]. The order is rising, or
   * falling where `descending`. Equal elements keep their order, and NaN counts as the largest. x may be int32.
   */
  argsort(x: Storage, descending: boolean, split: AxisSplit): Storage;
  /**
   * y[o,j,i] = x[o, indices[o,j,i], i]; x, indices and y are all [outer, axis, inner]. Every index is in [0, axis), as argsort gives them.
   */
  takeAlongAxis(x: Storage, indices: Storage, split: AxisSplit): Storage;
  /** y = D·x, or Dᵀ·x when `transpose`, along the axis: D[k,i] = 2·cos(πk(2i+1)/2n), the unnormalised DCT-II (core/cosine-transform.ts). */
  cosineTransform(x: Storage, transpose: boolean, split: AxisSplit): Storage;

  // — layout —
  /** The view as a contiguous tensor: permute, slice, flip, broadcast and diagonal are all this. */
  readView(x: Storage, view: View): Storage;
  /**
   * `length` elements of `fill`, then each part written through its view (views don't overlap): pad, concat, and the adjoints of slices.
   */
  assemble(dtype: DType, length: number, fill: number, parts: readonly { readonly source: Storage; readonly view: View }[]): Storage;

  // — contractions —
  matmul(a: Storage, b: Storage, geometry: MatmulGeometry): Storage;
  conv2d(x: Storage, w: Storage, geometry: ConvolutionGeometry): Storage;
  /** ∂/∂x of Σ g·conv2d(x, w): g:[N,O,H′,W′], w → [N,C,H,W]. */
  conv2dInputGradient(g: Storage, w: Storage, geometry: ConvolutionGeometry): Storage;
  /** ∂/∂w of Σ g·conv2d(x, w): x, g → [O,C/groups,Kh,Kw]. */
  conv2dWeightGradient(x: Storage, g: Storage, geometry: ConvolutionGeometry): Storage;

  // — fused for speed; each has a composed oracle in ops —
  /** Largest value of each window (padding counts as −∞; O = C = groups in the geometry) and its flat index into x, for the gradient. */
  maxPool2d(x: Storage, geometry: ConvolutionGeometry): { values: Storage; indices: Storage };
  /** y = γ·(x − μ)/√(σ² + ε) + β with the batch's own μ and biased σ². */
  batchNorm(x: Storage, gamma: Storage, beta: Storage, geometry: NormGeometry): { y: Storage; mean: Storage; variance: Storage };
  batchNormGradient(
    x: Storage,
    gamma: Storage,
    mean: Storage,
    variance: Storage,
    g: Storage,
    geometry: NormGeometry,
  ): { x: Storage; gamma: Storage; beta: Storage };
  sgdUpdate(parameter: Storage, gradient: Storage, momentum: Storage | undefined, update: SgdUpdate): void;
  adamUpdate(parameter: Storage, gradient: Storage, mean: Storage, square: Storage, update: AdamUpdate): void;
}

/** The functions that compute: all of a backend but who it is and what its memory reports. */
export type KernelName = Exclude<keyof Kernels, "name" | "threads" | "memory" | "resetPeak" | "dispose" | "disposed" | "note">;
