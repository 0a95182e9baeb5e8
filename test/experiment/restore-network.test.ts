/** The number of classes of a checkpoint, read from the classifier that the network names. */

import { describe, expect, test } from "vitest";
import { Random } from "../../src/core/random.ts";
import { countParameters } from "../../src/count/count-network.ts";
import { dataFacts } from "../../src/experiment/data-facts.ts";
import { createNetwork, type NetworkSpec, networkKinds } from "../../src/experiment/network-spec.ts";
import { initialiseFrom } from "../../src/experiment/node/initialise-from.ts";
import { classesOf, presentArrays, restoreNetwork } from "../../src/experiment/restore-network.ts";
import { resolveSettings } from "../../src/experiment/settings.ts";
import { parseConvolution } from "../../src/structured/convolution-text.ts";
import { type Checkpoint, foreignCheckpoint } from "../../src/train/checkpoint.ts";
import type { NamedArray } from "../../src/train/safetensors.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";

onReferenceBackend();

const fileOf = (tensors: ReadonlyMap<string, NamedArray>): Checkpoint => foreignCheckpoint("file", { tensors, metadata: {} });

/** The shapes of a network's state. The numbers do not matter here. */
function shapesOf(spec: NetworkSpec, classes: number): Map<string, NamedArray> {
  const model = new Map<string, NamedArray>();
  countParameters((build) => {
    const network = createNetwork(spec, classes, build, { init: "variance-preserving" });
    for (const [name, { shape }] of network.state()) model.set(name, { shape, data: new Float32Array() });
    return network;
  });
  return model;
}

describe.each(networkKinds)("%s", (kind) => {
  test.each<[string, number]>([
    ["Conv", 7],
    ["Sep", 100],
    ["Generic_0.3", 12],
    ["Monarch_4", 8],
  ])("of %s convolutions has as many classes as its classifier", (conv, classes) => {
    const spec: NetworkSpec = { kind, convolution: parseConvolution(conv) };
    expect(classesOf(fileOf(shapesOf(spec, classes)), spec)).toBe(classes);
  });
});

test("a network with a second classifier is read by its own", () => {
  const spec: NetworkSpec = { kind: "darts", depth: 5, width: 4, auxiliary: true, convolution: parseConvolution("Sep") };
  expect(classesOf(fileOf(shapesOf(spec, 7)), spec)).toBe(7);
});

test("a restored network has the numbers of the checkpoint, and another file is refused by the name it lacks", async () => {
  const spec: NetworkSpec = { kind: "wrn", depth: 10, width: 1, convolution: parseConvolution("Sep") };
  const trained = createNetwork(spec, 3, { random: new Random(1) });
  const model = new Map<string, NamedArray>();
  for (const [name, entry] of trained.state()) model.set(name, { shape: entry.shape, data: await entry.read() });
  const restored = restoreNetwork(fileOf(model), spec);
  for (const [name, entry] of restored.state()) expect(await entry.read(), name).toEqual(model.get(name)!.data);
  expect(() => classesOf(fileOf(new Map()), spec)).toThrow(/checkpoint: file must hold fc\.bias, of the classifier, got none/);
});

describe("a MobileNetV2 with the names of earlier versions", () => {
  const spec: NetworkSpec = { kind: "mobilenet-v2", convolution: { kind: "Conv" } };
  const dense = /^(features\.1\.conv\.1|features\.(?!1\.)\d+\.conv\.(?:0\.0|2)|features\.18\.0|classifier\.1)\.(?=(?:weight|bias)$)/;
  const present = new Map(
    [...shapesOf(spec, 3)].map(([name, { shape }], i): [string, NamedArray] => [
      name,
      { shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(i) },
    ]),
  );
  const former = new Map(
    [...present].map(([name, { shape, data }]): [string, NamedArray] => [
      name.replace(dense, "$1.conv."),
      { shape: name === "classifier.1.weight" ? [...shape, 1, 1] : shape, data },
    ]),
  );
  const content = (arrays: ReadonlyMap<string, NamedArray>) =>
    [...arrays].map(([name, { shape, data }]) => [name, ...shape, data[0]].join());

  test("gets the names of today, whether its network is named or not; other files keep their names", () => {
    expect(content(former)).not.toEqual(content(present));
    for (const given of [spec, undefined]) expect(content(presentArrays(fileOf(former), given))).toEqual(content(present));
    expect(content(presentArrays(fileOf(present)))).toEqual(content(present));
    const other = new Map([["features.0.conv.weight", present.get("classifier.1.bias")!]]);
    expect(content(presentArrays(fileOf(other)))).toEqual(content(other));
  });

  test("initialises another network, with and without its classifier", async () => {
    const settings = resolveSettings("quick", { network: "mobilenet-v2" });
    for (const classes of [3, 10]) {
      const model = createNetwork(spec, classes, { random: new Random(1) });
      const facts = { ...dataFacts("cifar10"), classes: dataFacts("cifar10").classes.slice(0, classes), size: 32, resize: 32 };
      const { fresh } = initialiseFrom(model, settings, facts, { checkpoint: fileOf(former), config: undefined }, () => undefined);
      expect(fresh).toEqual(classes === 3 ? [] : ["classifier.1.weight", "classifier.1.bias"]);
      for (const name of ["features.0.0.weight", "features.1.conv.1.weight", "features.18.0.weight", "classifier.1.bias"]) {
        const [value] = await model.state().get(name)!.read();
        const taken = present.get(name)!.data[0]!;
        if (fresh.includes(name)) expect(value).not.toBe(taken);
        else expect(value).toBe(taken);
      }
    }
  });
});
