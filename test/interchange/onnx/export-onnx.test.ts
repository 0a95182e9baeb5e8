/** Exported networks in onnxruntime against the networks themselves. */

import fc from "fast-check";
import { describe, expect, inject, test } from "vitest";
import { kernels } from "../../../src/backend/active.ts";
import type { Context } from "../../../src/core/context.ts";
import { BackendError, ConfigError, ShapeError } from "../../../src/core/errors.ts";
import { Random } from "../../../src/core/random.ts";
import { probeBatches } from "../../../src/interchange/onnx/any-batch.ts";
import { exportOnnx } from "../../../src/interchange/onnx/export-onnx.ts";
import { Darts } from "../../../src/models/darts.ts";
import { MobileNetV2 } from "../../../src/models/mobile-net-v2.ts";
import { WideResNet } from "../../../src/models/wide-resnet.ts";
import { type Layer, Module } from "../../../src/nn/module.ts";
import { Counter } from "../../../src/nn/state.ts";
import { tensor } from "../../../src/ops/creation.ts";
import { multiply, negate, relu } from "../../../src/ops/elementwise.ts";
import { slice } from "../../../src/ops/layout.ts";
import { matmul } from "../../../src/ops/matmul.ts";
import { mean } from "../../../src/ops/reductions.ts";
import { reshape } from "../../../src/ops/reshape.ts";
import { broadcastTo, sum } from "../../../src/ops/sum-and-broadcast.ts";
import { formatConvolution, parseConvolution } from "../../../src/structured/convolution-text.ts";
import { convolutionFactory } from "../../../src/structured/create-convolution.ts";
import { type Path, StructuredLinear } from "../../../src/structured/structured-linear.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";
import { structuredConfigurations, structuredKinds } from "../../arbitraries/structured.ts";
import { onReferenceBackend } from "../../support/reference-backend.ts";
import { decodeModel } from "./onnx-schema.ts";
import { shareOfBound } from "./rounding-bound.ts";
import { compare, constantNodes, disturb, runModel } from "./run-model.ts";

/** Of whole networks, relative to the largest logit: their layers round one after another. The seeds are fixed. */
const tolerance = 1e-5;

onReferenceBackend();

function setMode(network: Module, mode: Path): void {
  for (const module of network.modules())
    if (module instanceof StructuredLinear && module.contractionCost() !== undefined) module.mode = mode;
}

const texts: Readonly<Record<(typeof structuredKinds)[number], string>> = {
  Conv: "Conv",
  Sep: "Sep",
  ACDC: "ACDC_4",
  OriginalACDC: "OriginalACDC_3",
  PlainACDC: "PlainACDC_3",
  Hashed: "Hashed_0.2",
  HashedDecimate: "HashedDecimate",
  SepHashed: "SepHashed_0.2",
  SepHashedDecimate: "SepHashedDecimate",
  HashedSeparable: "HashedSeparable_0.5",
  Generic: "Generic_0.5",
  LR: "LR_0.5",
  TensorTrain: "TensorTrain_0.5",
  Tucker: "Tucker_0.5",
  CP: "CP_0.5",
  Shuffle: "Shuffle_4",
  Monarch: "Monarch_4",
  BlockTensorTrain: "BlockTensorTrain_2",
  NormedBlockTensorTrain: "NormedBlockTensorTrain_2",
  MatrixTensorTrain: "MatrixTensorTrain_3",
  Kronecker: "Kronecker_3",
  BLAST: "BLAST_0.5_4",
  Butterfly: "Butterfly",
};

describe("WRN-10-1", () => {
  const cases = structuredKinds.flatMap((kind) => (["factorized", "dense"] as const).map((mode) => [texts[kind], mode] as const));

  test.each(cases)("%s, %s", async (text, mode) => {
    const random = new Random(5);
    const network = new WideResNet({ depth: 10, width: 1, convolution: convolutionFactory(parseConvolution(text)) }, { random });
    await disturb(network, random);
    setMode(network, mode);
    const options = { imageShape: [3, 8, 8], batch: 2 } as const;

    const contracted = await compare(network, options, random, { level: "all" });
    expect(contracted.error).toBeLessThan(tolerance);
    const stored = new Map(contracted.model.graph.initializer.map((tensor) => [tensor.name, tensor]));
    for (const [name, entry] of network.state()) {
      if (entry instanceof Counter) continue;
      const { dims, rawData } = stored.get(name)!;
      expect([name, ...dims]).toEqual([name, ...entry.shape]);
      const { buffer } = new Uint8Array(rawData);
      expect(entry.dtype === "int32" ? new Int32Array(buffer) : new Float32Array(buffer)).toEqual(await entry.read());
    }
    const operators = contracted.model.graph.node.map(({ opType }) => opType);
    expect(operators.filter((op) => op === "BatchNormalization").length).toBe(7);
    // Only hashed weights and the twiddle factors of butterflies are gathered by indices.
    if (!/Hashed|Butterfly/.test(text)) expect(operators).not.toContain("Gather");

    const folded = await compare(network, { ...options, weights: "folded" }, random, { level: "all" });
    expect(folded.error).toBeLessThan(tolerance);
    expect(constantNodes(folded.model)).toEqual([]);
  });

  test("in mode dense with folded weights, a separable convolution is two Conv nodes and nothing else", async () => {
    const random = new Random(6);
    const convolution = convolutionFactory(parseConvolution("Tucker_0.5"));
    const network = new WideResNet({ depth: 10, width: 1, convolution }, { random });
    setMode(network, "dense");
    const { graph } = decodeModel(await exportOnnx(network, { imageShape: [3, 16, 16], weights: "folded" }));
    const counts: Record<string, number> = {};
    for (const { opType } of graph.node) counts[opType] = (counts[opType] ?? 0) + 1;
    expect(counts).toEqual({
      Conv: 3 + 2 * 6,
      Mul: 7,
      Add: 7 + 3 + 1,
      Relu: 7,
      ReduceSum: 1,
      Div: 1,
      Gemm: 1,
    });
    expect(graph.initializer.map(({ name }) => name)).toContain("block1.0.layer.0.conv1.folded");
  });

  test("with the requested names of input and output", async () => {
    const random = new Random(7);
    const network = new WideResNet({ depth: 10, width: 1 }, { random });
    const { model, error } = await compare(network, { imageShape: [3, 8, 8], inputName: "x", outputName: "Conv" }, random);
    expect(error).toBeLessThan(tolerance);
    expect([model.graph.input.map(({ name }) => name), model.graph.output.map(({ name }) => name)]).toEqual([["x"], ["Conv"]]);
  });
});

/** Any function as a network. */
class Custom extends Module {
  readonly body: (x: Tensor, context: Context) => Tensor;

  constructor(body: (x: Tensor, context: Context) => Tensor) {
    super();
    this.body = body;
  }

  forward(x: Tensor, context: Context): Tensor {
    return this.body(x, context);
  }
}

describe("batches of any size", () => {
  test.each(structuredKinds)("%s", async (kind) => {
    const random = new Random(11);
    const network = new WideResNet({ depth: 10, width: 1, convolution: convolutionFactory(parseConvolution(texts[kind])) }, { random });
    for (const mode of ["factorized", "dense"] as const) {
      setMode(network, mode);
      const { error, model } = await compare(network, { imageShape: [3, 4, 4], batch: "any" }, random);
      expect(error).toBeLessThan(tolerance);
      const sizes = [...model.graph.input, ...model.graph.output].map(({ type }) =>
        type.tensorType.shape.dim.map(({ dimParam, dimValue }) => dimParam || dimValue),
      );
      expect(sizes).toEqual([
        ["batch", 3, 4, 4],
        ["batch", 10],
      ]);
    }
  });

  test("networks that depend on the batch in any other way are refused", async () => {
    const imageShape = [2, 3, 3] as const;
    const bodies: readonly ((x: Tensor) => Tensor)[] = [
      // These depend on the batch in constants, a factor, a bound, the number of nodes, or two sizes at once.
      (x) => multiply(x, tensor([x.shape[0]!, 1, 1])),
      (x) => mean(x),
      (x) => slice(x, [[0, x.shape[0]! - 1]]),
      (x) => slice(sum(x, { axes: [1, 2, 3] }), [[0, x.shape[0]!, 2]]),
      (x) => (x.shape[0] === probeBatches[0] ? x : negate(x)),
      (x) => (x.shape[0] === probeBatches[0] ? negate(x) : negate(relu(x))),
      (x) => (x.shape[0] === probeBatches[0] ? negate(relu(x)) : negate(x)),
      (x) => reshape(broadcastTo(reshape(x, [1, ...x.shape]), [x.shape[0]!, ...x.shape]), [-1, 18]),
      (x) => reshape(matmul(sum(x, { axes: [1, 2] }), sum(x, { axes: [1, 2] }), { transposeB: true }), [x.shape[0]!, 1, x.shape[0]!]),
    ];
    for (const body of bodies) await expect(exportOnnx(new Custom(body), { imageShape, batch: "any" })).rejects.toThrow(BackendError);
    const random = new Random(12);
    // A repeat along an axis that already has its size needs no size.
    const repeats = new Custom((x) => broadcastTo(reshape(x, [x.shape[0]!, 1, 18]), [x.shape[0]!, 4, 18]));
    expect((await compare(repeats, { imageShape, batch: "any" }, random)).error).toBe(0);
  });
});

describe("other networks", () => {
  const ways = [
    ["contracted", 2],
    ["folded", "any"],
  ] as const;

  test.each(ways)("DARTS, %s, batch %s", async (weights, batch) => {
    const random = new Random(8);
    const network = new Darts({ channels: 4, layers: 3, auxiliary: true }, { random });
    await disturb(network, random);
    expect((await compare(network, { imageShape: [3, 16, 16], weights, batch }, random)).error).toBeLessThan(tolerance);
  });

  test.each(ways)("MobileNetV2, %s, batch %s", async (weights, batch) => {
    const random = new Random(9);
    const network = new MobileNetV2({ classes: 7 }, { random });
    expect((await compare(network, { imageShape: [3, 16, 16], weights, batch }, random)).error).toBeLessThan(tolerance);
  });
});

/** One layer as a network. */
class OneLayer extends Module {
  readonly layer: Layer;

  constructor(layer: Layer) {
    super();
    this.layer = layer;
  }

  forward(x: Tensor, context: Context): Tensor {
    const y = this.layer.forward(x, context);
    return reshape(y, [y.shape[0]!, -1]);
  }
}

describe("one structured convolution", () => {
  test.each(structuredKinds)("%s", (kind) => {
    const windows = fc.record({
      kernel: fc.constantFrom(1, 2, 3),
      stride: fc.integer({ min: 1, max: 3 }),
      padding: fc.integer({ min: 0, max: 2 }),
      dilation: fc.integer({ min: 1, max: 2 }),
    });
    return fc.assert(
      fc.asyncProperty(
        structuredConfigurations(kind).filter(({ init }) => init !== "spectral"),
        windows,
        fc.constantFrom<Path>("factorized", "dense"),
        fc.constantFrom("contracted", "folded"),
        fc.boolean(),
        async ({ spec, inFeatures, outFeatures, rows, seed, init }, window, mode, weights, open) => {
          const random = new Random(seed);
          const site = { inChannels: inFeatures, outChannels: outFeatures, ...window };
          const network = new OneLayer(convolutionFactory(spec, { init })(site, { random }));
          setMode(network, mode);
          const options = { imageShape: [inFeatures, 6, 5], batch: open ? "any" : rows, weights } as const;
          const { error, model } = await compare(network, options, random, { measure: shareOfBound("terms") });
          expect(error, formatConvolution(spec)).toBeLessThanOrEqual(1);
          if (weights === "folded") expect(constantNodes(model)).toEqual([]);
        },
      ),
      { numRuns: Math.ceil(50 * inject("testShare")) },
    );
  });
});

describe("networks that cannot be exported are refused", () => {
  const wrn = (): WideResNet => new WideResNet({ depth: 10, width: 1 }, { random: new Random(1) });
  const imageShape = [3, 8, 8] as const;

  test("for invalid sizes, names and weights", async () => {
    const network = wrn();
    for (const options of [
      { imageShape, batch: 0 },
      { imageShape, batch: "some" as "any" },
      { imageShape: [3, 8.5, 8] as const },
      { imageShape, inputName: "" },
      { imageShape, inputName: "y", outputName: "y" },
      { imageShape, outputName: "fc.weight" },
      { imageShape, weights: "dense" as "folded" },
    ])
      await expect(exportOnnx(network, options)).rejects.toThrow(ConfigError);
    await expect(exportOnnx(network, { imageShape: [4, 8, 8] })).rejects.toThrow(ShapeError);
  });

  test("for training and for reading numbers, and the active backend is restored", async () => {
    const before = kernels();
    const network = wrn();
    const trains = new Custom((x) => network.forward(x, { training: true }));
    await expect(exportOnnx(trains, { imageShape })).rejects.toThrow(BackendError);
    const reads = new Custom((x) => {
      // The promise is awaited below. The storage rejects it.
      reading = x.data();
      return x;
    });
    let reading: Promise<unknown> | undefined;
    await exportOnnx(reads, { imageShape });
    await expect(reading).rejects.toThrow(BackendError);
    expect(kernels()).toBe(before);
  });

  test("networks whose output is the input or a constant can be exported", async () => {
    const identity = new Custom((x) => x);
    const data = Float32Array.from({ length: 192 }, (_, i) => i);
    const same = await runModel(await exportOnnx(identity, { imageShape }), { name: "images", shape: [1, ...imageShape], data });
    expect(same.get("logits")!.data).toEqual(data);
    const constant = new Custom(() => tensor([1, 2, 3]));
    const told = await runModel(await exportOnnx(constant, { imageShape }), { name: "images", shape: [1, ...imageShape], data });
    expect(told.get("logits")!.data).toEqual(Float32Array.of(1, 2, 3));
  });
});
