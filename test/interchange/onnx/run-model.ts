/** Runs exported files in onnxruntime, checks the rules that every graph must obey, and compares outputs. */

import * as ort from "onnxruntime-web";
import { expect } from "vitest";
import { memory } from "../../../src/backend/active.ts";
import type { Random } from "../../../src/core/random.ts";
import { exportOnnx, type OnnxOptions } from "../../../src/interchange/onnx/export-onnx.ts";
import type { Module } from "../../../src/nn/module.ts";
import { normal } from "../../../src/ops/creation.ts";
import { noGrad } from "../../../src/tape/tape.ts";
import type { TypedArray } from "../../../src/tensor/storage.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";
import type { Classifier } from "../../../src/train/evaluate.ts";
import { type DecodedModel, decodeModel, withEveryOutput } from "./onnx-schema.ts";

ort.env.wasm.numThreads = 1;

interface Result {
  readonly shape: readonly number[];
  readonly data: TypedArray;
}

/** Which of its own graph optimisations the runtime applies. */
export type Level = "disabled" | "all";

/** Runs a model on one input. @returns the outputs by name. */
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

/** Checks that every input of a node is made before the node, that every name is made once, and that every value is read. */
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
  for (const { input, output, name, opType } of graph.node) {
    // A node has the name of its last output. TopK has one more output, which no node reads.
    expect(output.at(-1)).toBe(name);
    expect(output.length).toBe(opType === "TopK" ? 2 : 1);
    for (const operand of input) {
      expect(made).toContain(operand);
      read.add(operand);
    }
    make(name);
  }
  const unread = [...made].filter((name) => !read.has(name) && graph.input.every((input) => input.name !== name));
  expect(unread).toEqual([]);
}

/** The names of the nodes that do not depend on the input. */
export function constantNodes({ graph }: DecodedModel): string[] {
  const varying = new Set(graph.input.map(({ name }) => name));
  return graph.node.flatMap(({ input, name }) => {
    if (input.some((operand) => varying.has(operand))) varying.add(name);
    return varying.has(name) ? [] : [name];
  });
}

/** How far a network's outputs in the runtime are from its own outputs for the same images. */
export type Measure = (actual: TypedArray, expected: TypedArray, network: Classifier, images: Tensor) => number | Promise<number>;

/** The largest difference, relative to the largest number. Meant for outputs of many numbers, which do not all cancel. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  let [largest, difference] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(expected[i]!));
    difference = Math.max(difference, actual[i] === expected[i] ? 0 : Math.abs(actual[i]! - expected[i]!));
  }
  return difference === 0 ? 0 : difference / largest;
}

/** Moves every number of the state a little, so that no norm has the statistics 0 and 1 and no two channels are alike. */
export async function disturb(network: Module, random: Random): Promise<void> {
  for (const entry of network.state().values())
    if (entry.dtype !== "int32") entry.write((await entry.read()).map((value) => value + 0.2 * (random.uniform() - 0.5)));
}

export interface CompareOptions {
  /** Default: none of the runtime's optimisations. */
  readonly level?: Level;
  /** Default: `relativeError`. */
  readonly measure?: Measure;
}

export interface Comparison {
  readonly model: DecodedModel;
  readonly bytes: Uint8Array;
  /** In the units of the measure. */
  readonly error: number;
}

/**
 * Exports the network, checks the graph and the shape that the runtime finds for every value in it, and compares the runtime's outputs for
 * random images with the network's own.
 */
export async function compare(
  network: Classifier,
  options: OnnxOptions,
  random: Random,
  { level = "disabled", measure = relativeError }: CompareOptions = {},
): Promise<Comparison> {
  const { inputName = "images", outputName = "logits", batch = 1, imageShape } = options;
  const held = memory().storages;
  const bytes = await exportOnnx(network, options);
  expect(memory().storages).toBe(held);
  const model = decodeModel(bytes);
  expectValidGraph(model);
  let error = 0;
  for (const count of batch === "any" ? [1, 2, 5] : [batch]) {
    const shape = [count, ...imageShape];
    const all = await runModel(withEveryOutput(bytes), { name: inputName, shape, data: await normal(shape, random).data() });
    for (const { name, type } of [...model.graph.valueInfo, ...model.graph.output]) {
      const sizes = type.tensorType.shape.dim.map(({ dimValue, dimParam }) => (dimParam === "batch" ? count : dimValue));
      expect([name, ...all.get(name)!.shape]).toEqual([name, ...sizes]);
    }
    const images = normal(shape, random);
    const logits = noGrad(() => network.forward(images, { training: false }));
    const result = (await runModel(bytes, { name: inputName, shape, data: await images.data() }, level)).get(outputName)!;
    expect(result.shape).toEqual(logits.shape);
    error = Math.max(error, await measure(result.data, await logits.data(), network, images));
  }
  return { model, bytes, error };
}
