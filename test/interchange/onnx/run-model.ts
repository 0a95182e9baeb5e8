/** An exported file run by onnxruntime, and what must hold of its graph whatever it computes. */

import * as ort from "onnxruntime-web";
import { expect } from "vitest";
import { memory } from "../../../src/backend/active.ts";
import type { Random } from "../../../src/core/random.ts";
import type { Shape } from "../../../src/core/shape.ts";
import { exportOnnx, type OnnxOptions } from "../../../src/interchange/onnx/export-onnx.ts";
import type { Module } from "../../../src/nn/module.ts";
import { normal } from "../../../src/ops/creation.ts";
import { noGrad } from "../../../src/tape/tape.ts";
import type { TypedArray } from "../../../src/tensor/storage.ts";
import type { Classifier } from "../../../src/train/evaluate.ts";
import { type DecodedModel, decodeModel, withEveryOutput } from "./onnx-schema.ts";

ort.env.wasm.numThreads = 1;

interface Result {
  readonly shape: readonly number[];
  readonly data: TypedArray;
}

/** Of the runtime's own optimisations. */
export type Level = "disabled" | "all";

/** The outputs by name. */
export async function runModel(
  bytes: Uint8Array,
  input: { readonly name: string } & Result,
  level: Level = "disabled",
): Promise<Map<string, Result>> {
  const session = await ort.InferenceSession.create(bytes, { graphOptimizationLevel: level, logSeverityLevel: 3 });
  try {
    const { name, data, shape } = input;
    const outputs = await session.run({ [name]: new ort.Tensor("float32", data as Float32Array, shape) });
    return new Map(Object.entries(outputs).map(([output, { dims, data }]) => [output, { shape: dims, data: data as TypedArray }]));
  } finally {
    await session.release();
  }
}

/** Every input of a node was made before it, every name is made once, and nothing is made for nobody. */
export function expectValidGraph({ graph, irVersion, opsetImport, producerName }: DecodedModel): void {
  expect({ irVersion, producerName, opsetImport }).toEqual({
    irVersion: 8,
    producerName: "separable",
    opsetImport: [{ domain: "", version: 18 }],
  });
  const made = new Set<string>();
  const make = (name: string): void => {
    expect(made).not.toContain(name);
    made.add(name);
  };
  const read = new Set(graph.output.map(({ name }) => name));
  for (const { name } of [...graph.input, ...graph.initializer]) make(name);
  for (const { input, output, name } of graph.node) {
    expect(output).toEqual([name]);
    for (const operand of input) {
      expect(made).toContain(operand);
      read.add(operand);
    }
    make(name);
  }
  const unread = [...made].filter((name) => !read.has(name) && graph.input.every((input) => input.name !== name));
  expect(unread).toEqual([]);
}

/** The nodes that the input has no part in. */
export function constantNodes({ graph }: DecodedModel): string[] {
  const varying = new Set(graph.input.map(({ name }) => name));
  return graph.node.flatMap(({ input, name }) => {
    if (input.some((operand) => varying.has(operand))) varying.add(name);
    return varying.has(name) ? [] : [name];
  });
}

/** The largest difference, relative to the largest number. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  let [largest, difference] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(expected[i]!));
    difference = Math.max(difference, actual[i] === expected[i] ? 0 : Math.abs(actual[i]! - expected[i]!));
  }
  return difference === 0 ? 0 : difference / largest;
}

/** Every number of the state moved a little, so that no norm's statistics are 0 and 1 and no two channels alike. */
export async function disturb(network: Module, random: Random): Promise<void> {
  for (const entry of network.state().values())
    if (entry.dtype !== "int32") entry.write((await entry.read()).map((value) => value + 0.2 * (random.uniform() - 0.5)));
}

interface Names {
  readonly input: string;
  readonly output: string;
}

export interface Comparison {
  readonly model: DecodedModel;
  readonly bytes: Uint8Array;
  readonly error: number;
}

/** What the network makes of random images, and what the runtime makes of them by the file. */
async function errorOn(network: Classifier, bytes: Uint8Array, shape: Shape, names: Names, random: Random, level?: Level): Promise<number> {
  const images = normal(shape, random);
  const logits = noGrad(() => network.forward(images, { training: false }));
  const outputs = await runModel(bytes, { name: names.input, shape, data: await images.data() }, level);
  const result = outputs.get(names.output)!;
  expect(result.shape).toEqual(logits.shape);
  return relativeError(result.data, await logits.data());
}

/** Exports, checks the graph and the shape of every value in it as the runtime finds it, and compares the output with the network's own. */
export async function compare(network: Classifier, options: OnnxOptions, random: Random, level?: Level): Promise<Comparison> {
  const { inputName: input = "images", outputName: output = "logits", batch = 1, imageShape } = options;
  const held = memory().storages;
  const bytes = await exportOnnx(network, options);
  expect(memory().storages).toBe(held);
  const model = decodeModel(bytes);
  expectValidGraph(model);
  let error = 0;
  for (const images of batch === "any" ? [1, 2, 5] : [batch]) {
    const shape = [images, ...imageShape];
    const all = await runModel(withEveryOutput(bytes), { name: input, shape, data: await normal(shape, random).data() });
    for (const { name, type } of [...model.graph.valueInfo, ...model.graph.output]) {
      const sizes = type.tensorType.shape.dim.map(({ dimValue, dimParam }) => (dimParam === "batch" ? images : dimValue));
      expect([name, ...all.get(name)!.shape]).toEqual([name, ...sizes]);
    }
    error = Math.max(error, await errorOn(network, bytes, shape, { input, output }, random, level));
  }
  return { model, bytes, error };
}
