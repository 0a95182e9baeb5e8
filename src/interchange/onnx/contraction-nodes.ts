/** Matrix products, convolutions and pooling as ONNX nodes. */

import type { Kernels } from "../../backend/kernels.ts";
import { type ConvolutionGeometry, outputSize, paddingFor, type WindowAxis, windowAxes } from "../../core/convolution-geometry.ts";
import { sizeOf } from "../../core/shape.ts";
import type { Storage } from "../../tensor/storage.ts";
import type { Attributes, Value } from "./onnx-model.ts";
import { type Trace, TracedStorage } from "./trace.ts";

/**
 * The padding after the image along one axis. The padding before it is repeated where this gives the size of the output. Elsewhere it is
 * the least padding that gives this size: the geometry does not say more, and more padding would have no effect.
 */
function paddingAfter(axis: WindowAxis, before: number, out: number): number {
  return outputSize(axis, 2 * before) === out ? before : Math.max(0, paddingFor(axis, out) - before);
}

const windowAttributes = (g: ConvolutionGeometry): Attributes => {
  const [y, x] = windowAxes(g);
  return {
    kernel_shape: { ints: [g.kernelHeight, g.kernelWidth] },
    strides: { ints: [g.strideY, g.strideX] },
    pads: { ints: [g.paddingY, g.paddingX, paddingAfter(y, g.paddingY, g.outHeight), paddingAfter(x, g.paddingX, g.outWidth)] },
    dilations: { ints: [g.dilationY, g.dilationX] },
  };
};

/**
 * The attributes of a transposed convolution, from the geometry of the convolution that it transposes. The size of its result is
 * (out − 1)·stride + the length of the window − pads + output_padding.
 */
function transposedAttributes(g: ConvolutionGeometry): Attributes {
  const ends = windowAxes(g).map((axis, i) => {
    const [before, out] = i === 0 ? [g.paddingY, g.outHeight] : [g.paddingX, g.outWidth];
    return (out - 1) * axis.stride + axis.dilation * (axis.kernel - 1) + 1 - before - axis.size;
  });
  return {
    ...windowAttributes(g),
    pads: { ints: [g.paddingY, g.paddingX, ...ends.map((end) => Math.max(0, end))] },
    output_padding: { ints: ends.map((end) => Math.max(0, -end)) },
  };
}

/** Whether a convolution treats each pixel alone. The arrangement of the pixels does not matter then, so [N,C,P,1] can stay [N,C,H,W]. */
function isPointwise(g: ConvolutionGeometry): boolean {
  const isPadded = g.paddingY !== 0 || g.paddingX !== 0 || g.outHeight !== g.height || g.outWidth !== g.width;
  return [g.kernelHeight, g.kernelWidth, g.strideY, g.strideX].every((n) => n === 1) && !isPadded;
}

/** The shape in which a convolution takes its images: the current one, if it serves. */
function imageShape(current: readonly number[], g: ConvolutionGeometry): readonly number[] {
  const [batch, channels] = current;
  const fits = current.length === 4 && batch === g.batch && channels === g.inChannels && isPointwise(g);
  return fits ? current : [g.batch, g.inChannels, g.height, g.width];
}

/** How a product reads one of its operands. Rows and columns are those of the product, after the transposition. */
interface Operand {
  readonly stacked: boolean;
  readonly batch: number;
  readonly transposed: boolean;
  readonly rows: number;
  readonly columns: number;
}

export function contractionNodes(trace: Trace): Pick<Kernels, "matmul" | "conv2d" | "conv2dInputGradient" | "maxPool2d"> {
  /** The matrices of `x`:[batch, rows, columns], or [rows, columns] where all products share one matrix. */
  const operand = (x: Storage, { stacked, batch, transposed, rows, columns }: Operand): Value => {
    const matrix = transposed ? [columns, rows] : [rows, columns];
    return trace.as(x, stacked ? [batch, ...matrix] : matrix);
  };
  const transposed = (value: Value): Value => {
    const axes = value.shape.map((_, axis) => axis);
    const perm = [...axes.slice(0, -2), axes.at(-1)!, axes.at(-2)!];
    const shape = perm.map((axis) => value.shape[axis]!);
    return trace.node("Transpose", [value], { perm: { ints: perm } }, value, shape);
  };

  return {
    matmul(a, b, { batch, m, k, n, transposeA, transposeB, batchStrideA, batchStrideB }) {
      const stackedA = batch > 1 && batchStrideA !== 0;
      const stackedB = batch > 1 && batchStrideB !== 0;
      const A = operand(a, { stacked: stackedA, batch, transposed: transposeA, rows: m, columns: k });
      const B = operand(b, { stacked: stackedB, batch, transposed: transposeB, rows: k, columns: n });
      if (!stackedA && !stackedB && batch === 1) {
        const flags = { transA: { int: Number(transposeA) }, transB: { int: Number(transposeB) } };
        const plain = !transposeA && !transposeB;
        return trace.storage(a.dtype, trace.node(plain ? "MatMul" : "Gemm", [A, B], plain ? {} : flags, A, [m, n]));
      }
      const inputs = [transposeA ? transposed(A) : A, transposeB ? transposed(B) : B];
      return trace.storage(a.dtype, trace.node("MatMul", inputs, {}, A, [batch, m, n]));
    },

    conv2d(x, w, g) {
      const value = trace.value(x, [g.batch, g.inChannels, g.height, g.width]);
      const image = trace.as(x, imageShape(value.shape, g));
      const weight = trace.as(w, [g.outChannels, g.inChannels / g.groups, g.kernelHeight, g.kernelWidth]);
      const pixels = isPointwise(g) ? image.shape.slice(2) : [g.outHeight, g.outWidth];
      const attributes = { ...windowAttributes(g), group: { int: g.groups } };
      return trace.storage(x.dtype, trace.node("Conv", [image, weight], attributes, image, [g.batch, g.outChannels, ...pixels]));
    },

    conv2dInputGradient(x, w, g) {
      const image = trace.as(x, [g.batch, g.outChannels, g.outHeight, g.outWidth]);
      const weight = trace.as(w, [g.outChannels, g.inChannels / g.groups, g.kernelHeight, g.kernelWidth]);
      const attributes = { ...transposedAttributes(g), group: { int: g.groups } };
      const shape = [g.batch, g.inChannels, g.height, g.width];
      return trace.storage(x.dtype, trace.node("ConvTranspose", [image, weight], attributes, image, shape));
    },

    maxPool2d(x, g) {
      const image = trace.as(x, [g.batch, g.inChannels, g.height, g.width]);
      const shape = [g.batch, g.outChannels, g.outHeight, g.outWidth];
      const values = trace.storage(x.dtype, trace.node("MaxPool", [image], windowAttributes(g), image, shape));
      const reason = "ONNX: the indices of a pooling's maxima serve its gradient and are not exported; export the forward pass alone";
      return { values, indices: new TracedStorage("int32", sizeOf(shape), reason) };
    },
  };
}
