/**
 * What the compiled module offers (assembly/index.ts). Pointers are byte addresses. `shared` says whether the team computes the call, or
 * the caller alone. A job is the address of a structure that the host has written (host/structs.ts);
 * JOB is the fixed address in shared/sizes.ts.
 */

/** A number that the build fixes. */
export interface BuildConstant extends WebAssembly.Global {
  readonly value: number;
}

export interface KernelExports extends WebAssembly.Exports {
  /** The tile of matrix multiplication. */
  readonly gemmRows: BuildConstant;
  readonly gemmColumns: BuildConstant;
  /** Neighbouring pixels that the tile of a convolution takes from one row. */
  readonly convRun: BuildConstant;
  /** Runs an innermost loop on 32 KB at `memory` and returns its multiply-adds (assembly/pairing-probe.ts). */
  probe(tile: number, memory: number, calls: number): number;
  setWorkers(count: number, callerMayBlock: boolean): void;
  dismiss(): void;
  matmulScratch(blockM: number, blockN: number, k: number): number;
  /** Reads a MatmulJob at JOB. */
  packedRightBytes(k: number, n: number): number;
  packRight(batch: number, shared: boolean): void;
  matmul(batch: number, shared: boolean): void;
  matmul64(batch: number, shared: boolean): void;
  /** Reads a PackJob at JOB. */
  packWeights(groups: number, shared: boolean): void;
  correlate(job: number, images: number, shared: boolean): void;
  winograd(job: number, images: number, shared: boolean): void;
  /** Reads a WinogradWeightsJob at JOB. */
  winogradWeights(shared: boolean): void;
  winogradWeightGradient(job: number, ranges: number, shared: boolean): void;
  weightGradient(job: number, ranges: number, shared: boolean): void;
  depthwise(job: number, shared: boolean): void;
  depthwiseWeightGradient(job: number, shared: boolean): void;
  separable(job: number, images: number, shared: boolean): void;
  separableGradient(job: number, ranges: number, shared: boolean): void;
  addPartials(partial: number, parts: number, length: number, target: number, shared: boolean): void;
  contractChannels(job: number, shared: boolean): void;
  contractChannelsGradient(job: number, ranges: number, shared: boolean): void;
  contractWindow(job: number, shared: boolean): void;
  contractWindowGradient(job: number, ranges: number, shared: boolean): void;
  /** Reads the axis lists (host/axis-lists.ts): `rank` sizes, and the strides of a and b. */
  binary(
    op: number,
    a: number,
    b: number,
    out: number,
    inner: number,
    rows: number,
    total: number,
    rowsPerChunk: number,
    runsA: boolean,
    runsB: boolean,
    rank: number,
    shared: boolean,
  ): void;
  unary(op: number, x: number, out: number, length: number, shared: boolean): void;
  clamp(x: number, out: number, length: number, low: number, high: number, shared: boolean): void;
  select_(condition: number, a: number, b: number, out: number, length: number, shared: boolean): void;
  /** Reads a NormJob at JOB. */
  givenCoefficients(): void;
  normalise(shared: boolean): void;
  /** Reads a NormJob at JOB. */
  normaliseGradient(shared: boolean): void;
  argmax(x: number, out: number, outer: number, axis: number, inner: number, shared: boolean): void;
  reduce(maximum: boolean, x: number, out: number, outer: number, axis: number, inner: number, shared: boolean): void;
  firstOutside(indices: number, count: number, bound: number): number;
  gather(x: number, indices: number, y: number, outer: number, axis: number, inner: number, count: number, shared: boolean): void;
  scatterAdd(y: number, indices: number, x: number, outer: number, axis: number, inner: number, count: number, shared: boolean): void;
  cosineTransform(job: number, shared: boolean): void;
  /** Reads the axis lists: `rank` sizes, and the strides of the strided side. */
  moveView(write: boolean, packed: number, strided: number, inner: number, rows: number, step: number, rank: number, shared: boolean): void;
  fill(out: number, length: number, value: number, shared: boolean): void;
  /** Reads a PoolJob at JOB. */
  maxPool2d(shared: boolean): void;
  /** Reads an SgdJob at JOB, which has `chunks` chunks in all. */
  sgdUpdate(chunks: number, shared: boolean): void;
  /** Reads an AdamJob at JOB, which has `chunks` chunks in all. */
  adamUpdate(chunks: number, shared: boolean): void;
}
