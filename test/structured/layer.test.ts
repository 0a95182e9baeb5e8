/**
 * Structured maps as layers: they stand in a `Sequential` where `Linear` would, with the bias, and the context reaches every layer inside.
 */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Context } from "../../src/core/context.ts";
import { Random } from "../../src/core/random.ts";
import { sizeOf } from "../../src/core/shape.ts";
import { countNetwork } from "../../src/count/count-network.ts";
import { gradients } from "../../src/grad/gradients.ts";
import { BatchNorm2d } from "../../src/nn/batch-norm2d.ts";
import { Sequential } from "../../src/nn/combinators.ts";
import { Conv2d } from "../../src/nn/conv2d.ts";
import { Lambda } from "../../src/nn/layers.ts";
import { Linear } from "../../src/nn/linear.ts";
import { Layer } from "../../src/nn/module.ts";
import { normal } from "../../src/ops/creation.ts";
import { relu } from "../../src/ops/elementwise.ts";
import { sum } from "../../src/ops/sum-and-broadcast.ts";
import { convolutionFactory, createLinear } from "../../src/structured/create-convolution.ts";
import { DenseLinear } from "../../src/structured/dense-linear.ts";
import { type DepthwiseWindow, SeparableConvolution } from "../../src/structured/separable.ts";
import { TensorTrainLinear } from "../../src/structured/tensor-train.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { frobeniusPenalty } from "../../src/train/frobenius-decay.ts";
import { structuredConfigurations, structuredKinds } from "../arbitraries/structured.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";

onReferenceBackend();

const evaluation: Context = { training: false };

describe("a map in the place of Linear gives x·Wᵀ + b", () => {
  test.each(structuredKinds)("%s", async (kind) => {
    const leadings = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(structuredConfigurations(kind), leadings, async ({ spec, inFeatures, outFeatures, seed }, leading) => {
        const random = new Random(seed);
        const map = createLinear(spec, inFeatures, outFeatures, { random, dtype: "float64" }, { bias: true, init: "reference" });
        const x = normal([...leading, inFeatures], random, { dtype: "float64" });
        const network = new Sequential(map, new Lambda(relu));
        const y = network.forward(x, evaluation);
        expect(y.shape).toEqual([...leading, outFeatures]);
        const [xs, ws, bs, ys] = [await x.data(), await map.toDense().data(), await map.bias!.read(), await y.data()];
        for (let n = 0; n < sizeOf(leading); n++)
          for (let o = 0; o < outFeatures; o++) {
            let expected = bs[o]!;
            for (let i = 0; i < inFeatures; i++) expected += xs[n * inFeatures + i]! * ws[o * inFeatures + i]!;
            expect(ys[n * outFeatures + o]).toBeCloseTo(Math.max(0, expected), 8);
          }
      }),
      { numRuns: 15 },
    );
  });
});

test("the parameters of a map in a Sequential, its bias among them, have gradients and the names of the map", () => {
  const build = { random: new Random(1) };
  const network = new Sequential(new TensorTrainLinear(8, 8, { ranks: [2, 3] }, build, { bias: true }), new Linear(8, 2, build));
  const names = ["0.weight_core_0", "0.weight_core_1", "0.weight_core_2", "0.bias", "1.weight", "1.bias"];
  expect([...network.parameters().keys()]).toEqual(names);
  const loss = sum(network.forward(normal([3, 8], new Random(2)), { training: true }));
  for (const gradient of gradients(
    loss,
    [...network.parameters().values()].map(({ value }) => value),
  ))
    expect(gradient.size).toBeGreaterThan(0);
});

test("x with one axis, or with another last axis, is refused by name", () => {
  const map = new TensorTrainLinear(8, 8, { ranks: [2, 2] }, { random: new Random(1) });
  expect(() => map.forward(normal([8], new Random(1)))).toThrow("TensorTrainLinear: x must be […,8] with two axes or more, got [8]");
  expect(() => map.forward(normal([2, 7], new Random(1)))).toThrow("TensorTrainLinear: x must be […,8] with two axes or more, got [2,7]");
});

test("a map on its own is counted as a layer: its multiply-adds by the paper's convention, and its bias as that of a linear layer", () => {
  const count = countNetwork(
    (build) => new Sequential(createLinear({ kind: "Generic", scale: 0.25 }, 16, 8, build, { bias: true, init: "variance-preserving" })),
    [16],
  );
  expect(count.layers[0]).toMatchObject({ name: "0", kind: "LowRankLinear", params: 4 * (16 + 8) + 8, paperMultAdds: 4 * (16 + 8) + 8 });
  expect(count.params).toBe(4 * (16 + 8) + 8);
});

test("Frobenius decay shrinks the matrix of a map on its own, and counts a map inside a convolution once", async () => {
  const build = { random: new Random(3), dtype: "float64" as const };
  const map = createLinear({ kind: "Generic", scale: 0.5 }, 6, 4, build);
  const square = Array.from(await map.toDense().data()).reduce((total, w) => total + w * w, 0);
  expect(await frobeniusPenalty(new Sequential(map), 2)!.item()).toBeCloseTo(square, 10);
  const convolution = new SeparableConvolution({ inChannels: 6, outChannels: 4, kernel: 1 }, build, () => map);
  expect(await frobeniusPenalty(new Sequential(convolution), 2)!.item()).toBeCloseTo(square, 10);
});

/** A depthwise window followed by a batch norm. */
class NormedWindow extends Layer implements DepthwiseWindow {
  readonly conv: Conv2d;
  readonly norm: BatchNorm2d;
  seen: Context | undefined;

  constructor(channels: number, random: Random) {
    super();
    this.conv = new Conv2d(channels, channels, 3, { random }, { padding: 1, groups: channels });
    this.norm = new BatchNorm2d(channels, { random });
  }

  kernel(): Tensor {
    return this.conv.weight.value;
  }

  forward(x: Tensor, context: Context): Tensor {
    this.seen = context;
    return this.norm.forward(this.conv.forward(x), context);
  }
}

test("the norm in a custom window trains: it sees the context that the convolution is given, and its running statistics move", async () => {
  const random = new Random(1);
  const window = new NormedWindow(4, random);
  const site = { inChannels: 4, outChannels: 4, kernel: 3 };
  const layer = new SeparableConvolution(site, { random }, () => new DenseLinear(4, 4, { random }), { window: () => window });
  const x = normal([2, 4, 5, 5], random);
  const statistics = async (): Promise<number[]> => [...(await layer.state().get("grouped.norm.running_mean")!.read())];
  const before = await statistics();
  const context = { training: false, random };
  layer.forward(x, context);
  expect(window.seen).toBe(context);
  expect(await statistics()).toEqual(before);
  layer.forward(x, { training: true });
  expect(await statistics()).not.toEqual(before);
});

test.each(["ACDC", "LR"] as const)("the convolution of %s refuses a bias, as the paper's code does", (kind) => {
  const spec = kind === "ACDC" ? ({ kind, factors: 2 } as const) : ({ kind, scale: 0.5 } as const);
  const site = { inChannels: 4, outChannels: 4, kernel: 3, bias: true };
  expect(() => convolutionFactory(spec)(site, { random: new Random(1) })).toThrow(/its convolution has no bias, as in the paper's code/);
});
