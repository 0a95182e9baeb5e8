/** The structure lens: a matrix that has a structure is found in it, and the figures are those of the map. */

import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { disposeBackend, initBackend, memory } from "../../src/backend/active.ts";
import { Random } from "../../src/core/random.ts";
import { type TensorArray, tensorArray } from "../../src/linalg/tensor-array.ts";
import { WideResNet } from "../../src/models/wide-resnet.ts";
import { Sequential } from "../../src/nn/combinators.ts";
import { Conv2d } from "../../src/nn/conv2d.ts";
import { lookThrough } from "../../src/playground/labs/structure-lens/lens.ts";
import { layersOf } from "../../src/playground/labs/structure-lens/network-layers.ts";
import { shippedNetwork } from "../../src/playground/labs/structure-lens/shipped-network.ts";
import { targets } from "../../src/playground/labs/structure-lens/targets.ts";
import { convolutionFactory } from "../../src/structured/create-convolution.ts";
import { encodeModel } from "../../src/train/model-file.ts";
import { encodeSafetensors } from "../../src/train/safetensors.ts";

beforeAll(() => initBackend(["reference"]));
afterAll(() => disposeBackend());

const side = 64;
const look = (name: string, conv: string) =>
  lookThrough({
    target: tensorArray([side, side], targets.find((target) => target.name === name)!.entries(side)),
    conv,
    columns: 4,
  });

const square = (values: Iterable<number>): number => [...values].reduce((sum, value) => sum + value * value, 0);

/** A random kernel [O,I,k,k]. */
function randomKernel(shape: readonly number[]): TensorArray {
  const random = new Random(5);
  const kernel = tensorArray(shape);
  for (let i = 0; i < kernel.data.length; i++) kernel.data[i] = random.normal();
  return kernel;
}

describe("lookThrough", () => {
  test.each([
    ["kronecker", "Kronecker_1"],
    ["smooth", "Sep"],
    ["random", "Sep"],
    ["smooth", "Generic_0.5"],
  ])("the matrix %s is kept by %s up to rounding", async (name, conv) => {
    // Float32, and for the blur, singular values beyond the 32nd that are smaller than its rounding.
    expect((await look(name, conv)).error).toBeLessThan(1e-6);
  });

  test("a random matrix loses √(1 − Σ of the kept squares) to a low rank", async () => {
    const { error, singularValues, parameters } = await look("random", "Generic_0.2");
    const rank = parameters / (2 * side);
    const [all] = singularValues;
    // Eckart–Young: the nearest matrix of a rank keeps the largest singular values.
    expect(error).toBeCloseTo(Math.sqrt(1 - square(all.slice(0, rank)) / square(all)), 5);
  });

  test("the cosine transform is orthogonal", async () => {
    const [own] = (await look("cosine", "Sep")).singularValues;
    for (const value of own) expect(value).toBeCloseTo(1, 12);
  });

  test("times each way that the map has, and leaves no tensor behind", async () => {
    const before = memory().storages;
    const structured = await look("smooth", "TensorTrain_0.5");
    expect(structured.ways.map(({ way }) => way)).toEqual(["target", "factorized", "dense"]);
    expect((await look("smooth", "Sep")).ways.map(({ way }) => way)).toEqual(["target", "dense"]);
    for (const { milliseconds, multiplyAdds } of structured.ways) expect(Math.min(milliseconds, multiplyAdds)).toBeGreaterThan(0);
    expect(memory().storages).toBe(before);
  });
});

describe("lookThrough at the kernel of a convolution", () => {
  const [outputs, inputs, window] = [8, 4, 9];

  test("counts the window and the matrix of a separable convolution, and loses what no window can hold", async () => {
    const kernel = randomKernel([outputs, inputs, 3, 3]);
    const before = memory().storages;
    const { ways, parameters, denseParameters, error, windowError, w, singularValues } = await lookThrough({
      target: kernel,
      conv: "Sep",
      columns: 16,
    });
    expect(ways.map(({ way, multiplyAdds }) => [way, multiplyAdds])).toEqual([
      ["target", 16 * outputs * inputs * window],
      ["dense", 16 * inputs * (window + outputs)],
    ]);
    expect([parameters, denseParameters]).toEqual([inputs * (window + outputs), outputs * inputs * window]);
    expect(error).toBeCloseTo(windowError!, 6);
    // The window and W are an orthogonal projection of K, and each window has the norm 1: ‖K‖² = ‖W‖² + the loss².
    expect(square(w.data) / square(kernel.data)).toBeCloseTo(1 - error ** 2, 6);
    expect(square(singularValues[0])).toBeCloseTo(square(w.data), 4);
    expect(memory().storages).toBe(before);
  });

  test("adds the loss of the structure to that of the window, as orthogonal parts", async () => {
    const kernel = randomKernel([16, 16, 3, 3]);
    const { error, windowError, w, nearest } = await lookThrough({ target: kernel, conv: "Generic_0.2", columns: 4 });
    const structured = square(w.data.map((value, i) => value - nearest.data[i]!)) / square(kernel.data);
    expect(structured).toBeGreaterThan(0.01);
    expect(error ** 2).toBeCloseTo(windowError! ** 2 + structured, 5);
  });

  test("keeps a kernel that is a window and a matrix", async () => {
    const [matrix, windows] = [randomKernel([outputs, inputs]), randomKernel([inputs, window])];
    const kernel = tensorArray([outputs, inputs, 3, 3]);
    for (let i = 0; i < kernel.data.length; i++)
      kernel.data[i] = matrix.data[Math.floor(i / window)]! * windows.data[i % (inputs * window)]!;
    expect((await lookThrough({ target: kernel, conv: "Sep", columns: 1 })).error).toBeLessThan(1e-6);
  });
});

describe("layersOf", () => {
  const folder = new URL("../../src/playground/labs/structure-lens/", import.meta.url);

  test("finds the convolutions and the classifier of the shipped network, all trained", async () => {
    const layers = await layersOf(await readFile(new URL(shippedNetwork.file, folder)), shippedNetwork.file);
    expect([...layers].map(([name, { shape }]) => `${name} ${shape.join("×")}`)).toEqual([
      "conv1 16×3×3×3",
      "block1.0.layer.0.conv1 16×16×3×3",
      "block1.0.layer.0.conv2 16×16×3×3",
      "block2.0.layer.0.conv1 32×16×3×3",
      "block2.0.layer.0.conv2 32×32×3×3",
      "block2.0.layer.0.convShortcut 32×16",
      "block3.0.layer.0.conv1 64×32×3×3",
      "block3.0.layer.0.conv2 64×64×3×3",
      "block3.0.layer.0.convShortcut 64×32",
      "fc 10×64",
    ]);
    const before = memory().storages;
    const [first] = (await lookThrough({ target: layers.get("block3.0.layer.0.conv2")!, conv: "Sep", columns: 1 })).singularValues;
    // The matrix of independent numbers with the same norm has the largest singular value 2·‖W‖/√64.
    expect(first[0]! / Math.sqrt(square(first))).toBeGreaterThan(0.3);
    expect(memory().storages).toBe(before);
  });

  test("takes a structured convolution as the kernel that it stands for, and leaves out what is too large", async () => {
    const convolution = convolutionFactory({ kind: "TensorTrain", scale: 0.5 });
    const network = new WideResNet({ depth: 10, width: 5, convolution }, { random: new Random(0) });
    const layers = await layersOf(await encodeModel(network), "the network");
    network.dispose();
    expect(layers.get("block1.0.layer.0.conv2")!.shape).toEqual([80, 80, 3, 3]);
    expect([...layers.keys()].filter((name) => /grouped|map|weight/.test(name))).toEqual([]);
    // The third group has 320 channels.
    expect([...layers.keys()].filter((name) => name.startsWith("block3"))).toEqual([]);
    expect(memory().storages).toBe(0);
  });

  test("leaves out a convolution with groups, and refuses a file that says nothing of its network", async () => {
    const build = { random: new Random(0) };
    const network = new Sequential(new Conv2d(4, 4, 3, build, { groups: 4 }), new Conv2d(4, 2, 1, build));
    const layers = await layersOf(await encodeModel(network), "the network");
    network.dispose();
    expect([...layers.values()].map(({ shape }) => shape)).toEqual([[2, 4]]);
    const plain = encodeSafetensors(new Map([["w", { shape: [1], data: new Float32Array(1) }]]));
    await expect(layersOf(plain, "w.safetensors")).rejects.toThrow("w.safetensors must say how to build its network");
  });
});
