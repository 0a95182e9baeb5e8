/** An option that is NaN, infinite or no number is refused by every public function that takes it, and by every layer when it is made. */

import { beforeAll, expect, test } from "vitest";
import * as library from "../../src/index.ts";
import * as node from "../../src/node.ts";

type Any = ((...args: unknown[]) => unknown) & (new (...args: unknown[]) => unknown);
const all = { ...library, ...node } as unknown as Readonly<Record<string, Any>>;

beforeAll(() => library.useBackend(library.createReferenceBackend()));

interface Row {
  /** The arguments before the options. */
  readonly before?: readonly unknown[];
  readonly after?: readonly unknown[];
  /** Options that are right. */
  readonly right?: object;
  readonly names: readonly string[];
}

/** Makes the arguments when a test runs, since they need a backend. */
const rows = (): Readonly<Record<string, Row>> => {
  const x = library.ones([2, 2]);
  const image = library.ones([1, 4, 4, 4]);
  const build = { random: new library.Random(0) };
  const parameters = new library.Linear(2, 2, build).parameters();
  const matrix = library.tensorArray([2, 2], [1, 2, 3, 4]);
  const dataset = library.syntheticImages({ classes: 2, trainCount: 4, testCount: 2, seed: 0, height: 8, width: 8 });
  const convolution = ["stride", "padding", "dilation", "groups"];
  const map = (right: object): Row => ({ before: [8, 8], after: [build], right, names: Object.keys(right) });
  return {
    syntheticImages: {
      right: { trainCount: 4, testCount: 2, seed: 0 },
      names: ["trainCount", "testCount", "seed", "classes", "height", "width"],
    },
    arrayDataset: {
      right: { images: new Uint8Array(48), labels: [0, 1, 0, 1], shape: [3, 2, 2] },
      names: ["testShare", "seed", "mean", "std"],
    },
    epochBatches: {
      before: [dataset, "train"],
      right: { batchSize: 2, seed: 0, epoch: 0 },
      names: ["batchSize", "seed", "epoch", "startBatch"],
    },
    BatchLoader: { before: [dataset], names: ["depth", "workers"] },
    prefetchBatches: { before: [dataset, "train"], right: { batchSize: 2, seed: 0, epoch: 0 }, names: ["depth", "workers"] },
    crossEntropy: { before: [x, [0, 1]], names: ["labelSmoothing"] },
    distillation: { before: [x, x, [0, 1]], right: { alpha: 0.5, temperature: 1 }, names: ["alpha", "temperature", "labelSmoothing"] },
    checkGradients: { before: [library.sum, [library.ones([2], { dtype: "float64" })]], names: ["epsilon", "tolerance"] },
    BatchNorm2d: { before: [4, build], names: ["epsilon", "momentum", "initialScale"] },
    Muon: { before: [[]], names: ["momentum", "iterations"] },
    Lookahead: { before: [{}, parameters], names: ["every", "decay", "steps"] },
    WeightAverage: { before: [parameters], names: ["decay"] },
    parameterGroups: { before: [parameters, { full: 0 }], names: ["norm", "classifier"] },
    augmentedLogits: { before: [{}, image, { training: false }], names: ["translate"] },
    whiteningFilters: {
      before: [
        [1, 2, 3, 4],
        [1, 1, 2, 2],
      ],
      names: ["kernel", "epsilon"],
    },
    findRate: { right: { batches: [] }, names: ["steps", "lowest", "highest"] },
    Sgd: { before: [[{ parameters }]], names: ["momentum"] },
    Adam: { before: [[{ parameters }]], names: ["beta1", "beta2", "epsilon"] },
    oneCycle: { right: { peak: 1, epochs: 1 }, names: ["peak", "epochs", "warmup"] },
    triangular: { right: { peak: 1, epochs: 1 }, names: ["peak", "epochs", "warmup", "start", "end"] },
    cosine: { right: { base: 1, epochs: 1 }, names: ["base", "epochs"] },
    multiStep: { right: { base: 1, milestones: [1], factor: 0.5 }, names: ["base", "factor"] },
    maxPool2d: { before: [image], right: { kernel: 2 }, names: ["kernel", "stride", "padding"] },
    avgPool2d: { before: [image], right: { kernel: 2 }, names: ["kernel", "stride", "padding"] },
    MaxPool2d: { right: { kernel: 2 }, names: ["kernel", "stride", "padding"] },
    AvgPool2d: { right: { kernel: 2 }, names: ["kernel", "stride", "padding"] },
    conv2d: { before: [image, library.ones([4, 4, 3, 3])], names: convolution },
    convTranspose2d: { before: [image, library.ones([4, 4, 3, 3])], names: [...convolution, "outputPadding"] },
    Conv2d: { before: [4, 4, 3, build], names: convolution },
    ConvTranspose2d: { before: [4, 4, 3, build], names: [...convolution, "outputPadding"] },
    uniform: { before: [[2], build.random], names: ["low", "high"] },
    normal: { before: [[2], build.random], names: ["mean", "std"] },
    variance: { before: [x], names: ["correction"] },
    tucker: { before: [matrix, [1, 1]], names: ["iterations"] },
    canonicalPolyadic: { before: [matrix], right: { rank: 1 }, names: ["rank", "iterations", "tolerance"] },
    WideResNet: { after: [build], right: { depth: 10, width: 1 }, names: ["depth", "width", "classes", "dropout", "attentionSplit"] },
    MobileNetV2: { after: [build], names: ["classes", "dropout"] },
    HashedLinear: map({ budget: 4 }),
    AcdcLinear: map({ factors: 2 }),
    BlastLinear: map({ blocks: 2, rank: 2 }),
    BlockTensorTrainLinear: map({ rank: 2 }),
    CanonicalPolyadicLinear: map({ scale: 0.5 }),
    KroneckerLinear: map({ terms: 2 }),
    LowRankLinear: map({ rank: 2 }),
    MatrixTensorTrainLinear: map({ rank: 2, cores: 2 }),
    MonarchLinear: map({ blocks: 2 }),
    ShuffleLinear: map({ groups: 2 }),
    TensorTrainLinear: map({ scale: 0.5 }),
    TuckerLinear: map({ scale: 0.5 }),
    initBackend: { before: [["reference"]], names: ["threads", "maximumBytes"] },
    createObjective: {
      before: [{ forward: () => x }],
      right: {},
      names: ["labelSmoothing", "auxiliaryWeight"],
    },
    learnFromLabels: { before: [{ forward: () => x }], names: ["labelSmoothing"] },
    Trainer: { right: { imageShape: [3, 8, 8], batchesPerEpoch: 2 }, names: ["batchesPerEpoch"] },
    evaluate: { before: [{}, []], right: { imageShape: [3, 8, 8], classes: 2 }, names: ["classes"] },
    trainEpochs: {
      before: [{ progress: { epoch: 9 } }],
      right: { epochs: 1, classes: 2 },
      names: ["epochs", "classes", "evaluateEvery"],
    },
  };
};

const names = [
  "syntheticImages arrayDataset epochBatches BatchLoader prefetchBatches",
  "crossEntropy distillation checkGradients BatchNorm2d Sgd Adam oneCycle cosine",
  "multiStep maxPool2d avgPool2d MaxPool2d AvgPool2d conv2d convTranspose2d Conv2d ConvTranspose2d uniform normal variance tucker",
  "canonicalPolyadic WideResNet MobileNetV2 HashedLinear AcdcLinear BlastLinear BlockTensorTrainLinear CanonicalPolyadicLinear",
  "KroneckerLinear LowRankLinear MatrixTensorTrainLinear MonarchLinear ShuffleLinear TensorTrainLinear TuckerLinear initBackend",
  "createObjective learnFromLabels Trainer evaluate trainEpochs triangular Muon Lookahead WeightAverage parameterGroups augmentedLogits",
  "whiteningFilters findRate",
].flatMap((line) => line.split(" "));

test("every row is tested", () => expect(names.toSorted()).toEqual(Object.keys(rows()).sort()));

test.each(names)("%s", async (name) => {
  const { before = [], after = [], right = {}, names: options } = rows()[name]!;
  const target = all[name]!;
  const call = async (given: object): Promise<unknown> => {
    const args = [...before, given, ...after];
    const made = /^class\b/.test(Function.prototype.toString.call(target)) ? new target(...args) : await target(...args);
    if (typeof made === "object" && made !== null && "next" in made) await (made as Iterator<unknown>).next();
    return made;
  };
  for (const option of options)
    for (const value of [Number.NaN, Infinity, "3"])
      await expect(call({ ...right, [option]: value }), `${option} = ${value}`).rejects.toBeInstanceOf(library.SeparableError);
});

test("a spec of a kind that is not built in is refused, and the error names the kind that was meant", () =>
  expect(() => library.createLinear({ kind: "Monarck", blocks: 2 } as never, 8, 8, { random: new library.Random(0) })).toThrow(
    /spec: kind must be one of .*, got "Monarck"; did you mean Monarch\?/,
  ));
