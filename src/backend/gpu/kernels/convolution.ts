/**
 * The convolution and its two gradients. Each is a gather: a thread adds up the taps that contribute to its element. Groups only restrict
 * which channels meet, so the depthwise convolution is the same program. Where rows or channels come in fours, a thread has four elements.
 */

import type { ConvolutionGeometry } from "../../../core/convolution-geometry.ts";
import type { Kernels } from "../../kernels.ts";
import type { Device } from "../device.ts";
import { coordinates, flatIndex, isPlane, program } from "../program.ts";
import { image, integers, output, sizesOf, window } from "./convolution-axes.ts";
import { maximumRow, type RowGeometry, rowProgram } from "./convolution-rows.ts";
import { sumOfRows, weightGradient, weightQuads, weightRows } from "./convolution-weights.ts";
import { sumPartials } from "./reductions.ts";
import { forEachTap, forEachWindowOver } from "./windows.ts";

const forward = program({
  name: "conv2d",
  tensors: ["X", "W"],
  integers,
  body: `
    ${coordinates(output)}
    let total = 0.0;
    const firstChannel = idiv(o, groupOutputs) * groupInputs;
    for (let c = 0; c < groupInputs; c++) {
      const channel = firstChannel + c;
      ${forEachTap(`total = total + X[${flatIndex(image)}] * W[${flatIndex(window)}];`)}
    }
    return total;`,
});

const inputGradient = program({
  name: "conv2d, gradient of the input",
  tensors: ["G", "W"],
  integers,
  body: `
    ${coordinates(image)}
    const group = idiv(channel, groupInputs);
    const c = channel - group * groupInputs;
    let total = 0.0;
    for (let k = 0; k < groupOutputs; k++) {
      const o = group * groupOutputs + k;
      ${forEachWindowOver(`total = total + G[${flatIndex(output)}] * W[${flatIndex(window)}];`)}
    }
    return total;`,
});

/** The number of threads that keep a device busy. */
const busyThreads = 16384;

/** From so many partial sums on, a sum is split, too. */
const longSum = 512;

export const convolutionKernels = (device: Device): Pick<Kernels, "conv2d" | "conv2dInputGradient" | "conv2dWeightGradient"> => {
  /** The geometry of `rowProgram`, if it can compute rows of this width. */
  const rowsOf = (
    { inChannels, groups, strideX, dilationX, kernelWidth, paddingX }: ConvolutionGeometry,
    { height, width, planes }: { readonly height: number; readonly width: number; readonly planes: number },
  ): RowGeometry | undefined => {
    if (!device.mode.fourLanes || width % 4 !== 0 || dilationX !== 1) return undefined;
    const { kernel, stride, padding } = maximumRow;
    // The channels of a depthwise convolution share nothing.
    const plane = groups < inChannels && isPlane((height * width) / 4, planes);
    return kernelWidth <= kernel && strideX <= stride && (strideX === 1 || paddingX <= padding)
      ? { kernel: kernelWidth, stride: strideX, padding: paddingX, plane }
      : undefined;
  };
  return {
    conv2d(X, W, geometry) {
      const { batch, outChannels, outHeight, outWidth } = geometry;
      const length = batch * outChannels * outHeight * outWidth;
      const sizes = sizesOf(geometry);
      const rows = rowsOf(geometry, { height: outHeight, width: outWidth, planes: batch * outChannels });
      if (rows === undefined) return device.run(forward, length, { X, W, ...sizes });
      const quads = outWidth / 4;
      return device.run(rowProgram(rows, "forward"), length, { X, W, ...sizes, quads, rowThreads: outHeight * quads });
    },

    conv2dInputGradient(G, W, geometry) {
      const { batch, inChannels, height, width } = geometry;
      const length = batch * inChannels * height * width;
      const sizes = sizesOf(geometry);
      // With a window that moves by one column, the program counts on one that moves by one row.
      const rows =
        geometry.strideX === 1 && geometry.strideY !== 1 ? undefined : rowsOf(geometry, { height, width, planes: batch * inChannels });
      if (rows === undefined) return device.run(inputGradient, length, { G, W, ...sizes });
      const quads = width / 4;
      return device.run(rowProgram(rows, "gradient"), length, { G, W, ...sizes, quads, rowThreads: height * quads });
    },

    conv2dWeightGradient(X, G, geometry) {
      const sizes = sizesOf(geometry);
      const { kernelHeight, kernelWidth, strideX, dilationX } = geometry;
      const windows = geometry.outChannels * sizes.groupInputs;
      const outputRows = geometry.batch * geometry.outHeight;
      /** The split of the rows of all images over `threads` threads. */
      const split = (threads: number): { readonly parts: number; readonly rows: number } => {
        const wanted = Math.max(1, Math.min(outputRows, Math.ceil(busyThreads / Math.max(1, threads))));
        const rows = Math.max(1, Math.ceil(outputRows / wanted));
        return { parts: Math.max(1, Math.ceil(outputRows / rows)), rows };
      };
      const isPoint = kernelHeight === 1 && kernelWidth === 1;
      if (device.mode.fourLanes && isPoint && sizes.groupInputs % 4 === 0) {
        const { parts, rows } = split(windows / 4);
        const quads = sizes.groupInputs / 4;
        const form = isPlane(quads, parts * geometry.outChannels) ? "plane" : "line";
        return sumPartials(device, device.run(weightQuads[form], parts * windows, { X, G, ...sizes, parts, rows, quads }), parts);
      }
      if (device.mode.fourLanes && kernelWidth > 1 && kernelWidth <= 4 && dilationX === 1 && strideX <= maximumRow.stride) {
        const { parts, rows } = split(windows * kernelHeight);
        const padded = windows * kernelHeight * 4;
        const rowThreads = sizes.groupInputs * kernelHeight;
        const what = weightRows({ kernel: kernelWidth, stride: strideX, plane: isPlane(rowThreads, parts * geometry.outChannels) });
        const partials = device.run(what, parts * padded, { X, G, ...sizes, parts, rows, rowThreads });
        const isLong = parts >= longSum;
        const reduced = isLong ? sumPartials(device, partials, parts) : partials;
        const sizesOfSum = { parts: isLong ? 1 : parts, padded, kernelWidth };
        const total = device.run(sumOfRows, windows * kernelHeight * kernelWidth, { partials: reduced, ...sizesOfSum });
        reduced.release();
        return total;
      }
      const weights = windows * kernelHeight * kernelWidth;
      const { parts, rows } = split(weights);
      return sumPartials(device, device.run(weightGradient, parts * weights, { X, G, ...sizes, parts, rows }), parts);
    },
  };
};
