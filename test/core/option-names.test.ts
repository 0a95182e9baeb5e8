/** A misspelt option is an error of every public function that takes options, and the error names the option that was meant. */

import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { checkOptions, optionNames } from "../../src/core/options.ts";
import * as gpu from "../../src/gpu.ts";
import * as library from "../../src/index.ts";
import * as node from "../../src/node.ts";

type Any = (...args: unknown[]) => unknown;
const all = { ...library, ...node, ...gpu } as unknown as Readonly<Record<string, Any & (new (...args: unknown[]) => unknown)>>;

beforeAll(() => library.useBackend(library.createReferenceBackend()));

/**
 * The arguments before the options of every public function and class that takes options. Options that a function merely hands on, such as
 * those of zeros, are checked by the function that uses them.
 */
const before = (): Record<string, unknown[]> => {
  const x = library.ones([2, 2]);
  const images = library.ones([1, 4, 4, 4]);
  const build = { random: new library.Random(0) };
  const site = { inChannels: 8, outChannels: 8, kernel: 3 };
  const dataset = library.syntheticImages({ classes: 2, trainCount: 4, testCount: 2, seed: 0 } as never);
  const model = new library.Linear(2, 2, build);
  const matrix = library.tensorArray([2, 2], [1, 2, 3, 4]);
  return {
    sum: [x],
    mean: [x],
    max: [x],
    min: [x],
    prod: [x],
    sort: [x],
    topk: [x, 1],
    encodeNpz: [new Map()],
    decodeNpz: [new Uint8Array(), "empty.npz"],
    exportOnnx: [model],
    plotsOf: [[]],
    renderReport: [[]],
    writeReport: ["folder", []],
    variance: [x],
    logSumExp: [x],
    cosineTransform: [x],
    matmul: [x, x],
    maxPool2d: [images],
    avgPool2d: [images],
    MaxPool2d: [],
    AvgPool2d: [],
    conv2d: [images, library.ones([4, 4, 3, 3])],
    separableConv2d: [images, library.ones([4, 1, 3, 3]), library.ones([8, 4])],
    normSeparableConv2d: [
      images,
      { gamma: library.ones([4]), beta: library.ones([4]), epsilon: 1e-5, activation: "relu" },
      library.ones([4, 1, 3, 3]),
      library.ones([8, 4]),
    ],
    convTranspose2d: [images, library.ones([4, 4, 3, 3])],
    tensor: [[1]],
    full: [[1], 2],
    zeros: [[1]],
    ones: [[1]],
    arange: [0, 3, 1],
    eye: [2, 2],
    uniform: [[1], build.random],
    normal: [[1], build.random],
    gradients: [library.sum(x), [x]],
    vjp: [library.sum, x, library.ones([])],
    jvp: [library.sum, x, x],
    jacobian: [library.sum, x],
    hessian: [library.sum, x],
    hvp: [library.sum, x, x],
    checkGradients: [() => x, [x]],
    checkSecondDerivatives: [() => x, [x]],
    BatchNorm2d: [4, build],
    batchNorm: [x, library.ones([2]), library.ones([2]), 1e-5],
    batchNormComposed: [x, library.ones([2]), library.ones([2]), 1e-5],
    channelAffine: [x, library.ones([2]), library.ones([2])],
    Linear: [2, 2, build],
    Conv2d: [4, 4, 3, build],
    ConvTranspose2d: [4, 4, 3, build],
    foldedConvolution: [{ weight: library.ones([4, 4, 3, 3]) }, undefined],
    crossEntropy: [x, [0, 1]],
    distillation: [x, x, [0, 1]],
    tucker: [matrix, [1, 1]],
    canonicalPolyadic: [matrix],
    Sgd: [[{ parameters: model.parameters() }]],
    Adam: [[{ parameters: model.parameters() }]],
    evaluate: [model, []],
    Trainer: [],
    detectAnomaly: [() => x],
    trainEpochs: [{}],
    oneCycle: [],
    triangular: [],
    Muon: [[]],
    parameterGroups: [model.parameters(), { full: 0 }],
    Lookahead: [new library.Sgd([{ parameters: model.parameters() }]), model.parameters()],
    WeightAverage: [model.parameters()],
    AveragedOptimizer: [new library.Sgd([{ parameters: model.parameters() }]), model.parameters()],
    findRate: [],
    augmentedLogits: [model, images, { training: false }],
    whiteningFilters: [
      [1, 2, 3, 4],
      [1, 1, 2, 2],
    ],
    FastNet: null as never,
    learnFromLabels: [model],
    createObjective: [model],
    ResNet: null as never,
    WideResNet: null as never,
    Darts: null as never,
    MobileNetV2: null as never,
    epochBatches: [dataset, "train"],
    BatchLoader: [dataset],
    prefetchBatches: [dataset, "train"],
    syntheticImages: [],
    arrayDataset: [],
    imageFolder: ["pictures"],
    compress: [model, { kind: "Sep" }],
    planCompression: [model, "Generic", { error: 0.5 }],
    minimise: [() => ({ value: 0, gradient: new Float64Array(1) }), new Float64Array(1)],
    nearestBlast: [matrix],
    compressConvolution: [matrix, site, { kind: "Sep" }, build],
    convolutionFactory: [{ kind: "Sep" }],
    createLinear: [{ kind: "LowRank", rank: 2 }, 8, 8, build],
    checkStructuredLinear: [() => model],
    SeparableConvolution: [site, build, () => new library.LowRankLinear(8, 8, { rank: 2 }, build)],
    ShuffleConvolution: [site, { groups: 2 }, build],
    HashedConvolution: [site, 4, build],
    HashedWeight: [[2, 2], 3, build],
    HashedLinear: [8, 8, { budget: 4 }, build],
    AcdcLinear: [8, 8, { factors: 2 }, build],
    BlastLinear: [8, 8, { blocks: 2, rank: 2 }, build],
    BlockTensorTrainLinear: [8, 8, { rank: 2 }, build],
    ButterflyLinear: [8, 8, build],
    CanonicalPolyadicLinear: [8, 8, { scale: 0.5 }, build],
    DenseLinear: [8, 8, build],
    KroneckerLinear: [8, 8, { terms: 2 }, build],
    LowRankLinear: [8, 8, { rank: 2 }, build],
    TiedLowRankLinear: [8, 8, { rank: 2 }, build],
    MatrixTensorTrainLinear: [8, 8, { rank: 2, cores: 2 }, build],
    MonarchLinear: [8, 8, { blocks: 2 }, build],
    ShuffleLinear: [8, 8, { groups: 2 }, build],
    TensorTrainLinear: [8, 8, { scale: 0.5 }, build],
    TuckerLinear: [8, 8, { scale: 0.5 }, build],
    overwriteState: ["loadState", new Map(), new Map()],
    summary: [model, [1, 2]],
    encodeModel: [model],
    decodeModel: [new Uint8Array(), "a file"],
    saveModel: ["/nowhere/model.safetensors", model],
    loadModel: ["/nowhere/model.safetensors"],
    initBackend: [["reference"]],
    createGpuBackend: ["cpu"],
  };
};

/** Networks take their options first. */
const optionsFirst = ["ResNet", "WideResNet", "Darts", "MobileNetV2", "FastNet"];

/** What hands its options on unchanged to a function of this list when it is called later. */
const handsOn: Readonly<Record<string, string>> = {
  webgpu: "createGpuBackend",
  webgl2: "createGpuBackend",
  headlessgl: "createGpuBackend",
  webasm: "createGpuBackend",
  cpu: "createGpuBackend",
  loadCifar: "reads files of the network",
  loadCifarOrSynthetic: "loadCifar",
  whole: "describes a hyper-parameter of a family",
  positive: "describes a hyper-parameter of a family",
};

const misspelt = { axiss: 1 };

test.each(Object.keys(names()))("%s refuses an option that it does not have", async (name) => {
  const args = optionsFirst.includes(name) ? [misspelt, { random: new library.Random(0) }] : [...before()[name]!, misspelt];
  const called = async (): Promise<unknown> => {
    const target = all[name]!;
    const made = /^class\b/.test(Function.prototype.toString.call(target)) ? new target(...args) : await target(...args);
    // A generator runs only when it is asked for an element.
    if (typeof made === "object" && made !== null && "next" in made) await (made as Iterator<unknown>).next();
    return made;
  };
  await expect(called()).rejects.toThrow(
    expect.objectContaining({ name: "ConfigError", message: expect.stringMatching(/: the options are .*, got axiss/) }),
  );
});

function names(): Record<string, true> {
  const source = readFileSync(new URL(import.meta.url).pathname, "utf8");
  const table = source.slice(source.indexOf("  return {\n    sum"), source.indexOf("/** Networks take"));
  return Object.fromEntries([...table.matchAll(/^ {4}(\w+):/gm)].map(([, name]) => [name!, true]));
}

test("the list has every public function and class whose signature names a type of options", () => {
  const root = new URL("../../src/", import.meta.url).pathname;
  const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
  const found = files.flatMap((file) => {
    const source = readFileSync(`${root}/${file}`, "utf8");
    const functions = [...source.matchAll(/^export (?:async )?(?:function\*?|const) (\w+)(?:(?!\n\}|;\n)[\s\S])*?\w+Options\b/gm)];
    const classes = [...source.matchAll(/^export class (\w+)(?:(?!\n\})[\s\S])*?\n {2}constructor\((?:(?!\) \{\n)[\s\S])*?\w+Options\b/gm)];
    return [...functions, ...classes].map(([, name]) => name!).filter((name) => name in all && !/Options$/.test(name));
  });
  expect(found.length).toBeGreaterThan(60);
  const listed = names();
  expect([...new Set(found)].filter((name) => !(name in listed) && !(name in handsOn)).sort()).toEqual([]);
});

describe("checkOptions", () => {
  const known = optionNames<{ axes?: number; keepDims?: boolean }>({ axes: true, keepDims: true });

  test("accepts any subset of the names, and no options at all", () => {
    fc.assert(
      fc.property(fc.subarray(["axes", "keepDims"]), (chosen) => checkOptions("sum", Object.fromEntries(chosen.map((n) => [n, 1])), known)),
    );
    checkOptions("sum", undefined, known);
  });

  test("names the option that was meant", () => {
    expect(() => checkOptions("sum", { axis: 1 }, known)).toThrow("sum: the options are axes, keepDims, got axis; did you mean axes?");
    expect(() => checkOptions("sum", { keepdims: true }, known)).toThrow(/did you mean keepDims\?$/);
    expect(() => checkOptions("sum", { colour: 1 }, known)).toThrow(/got colour$/);
  });

  test("refuses names that every object inherits", () =>
    expect(() => checkOptions("sum", { constructor: 1, toString: 2 }, known)).toThrow(/got constructor/));
});
