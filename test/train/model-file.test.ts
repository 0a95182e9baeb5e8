/** Networks as files: built again with the same numbers, or refused with a reason. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ConfigError, DataError } from "../../src/core/errors.ts";
import { Random } from "../../src/core/random.ts";
import { WideResNet } from "../../src/models/wide-resnet.ts";
import { BatchNorm2d } from "../../src/nn/batch-norm2d.ts";
import { Residual, Sequential } from "../../src/nn/combinators.ts";
import { Conv2d } from "../../src/nn/conv2d.ts";
import { freeze } from "../../src/nn/freeze.ts";
import type { Build } from "../../src/nn/init.ts";
import { Dropout, Flatten, Lambda, MaxPool2d, ReLU } from "../../src/nn/layers.ts";
import { Linear } from "../../src/nn/linear.ts";
import type { Layer } from "../../src/nn/module.ts";
import { normal } from "../../src/ops/creation.ts";
import { relu } from "../../src/ops/elementwise.ts";
import { convolutionFactory } from "../../src/structured/create-convolution.ts";
import { decodeModel, encodeModel } from "../../src/train/model-file.ts";
import { loadModel, saveModel } from "../../src/train/node/model-file.ts";
import { decodeSafetensors, encodeSafetensors } from "../../src/train/safetensors.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";

onReferenceBackend();

const build = (): Build => ({ random: new Random(1) });
const x = () => normal([2, 3, 8, 8], new Random(2));
const evaluated = async (network: Layer): Promise<number[]> => Array.from(await network.forward(x(), { training: false }).data());
const wide = (kind: "Hashed" | "Sep"): WideResNet => {
  const convolution = convolutionFactory(kind === "Sep" ? { kind } : { kind, fraction: 0.2 });
  return new WideResNet({ depth: 10, width: 1, classes: 4, convolution }, build());
};
const layers = (): Sequential =>
  new Sequential(
    new Conv2d(3, 4, 3, build(), { padding: 1, stride: 2, bias: true }),
    new BatchNorm2d(4, build(), { momentum: 0.2 }),
    ReLU(),
    convolutionFactory({ kind: "Sep" })({ inChannels: 4, outChannels: 4, kernel: 3 }, build()),
    new Residual(
      new Sequential(convolutionFactory({ kind: "TensorTrain", scale: 0.5 })({ inChannels: 4, outChannels: 4, kernel: 1 }, build())),
    ),
    MaxPool2d({ kernel: 2 }),
    Flatten(),
    Dropout(0.5),
    new Linear(16, 4, build(), { bias: false }),
  );

describe("a saved network computes the same after loading", () => {
  test.each<[string, () => Layer]>([
    ["WideResNet with Sep", () => wide("Sep")],
    ["WideResNet with Hashed, whose indices were drawn by lot", () => wide("Hashed")],
    ["Sequential of layers and structured convolutions", layers],
  ])("%s", async (_, create) => {
    const network = create();
    const loaded = decodeModel(await encodeModel(network)).network;
    expect(String(loaded)).toBe(String(network));
    expect(await evaluated(loaded)).toEqual(await evaluated(network));
  });
});

test("classes, normalisation and frozen parameters travel in the file, which other programs can read", async () => {
  const folder = await mkdtemp(join(tmpdir(), "separable-"));
  try {
    const network = wide("Sep");
    freeze(network.block1);
    const notes = { classes: ["ant", "bee", "cat", "dog"], normalization: { mean: [0.5, 0.4, 0.3], std: [0.2, 0.1, 0.3] } };
    const path = join(folder, "network.safetensors");
    await saveModel(path, network, notes);
    const { network: loaded, ...rest } = await loadModel(path);
    expect(rest).toEqual(notes);
    expect([...loaded.parameters()].filter(([, { trainable }]) => !trainable).map(([name]) => name)).toEqual(
      [...network.parameters().keys()].filter((name) => name.startsWith("block1.")),
    );
    const file = decodeSafetensors(await encodeModel(network), "bytes");
    expect(file.metadata.format).toBe("pt");
    expect([...file.tensors.keys()]).toEqual([...network.state().keys()]);
    await expect(loadModel(join(folder, "none"))).rejects.toThrow(/loadModel: .* must be readable, got ENOENT/);
  } finally {
    await rm(folder, { recursive: true });
  }
});

describe("classes of the user's own", () => {
  class Scaled extends Sequential {
    override describe() {
      return { kind: "Scaled", sizes: [2] };
    }
  }
  const own = () => new Scaled(new Linear(2, 2, build()));

  test("are refused without a maker, and made again with one", async () => {
    await expect(encodeModel(own())).rejects.toThrow(ConfigError);
    await expect(encodeModel(own())).rejects.toThrow(/got Scaled; save what readState\(\) gives/);
    const nested = new Sequential(ReLU(), new Sequential(ReLU(), own() as Layer));
    await expect(encodeModel(nested)).rejects.toThrow(/got Scaled at 1\.1; save what/);
    const makers = { Scaled: (_: unknown, into: Build) => new Scaled(new Linear(2, 2, into)) };
    const bytes = await encodeModel(own(), { makers });
    expect(decodeModel(bytes, "f", { makers }).network).toBeInstanceOf(Scaled);
    expect(() => decodeModel(bytes, "f")).toThrow(/f needs the class Scaled, which is not the library's/);
  });

  test("a class that is described as one of the library but has another state is refused", async () => {
    class Wider extends Sequential {
      readonly extra = new Linear(1, 1, build());
    }
    await expect(encodeModel(new Wider(new Linear(2, 2, build())))).rejects.toThrow(/got another state for Sequential/);
  });

  test("a function without a name is refused", async () => {
    await expect(encodeModel(new Sequential(new Lambda(relu)))).rejects.toThrow(/got Lambda/);
  });
});

test("a file that does not say how to build its network is refused", () => {
  const bytes = encodeSafetensors(new Map([["w", { shape: [1], data: Float32Array.of(1) }]]));
  expect(() => decodeModel(bytes, "plain")).toThrow(DataError);
  expect(() => decodeModel(bytes, "plain")).toThrow(/plain must say how to build its network/);
});
