/** The seeded mutants: faults that mutation tools do not generate, such as swapped axes, dropped factors, doubled VJPs and wrong costs. */

export interface SeededMutant {
  readonly file: string;
  /** The text to replace. It must occur exactly once in the file. */
  readonly find: string;
  readonly replace: string;
  /** The test files or folders that should fail. Default: `test/structured` for its layer, and `test/grad` and `test/ops` for the ops. */
  readonly tests?: readonly string[];
  /** Code to put at the start of the file, for the replacement to use. Default: none. */
  readonly prelude?: string;
  readonly fault:
    | "swapped axes"
    | "dropped factor"
    | "doubled VJP"
    | "wrong VJP"
    | "wrong cost"
    | "wrong size"
    | "wrong value"
    | "wrong decision";
}

const structured = (file: string, find: string, replace: string, fault: SeededMutant["fault"]): SeededMutant => ({
  file: `src/structured/${file}.ts`,
  find,
  replace,
  fault,
});
const op = (file: string, find: string, replace: string, fault: SeededMutant["fault"]): SeededMutant => ({
  file: `src/ops/${file}.ts`,
  find,
  replace,
  fault,
});

/** Defines `twice(x)` = 2x with gradients of its own. */
const twice = 'import { add as plus } from "./elementwise.ts";\nconst twice = (x: import("../tensor/tensor.ts").Tensor) => plus(x, x);\n';

/** An op whose VJP is doubled. */
const doubled = (file: string, find: string, replace: string): SeededMutant => ({
  ...op(file, find, replace, "doubled VJP"),
  prelude: twice,
});

/** A decision by figures with another figure or another comparison. One test file has its oracle. */
const decision = (file: string, find: string, replace: string, test: string): SeededMutant => ({
  file: `src/${file}.ts`,
  find,
  replace,
  tests: [`test/${test}.test.ts`],
  fault: "wrong decision",
});

const wasmDecision = (file: string, find: string, replace: string): SeededMutant =>
  decision(`backend/wasm/host/${file}`, find, replace, "backend/wasm/decisions");

export const seededMutants: readonly SeededMutant[] = [
  structured("mix-channels", "{ groups });", "{ groups: 1 });", "dropped factor"),
  structured(
    "mix-channels",
    "[batch, before, after, columns]), [0, 2, 1, 3])",
    "[batch, after, before, columns]), [0, 2, 1, 3])",
    "swapped axes",
  ),
  structured(
    "structured-linear",
    "this.contract(reshape(transpose(x), [1, this.inFeatures, rows]))",
    "this.contract(reshape(x, [1, this.inFeatures, rows]))",
    "swapped axes",
  ),
  structured(
    "acdc",
    "const { A, D } of this.layers.toReversed()) {\n      const spectrum = cosineTransform(",
    "const { A, D } of this.layers) {\n      const spectrum = cosineTransform(",
    "swapped axes",
  ),
  structured("acdc", "(k === 0 ? 4 : 2) * c)),", "2 * c)),", "wrong value"),
  structured(
    "acdc",
    "multiply(reshape(A.value, [1, c, 1]), cosineTransform(this.#shuffle(filtered)",
    "multiply(reshape(D.value, [1, c, 1]), cosineTransform(this.#shuffle(filtered)",
    "dropped factor",
  ),
  structured("acdc", "cosineTransform(this.#shuffle(z), { axis: 1 })", "cosineTransform(z, { axis: 1 })", "dropped factor"),
  structured("acdc", "2 * cosineTransformMultiplyAdds(c) + 2 * c", "2 * cosineTransformMultiplyAdds(c) + c", "wrong cost"),
  structured("low-rank", "return this.rank * this.inFeatures * this.outFeatures;", "return this.rank * this.inFeatures;", "wrong cost"),
  structured(
    "low-rank",
    "outFeatures / inFeatures, inFeatures]), { axes: 1 });",
    "inFeatures, outFeatures / inFeatures]), { axes: 2 });",
    "swapped axes",
  ),
  structured("hashed", "sums.map((sum, i) => sum / Math.max(1, counts[i]!))", "sums", "dropped factor"),
  structured(
    "train-contraction",
    "if (size % rest === 0) return { mode, outer: size / rest, inner: rest };",
    "if (size % rest === 0) return { mode, outer: rest, inner: size / rest };",
    "swapped axes",
  ),
  structured(
    "train-contraction",
    '"aoib,ib->oa", reshape(cores[mode]!, [before, outer, inner, after])',
    '"aiob,ib->oa", reshape(cores[mode]!, [before, inner, outer, after])',
    "swapped axes",
  ),
  structured("train-contraction", '"adb,pb->dpa"', '"adb,pb->pda"', "swapped axes"),
  structured("tensor-train", "sizeOf(this.dims.slice(k + 1))", "sizeOf(this.dims.slice(k + 2))", "wrong cost"),
  structured("tucker", '"ap,pbq,qc,db->adc"', '"ap,pbq,qc,db->cda"', "swapped axes"),
  structured(
    "three-way",
    "const ranks = [Math.min(wanted[0], first, d2 * second), second] as const;",
    "const ranks = [Math.min(wanted[0], d2 * second), second] as const;",
    "wrong size",
  ),
  structured("three-way", "const least = roundHalfToEven(edge);", "const least = Math.ceil(edge);", "wrong size"),
  structured(
    "canonical-polyadic",
    '"ocz,cz->zo", reshape(factors[mode]!, [outer, inner, rank])',
    '"coz,cz->zo", reshape(factors[mode]!, [inner, outer, rank])',
    "swapped axes",
  ),
  structured(
    "canonical-polyadic",
    "rank * (this.inFeatures + outer * inner + this.outFeatures)",
    "rank * (this.inFeatures + this.outFeatures)",
    "wrong cost",
  ),
  structured(
    "shuffle-linear",
    "multiply(second, reshape(taps, [this.groups, 1, this.bottleneck / this.groups]))",
    "second",
    "dropped factor",
  ),
  structured("shuffle-linear", '"goi,gi->og"', '"goi,gi->go"', "swapped axes"),
  structured("block-tensor-train", '"jlka,kjai->ljki"', '"jlka,kjai->jlki"', "swapped axes"),
  structured("block-tensor-train", '"jlka,kja->lj"', '"jlka,kja->jl"', "swapped axes"),
  structured(
    "monarch",
    "Math.min(inFeatures, outFeatures) / (blocks * middle)",
    "Math.max(inFeatures, outFeatures) / (blocks * middle)",
    "wrong size",
  ),
  structured("matrix-tensor-train", '"amnb,oani->ombi"', '"amnb,oani->mobi"', "swapped axes"),
  structured("kronecker", '"tab,btc->ac"', '"tab,btc->ca"', "swapped axes"),
  structured("kronecker", "terms * m2 * (this.inFeatures + m1 * n1)", "terms * m2 * (this.inFeatures + n1)", "wrong cost"),
  structured("blast", '"ijr,jr->ir"', '"jir,jr->ir"', "swapped axes"),
  structured("butterfly", "[0, 3, 1, 2, 4]", "[0, 4, 1, 2, 3]", "swapped axes"),
  {
    ...op("butterfly-matrix", "((o >> s) & 1) * 2 + ((i >> s) & 1)", "((i >> s) & 1) * 2 + ((o >> s) & 1)", "swapped axes"),
    tests: ["test/structured"],
  },
  structured(
    "separable",
    "[0, padded.shape[2]!, this.#stride], [0, padded.shape[3]!, this.#stride]",
    "[0, padded.shape[2]!, this.#stride], [0, padded.shape[3]!, 1]",
    "wrong size",
  ),
  structured("separable", "this.#padding = dropsPadding && kernel === 1 ? 0 : padding;", "this.#padding = padding;", "wrong size"),
  structured(
    "hashed-convolution",
    "this.#options = { stride, padding, dilation, groups };",
    "this.#options = { stride, padding, groups };",
    "dropped factor",
  ),
  decision(
    "structured/structured-linear",
    "const dense = this.inFeatures * this.outFeatures + this.denseCost() / count;",
    "const dense = 3 * (this.inFeatures * this.outFeatures + this.denseCost() / count);",
    "structured/decisions",
  ),
  decision("structured/structured-linear", "work.perCall / count) / this.throughput", "work.perCall / count)", "structured/decisions"),
  decision("structured/structured-linear", "factorized <= dense", "factorized < dense", "structured/decisions"),
  decision("structured/acdc", "return 0.4;", "return 0.6;", "structured/decisions"),
  decision("structured/butterfly", "this.#work(h) < this.#work(best)", "this.#work(h) > this.#work(best)", "structured/decisions"),
  decision("structured/separable", "Number.MAX_SAFE_INTEGER", "1", "structured/decisions"),
  structured("acdc", "channelShuffle: false", "channelShuffle: true", "dropped factor"),
  doubled(
    "matmul",
    "(g) => sumTo(ta ? product(b, g, tb, true) : product(g, b, false, !tb), a.shape)",
    "(g) => twice(sumTo(ta ? product(b, g, tb, true) : product(g, b, false, !tb), a.shape))",
  ),
  doubled("convolution", "(g) => weightGradient(x, g, geometry)],", "(g) => twice(weightGradient(x, g, geometry))],"),
  doubled("convolution", "vjp: [(h) => inputGradient(g, h, geometry)", "vjp: [(h) => twice(inputGradient(g, h, geometry))"),
  doubled("layout", "vjp: [(g) => writeView(g, x.shape, view, 0)],", "vjp: [(g) => twice(writeView(g, x.shape, view, 0))],"),
  doubled(
    "sum-and-broadcast",
    "axes.length === 0 ? x : reshape(sum(x, { axes }), shape)",
    "axes.length === 0 ? x : twice(reshape(sum(x, { axes }), shape))",
  ),
  doubled(
    "sum-and-broadcast",
    "vjp: [(g) => broadcastTo(reshape(g, kept), x.shape)]",
    "vjp: [(g) => twice(broadcastTo(reshape(g, kept), x.shape))]",
  ),
  doubled(
    "indexing",
    "vjp: [(g) => scatterAdd(g, indices, x.shape, along)]",
    "vjp: [(g) => twice(scatterAdd(g, indices, x.shape, along))]",
  ),
  doubled("indexing", "vjp: [(g) => gather(g, indices, along)]", "vjp: [(g) => twice(gather(g, indices, along))]"),
  op("layout", "vjp: [(g) => writeView(g, x.shape, view, 0)],", "vjp: [(g) => writeView(g, x.shape, view, 1)],", "wrong VJP"),
  op("elementwise", "  (g, a) => multiply(g, a),", "  (g, _a, b) => multiply(g, b),", "wrong VJP"),
  op("cosine-transform", "transpose: !transpose", "transpose", "wrong VJP"),
  op("softmax", "log(sum(exp(shifted), { axes, keepDims: true }))", "sum(exp(shifted), { axes, keepDims: true })", "dropped factor"),
  decision("models/attention", "1e-24", "3e-24", "models/attention"),
  decision("backend/storage-watch", "256 * 2 ** 20", "768 * 2 ** 20", "backend/storage-watch"),
  decision("backend/storage-watch", "limit / 2)", "limit / 6)", "backend/storage-watch"),
  decision("backend/storage-watch", "2 * used)", "6 * used)", "backend/storage-watch"),
  decision("backend/storage-watch", "bytes > this.#dueAbove", "bytes >= this.#dueAbove", "backend/storage-watch"),
  wasmDecision("machine", "sharedWork = 100_000", "sharedWork = 300_000"),
  wasmDecision("machine", "sharedElements = 32_768", "sharedElements = 98_304"),
  wasmDecision("matmul", "own: 128", "own: 384"),
  wasmDecision("matmul", "own: 512", "own: 1536"),
  wasmDecision("matmul", "shared: 1024", "shared: 3072"),
  wasmDecision("matmul", "blockN > 64", "blockN > 192"),
  wasmDecision("matmul", "blockM > 32", "blockM > 96"),
  wasmDecision("planes", "512 * 1024", "1536 * 1024"),
  wasmDecision("correlation", "channels > 8", "channels > 24"),
  wasmDecision("weight-gradient", "largeGradient = 2 ** 18", "largeGradient = 3 * 2 ** 18"),
  wasmDecision("depthwise", "chunkWork = 50_000", "chunkWork = 150_000"),
  wasmDecision("arena-memory", "growthStep = 16 *", "growthStep = 48 *"),
  wasmDecision("arena-memory", "this.#reserved / 4), needed]", "this.#reserved / 12), needed]"),
  decision("structured/hashed-families", "Math.floor(fraction * (window", "Math.ceil(fraction * (window", "structured/decisions"),
  decision("structured/hashed-families", "window: Math.floor((total", "window: Math.ceil((total", "structured/decisions"),
  decision("structured/hashed-families", "map: Math.floor((total", "map: Math.ceil((total", "structured/decisions"),
  decision("experiment/budget", "parametersAt(middle) <= limit", "parametersAt(middle) < limit", "cli/budget"),
  decision("experiment/budget", "search.positions + 1]", "search.positions]", "cli/budget"),
];
