/**
 * A backend that records kernels as nodes of a graph. A kernel is given all sizes as numbers, so one forward pass on this backend records
 * the graph of any network, whatever its modules are.
 */

import { composedSeparable } from "../../backend/composed-separable.ts";
import { joinAxes } from "../../backend/join-axes.ts";
import type { Kernels } from "../../backend/kernels.ts";
import { withoutFused } from "../../backend/without-fused.ts";
import type { Storage } from "../../tensor/storage.ts";
import { axisNodes } from "./axis-nodes.ts";
import { contractionNodes } from "./contraction-nodes.ts";
import { elementwiseNodes } from "./elementwise-nodes.ts";
import { layoutNodes } from "./layout-nodes.ts";
import { type Trace, trainingOnly } from "./trace.ts";

function refuse(kernel: string): () => never {
  return () => {
    throw trainingOnly(kernel);
  };
}

/** The kernel `channelAffine` as several kernels, which ONNX has operators for. */
const affineOf =
  (kernels: Pick<Kernels, "unary" | "binary" | "clamp">): Kernels["channelAffine"] =>
  (x, scale, shift, { batch, channels, inner }, { addend, activation } = {}) => {
    const shape = [batch, channels, inner];
    const all = [channels * inner, inner, 1];
    const binary = (op: "multiply" | "add", a: Storage, b: Storage, stridesOfB: readonly number[]): Storage => {
      const axes = joinAxes(shape, all, stridesOfB);
      return kernels.binary(op, a, b, { shape: axes.shape, stridesA: axes.strides[0]!, stridesB: axes.strides[1]! });
    };
    const steps: ((v: Storage) => Storage)[] = [
      (v) => binary("multiply", v, scale, [0, 1, 0]),
      (v) => binary("add", v, shift, [0, 1, 0]),
      ...(addend === undefined ? [] : [(v: Storage) => binary("add", v, addend, all)]),
      ...(activation === "relu" ? [(v: Storage) => kernels.unary("relu", v)] : []),
      ...(activation === "relu6" ? [(v: Storage) => kernels.clamp(v, 0, 6)] : []),
    ];
    return steps.reduce((v, step) => step(v), x);
  };

/** A kernel that returns one storage. */
type Traced<K extends keyof Kernels> = (...args: Parameters<Extract<Kernels[K], (...args: never[]) => unknown>>) => Storage;

/**
 * A kernel with a symbolic operand becomes nodes of the trace. Any other kernel runs on `inner` during the trace, and its result is a
 * constant.
 */
export function tracingBackend(inner: Kernels, trace: Trace): Kernels {
  const nodes = { ...elementwiseNodes(trace), ...axisNodes(trace), ...layoutNodes(trace), ...contractionNodes(trace) };
  /** The kernel of that name. `operandsOf` returns the operands among its arguments. */
  const kernel = <K extends keyof typeof nodes>(
    name: K,
    operandsOf: (...args: Parameters<Kernels[K]>) => readonly Storage[],
  ): Kernels[K] => {
    const [recorded, computed] = [nodes[name], inner[name]] as [Traced<K>, Traced<K>];
    const either: Traced<K> = (...args) => {
      const operands = operandsOf(...args);
      return operands.some((x) => trace.isSymbolic(x)) ? recorded(...args) : trace.computed(computed(...args), operands);
    };
    return either as Kernels[K];
  };
  const elementwise = {
    unary: kernel("unary", (_, x) => [x]),
    binary: kernel("binary", (_, a, b) => [a, b]),
    clamp: kernel("clamp", (x) => [x]),
  };
  const convolutions = {
    conv2d: kernel("conv2d", (a, b) => [a, b]),
    conv2dInputGradient: kernel("conv2dInputGradient", (a, b) => [a, b]),
    conv2dWeightGradient: refuse("conv2dWeightGradient"),
  };
  return {
    // What the optional kernels compute is composed of kernels that have nodes.
    ...withoutFused(inner),
    ...elementwise,
    ...convolutions,
    name: `tracing ${inner.name}`,
    full: (dtype, length, value) => trace.filled(inner.full(dtype, length, value), value),
    write: refuse("write"),
    cast: kernel("cast", (x) => [x]),
    accumulate: refuse("accumulate"),
    select: kernel("select", (condition, a, b) => [condition, a, b]),
    reduce: kernel("reduce", (_, x) => [x]),
    argmax: kernel("argmax", (x) => [x]),
    gather: kernel("gather", (a, b) => [a, b]),
    scatterAdd: kernel("scatterAdd", (a, b) => [a, b]),
    argsort: kernel("argsort", (x) => [x]),
    takeAlongAxis: kernel("takeAlongAxis", (x, indices) => [x, indices]),
    cosineTransform: kernel("cosineTransform", (x) => [x]),
    readView: kernel("readView", (x) => [x]),
    assemble: kernel("assemble", (_, __, ___, parts) => parts.map(({ source }) => source)),
    matmul: kernel("matmul", (a, b) => [a, b]),
    separableConv2d: composedSeparable({ ...convolutions, ...elementwise }).separableConv2d,
    separableConv2dGradient: refuse("separableConv2dGradient"),
    maxPool2d: (x, geometry) => (trace.isSymbolic(x) ? nodes.maxPool2d(x, geometry) : inner.maxPool2d(x, geometry)),
    channelAffine(x, scale, shift, geometry, then) {
      const operands = [x, scale, shift, ...(then?.addend === undefined ? [] : [then.addend])];
      if (operands.some((operand) => trace.isSymbolic(operand))) return affineOf(elementwise)(x, scale, shift, geometry, then);
      return trace.computed(inner.channelAffine(x, scale, shift, geometry, then), operands);
    },
    batchNorm: refuse("batchNorm"),
    batchNormGradient: refuse("batchNormGradient"),
    sgdUpdate: refuse("sgdUpdate"),
    adamUpdate: refuse("adamUpdate"),
  };
}
