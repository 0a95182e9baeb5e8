/** The number of classes of a checkpoint, read from the classifier that the network names. */

import { describe, expect, test } from "vitest";
import { Random } from "../../src/core/random.ts";
import { countParameters } from "../../src/count/count-network.ts";
import { createNetwork, type NetworkSpec, networkKinds } from "../../src/experiment/network-spec.ts";
import { classesOf, restoreNetwork } from "../../src/experiment/restore-network.ts";
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
  expect(() => classesOf(fileOf(new Map()), spec)).toThrow(/checkpoint: file must hold fc\.bias, the bias of the classifier, got none/);
});
