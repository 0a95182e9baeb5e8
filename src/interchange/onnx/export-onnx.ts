/** Exports networks as ONNX files, which run without this library. */

import { kernels, useBackend } from "../../backend/active.ts";
import { ConfigError } from "../../core/errors.ts";
import { checkOptions, type OptionNames, optionNames } from "../../core/options.ts";
import type { Shape } from "../../core/shape.ts";
import { Counter } from "../../nn/state.ts";
import { noGrad } from "../../tape/tape.ts";
import { scope } from "../../tensor/scope.ts";
import type { DType, Storage } from "../../tensor/storage.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { Classifier, ImageShape } from "../../train/evaluate.ts";
import { probeBatches, withAnyBatch } from "./any-batch.ts";
import { encodeModel } from "./encode-model.ts";
import { GraphBuilder } from "./graph-builder.ts";
import type { OnnxGraph, Value } from "./onnx-model.ts";
import { type NamedConstant, Trace } from "./trace.ts";
import { tracingBackend } from "./tracing-backend.ts";

export interface OnnxOptions {
  readonly imageShape: ImageShape;
  /**
   * The number of images that the file takes at once. `any` leaves the number open, for networks in which only reshapes depend on it.
   * Layers in mode `auto` then take the path for many columns. Default: 1.
   */
  readonly batch?: number | "any";
  /**
   * With `contracted`, the file holds the parameters under their state names, and every computation on them is a node. With `folded`,
   * computations on parameters alone (a rebuilt weight, the scale of a norm) are done during the export, and their results are constants.
   * Default: `contracted`.
   */
  readonly weights?: "contracted" | "folded";
  /** Texts that the file carries along, such as the names of the classes. Default: none. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** Default: `images`. */
  readonly inputName?: string;
  /** Default: `logits`. */
  readonly outputName?: string;
}

/** The names of `OnnxOptions`. */
const onnxOptions: OptionNames = optionNames<OnnxOptions>({
  imageShape: true,
  batch: true,
  weights: true,
  metadata: true,
  inputName: true,
  outputName: true,
});

/**
 * The bytes of an .onnx file (opset 18) with the graph of one evaluation of `network`: images:[batch,C,H,W] → logits:[batch,classes].
 * Structured layers are exported in their mode: as the contractions that they execute, or by the weight that they rebuild.
 * @throws ConfigError for invalid sizes, weights or names, ShapeError for images that the network cannot take, BackendError for a forward
 * pass that reads numbers or trains.
 */
export async function exportOnnx(network: Classifier, options: OnnxOptions): Promise<Uint8Array> {
  checkOptions("exportOnnx", options, onnxOptions);
  const { imageShape, batch = 1, weights = "contracted", inputName = "images", outputName = "logits", metadata = {} } = options;
  const batches = batch === "any" ? probeBatches : [batch];
  if (![...batches, ...imageShape].every((size) => Number.isInteger(size) && size >= 1))
    throw new ConfigError(`exportOnnx: batch and imageShape must be integers ≥ 1 (or batch "any"), got ${batch} and [${imageShape}]`);
  if (!["contracted", "folded"].includes(weights))
    throw new ConfigError(`exportOnnx: weights must be contracted or folded, got ${weights}`);
  const { state, dtype } = stateOf(network);
  const names = [inputName, outputName, ...[...state.values()].map(({ name }) => name)];
  if (names.includes("") || new Set(names).size !== names.length)
    throw new ConfigError(
      `exportOnnx: inputName and outputName must differ from each other and from every name of the state, and must not be empty, ` +
        `got "${inputName}" and "${outputName}"`,
    );

  const builders: GraphBuilder[] = [];
  try {
    const graphs = batches.map((size) => {
      const builder = new GraphBuilder(names);
      builders.push(builder);
      const trace = new Trace(builder, state, weights === "contracted");
      const output = traceForward(network, trace, builder.input(inputName, dtype, [size, ...imageShape]), dtype);
      return builder.finish("network", output, outputName);
    });
    const [graph, other] = graphs as [OnnxGraph, OnnxGraph?];
    return await encodeModel(other === undefined ? graph : await withAnyBatch(graph, other), metadata);
  } finally {
    for (const builder of builders) builder.release();
  }
}

/** The names and shapes of the state by storage, and the dtype in which the network computes. */
function stateOf(network: Classifier): { state: Map<Storage, NamedConstant>; dtype: DType } {
  const state = new Map<Storage, NamedConstant>();
  for (const [name, entry] of network.state())
    if (!(entry instanceof Counter)) state.set(entry.value.storage, { name, shape: entry.shape });
  const [first] = network.parameters().values();
  return { state, dtype: first?.dtype ?? "float32" };
}

/** Runs the network once on images without numbers. The active backend is restored afterwards. */
function traceForward(network: Classifier, trace: Trace, input: Value, dtype: DType): Value {
  const inner = kernels();
  const logits = (): { storage: Storage; shape: Shape } => {
    const images = new Tensor(input.shape, trace.storage(dtype, input));
    const { storage, shape } = noGrad(() => network.forward(images, { training: false }));
    // The storage is needed after the scope has ended.
    storage.retain();
    return { storage, shape };
  };
  useBackend(tracingBackend(inner, trace));
  try {
    const { storage, shape } = scope(logits);
    const output = trace.as(storage, shape);
    storage.release();
    return output;
  } finally {
    useBackend(inner);
  }
}
