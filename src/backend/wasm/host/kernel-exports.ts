/** What the compiled module offers (assembly/index.ts). Pointers are byte addresses; flags are 0 or 1. */

export interface KernelExports extends WebAssembly.Exports {
  setWorkers(count: number, callerMayBlock: boolean): void;
  dismiss(): void;
  matmulScratch(blockM: number, blockN: number, k: number): number;
  matmul(
    a: number,
    b: number,
    c: number,
    scratch: number,
    scratchBytes: number,
    batch: number,
    m: number,
    k: number,
    n: number,
    transposeA: boolean,
    transposeB: boolean,
    batchStrideA: number,
    batchStrideB: number,
    blockM: number,
    blockN: number,
    shared: boolean,
  ): void;
  /** Element (o, c, t) of a group of w stands at o·strideOut + c·strideIn + taps[t]. */
  packWeights(
    source: number,
    target: number,
    taps: number,
    tapCount: number,
    groups: number,
    outChannels: number,
    inChannels: number,
    strideOut: number,
    strideIn: number,
    groupStride: number,
    shared: boolean,
  ): void;
  correlate(job: number, images: number, shared: boolean): void;
  weightGradient(job: number, ranges: number, shared: boolean): void;
  depthwise(job: number, shared: boolean): void;
  depthwiseWeightGradient(job: number, shared: boolean): void;
  addPartials(partial: number, parts: number, length: number, target: number, shared: boolean): void;
  broadcastAxes(): number;
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
  batchNorm(
    x: number,
    gamma: number,
    beta: number,
    y: number,
    mean: number,
    variance: number,
    batch: number,
    channels: number,
    inner: number,
    epsilon: number,
    shared: boolean,
  ): void;
  batchNormGradient(
    x: number,
    gamma: number,
    mean: number,
    variance: number,
    g: number,
    out: number,
    gammaGradient: number,
    betaGradient: number,
    batch: number,
    channels: number,
    inner: number,
    epsilon: number,
    shared: boolean,
  ): void;
  reduce(maximum: boolean, x: number, out: number, outer: number, axis: number, inner: number, shared: boolean): void;
  cosineTransform(job: number, shared: boolean): void;
  viewAxes(): number;
  moveView(write: boolean, packed: number, strided: number, inner: number, rows: number, step: number, rank: number, shared: boolean): void;
  fill(out: number, length: number, value: number, shared: boolean): void;
  sgdUpdate(
    p: number,
    g: number,
    v: number,
    length: number,
    learningRate: number,
    momentum: number,
    nesterov: boolean,
    weightDecay: number,
    first: boolean,
    shared: boolean,
  ): void;
  adamUpdate(
    p: number,
    g: number,
    v: number,
    s: number,
    length: number,
    learningRate: number,
    beta1: number,
    beta2: number,
    rest1: number,
    rest2: number,
    epsilon: number,
    weightDecay: number,
    decoupled: boolean,
    correction1: number,
    correction2: number,
    shared: boolean,
  ): void;
}
