/**
 * The convolution and its two gradients. Each is a gather: a thread adds up the taps that contribute to its element. Groups only restrict
 * which channels meet, so the depthwise convolution is the same program. The gradient of the weight has few elements, each a sum over every
 * position of every image; the sum is split by rows of the output, and the partial sums are added up.
 */

import type { ConvolutionGeometry } from "../../../core/convolution-geometry.ts";
import type { Kernels } from "../../kernels.ts";
import type { Device } from "../device.ts";
import { type Axis, coordinates, flatIndex, type Program, program, smallQuotient } from "../program.ts";
import { sumPartials } from "./reductions.ts";
import { forEachTap, forEachWindowOver, windowIntegers } from "./windows.ts";

const integers = ["batch", "inChannels", "outChannels", "groupInputs", "groupOutputs", ...windowIntegers] as const;

type Sizes = Record<(typeof integers)[number], number>;

const sizesOf = ({ groups, ...geometry }: ConvolutionGeometry): Sizes => ({
  ...geometry,
  groupInputs: geometry.inChannels / Math.max(1, groups),
  groupOutputs: geometry.outChannels / Math.max(1, groups),
});

type Axes = readonly [Axis, ...Axis[]];

const image: Axes = [
  ["n", "batch"],
  ["channel", "inChannels"],
  ["sy", "height"],
  ["sx", "width"],
];
const output: Axes = [
  ["n", "batch"],
  ["o", "outChannels"],
  ["y", "outHeight"],
  ["x", "outWidth"],
];
const window: Axes = [
  ["o", "outChannels"],
  ["c", "groupInputs"],
  ["ky", "kernelHeight"],
  ["kx", "kernelWidth"],
];

/** The same axes with other names for the coordinates. */
function renamed([first, ...inner]: Axes, names: Readonly<Record<string, string>>): Axes {
  const rename = ([name, size]: Axis): Axis => [names[name] ?? name, size];
  return [rename(first), ...inner.map(rename)];
}

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

/**
 * Four neighbours along x for each thread, where windows move by one column. Their taps overlap: a row of the window reads `kernel` + 3
 * elements of the image and `kernel` weights for 4·`kernel` multiply-adds. With the window reversed and the channels exchanged, the same
 * program computes the gradient of the input.
 */
const rowProgram = (kernel: number, direction: "forward" | "gradient"): Program => {
  const columns = Array.from({ length: kernel + 3 }, (_, j) => j);
  const taps = Array.from({ length: kernel }, (_, k) => k);
  const lanes = [0, 1, 2, 3];
  const { source, height, width, at, tap, setup, channelLoop, row } = rowPieces[direction](kernel);
  return program({
    name: `conv2d, ${direction === "gradient" ? "gradient of the input, " : ""}rows of ${kernel}`,
    tensors: [source, "W"],
    integers: [...integers, "quads"],
    lanes: 4,
    body: `
    ${setup}
    ${columns.map((j) => `const c${j} = first + ${j};\nconst in${j} = c${j} >= 0 && c${j} < ${width} ? 1.0 : 0.0;`).join("\n")}
    ${lanes.map((l) => `let t${l} = 0.0;`).join("\n")}
    ${channelLoop}
      for (let ky = 0; ky < kernelHeight; ky++) {
        const row = ${row};
        if (row >= 0 && row < ${height}) {
          ${columns.map((j) => `const v${j} = in${j} > 0.5 ? ${source}[${at(`c${j}`)}] : 0.0;`).join("\n")}
          ${taps.map((k) => `const w${k} = W[${flatIndex(renamed(window, { kx: String(tap(k)) }))}];`).join("\n")}
          ${lanes.map((l) => `t${l} = t${l} + ${taps.map((k) => `w${k} * v${l + k}`).join(" + ")};`).join("\n")}
        }
      }
    }
    return [t0, t1, t2, t3];`,
  });
};

/** The parts of `rowProgram` that differ between the two directions. */
interface RowPieces {
  /** The tensor that the taps read, and its sizes. */
  readonly source: "X" | "G";
  readonly height: string;
  readonly width: string;
  /** The index of the source's element in the current row and in `column`. */
  readonly at: (column: string) => string;
  /** The tap of the window that meets the k-th column. */
  readonly tap: (k: number) => number;
  /** Declares the thread's coordinates, its group, and the first column that it reads. */
  readonly setup: string;
  /** The head of the loop over the channels of the group. */
  readonly channelLoop: string;
  /** The row of the source for tap ky. */
  readonly row: string;
}

const rowPieces: Record<"forward" | "gradient", (kernel: number) => RowPieces> = {
  forward: () => ({
    source: "X",
    height: "height",
    width: "width",
    at: (column) => flatIndex(renamed(image, { sy: "row", sx: column })),
    tap: (k) => k,
    setup: `${coordinates([...output.slice(0, 3), ["x", "quads"]])}
    const group = idiv(o, groupOutputs);
    const first = x * 4 - paddingX;`,
    channelLoop: "for (let c = 0; c < groupInputs; c++) {\n const channel = group * groupInputs + c;",
    row: "y * strideY + ky * dilationY - paddingY",
  }),
  gradient: (kernel) => ({
    source: "G",
    height: "outHeight",
    width: "outWidth",
    at: (column) => flatIndex(renamed(output, { y: "row", x: column })),
    tap: (k) => kernel - 1 - k,
    setup: `${coordinates([...image.slice(0, 3), ["x", "quads"]])}
    const group = idiv(channel, groupInputs);
    const c = channel - group * groupInputs;
    const first = x * 4 + paddingX - ${kernel - 1};`,
    channelLoop: "for (let s = 0; s < groupOutputs; s++) {\n const o = group * groupOutputs + s;",
    row: "sy + paddingY - ky * dilationY",
  }),
};

/** The widest window for `rowProgram`. Every width is a kernel of its own, so wider windows use the general program. */
const maximumRowKernel = 5;

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

const weightGradient = program({
  name: "conv2d, gradient of the weight",
  tensors: ["X", "G"],
  integers: [...integers, "parts", "rows"],
  body: `
    ${coordinates([["p", "parts"], ...window])}
    const channel = idiv(o, groupOutputs) * groupInputs + c;
    let total = 0.0;
    for (let r = 0; r < rows; r++) {
      const row = p * rows + r;
      const n = ${smallQuotient("row", "outHeight")};
      const y = row - n * outHeight;
      const sy = y * strideY + ky * dilationY - paddingY;
      if (n < batch && sy >= 0 && sy < height) {
        for (let x = 0; x < outWidth; x++) {
          const sx = x * strideX + kx * dilationX - paddingX;
          if (sx >= 0 && sx < width) { total = total + X[${flatIndex(image)}] * G[${flatIndex(output)}]; }
        }
      }
    }
    return total;`,
});

/** The number of threads that keep a device busy. */
const busyThreads = 16384;

export const convolutionKernels = (device: Device): Pick<Kernels, "conv2d" | "conv2dInputGradient" | "conv2dWeightGradient"> => {
  /** Whether `rowProgram` can compute rows of this width. */
  const byRows = ({ strideX, dilationX, kernelWidth }: ConvolutionGeometry, width: number): boolean =>
    device.mode.fourLanes && width % 4 === 0 && strideX === 1 && dilationX === 1 && kernelWidth <= maximumRowKernel;
  return {
    conv2d(X, W, geometry) {
      const { batch, outChannels, outHeight, outWidth } = geometry;
      const length = batch * outChannels * outHeight * outWidth;
      const sizes = sizesOf(geometry);
      return byRows(geometry, outWidth)
        ? device.run(rowProgram(geometry.kernelWidth, "forward"), length, { X, W, ...sizes, quads: outWidth / 4 })
        : device.run(forward, length, { X, W, ...sizes });
    },

    conv2dInputGradient(G, W, geometry) {
      const { batch, inChannels, height, width } = geometry;
      const length = batch * inChannels * height * width;
      const sizes = sizesOf(geometry);
      return geometry.strideY === 1 && byRows(geometry, width)
        ? device.run(rowProgram(geometry.kernelWidth, "gradient"), length, { G, W, ...sizes, quads: width / 4 })
        : device.run(inputGradient, length, { G, W, ...sizes });
    },

    conv2dWeightGradient(X, G, geometry) {
      const sizes = sizesOf(geometry);
      const weights = geometry.outChannels * sizes.groupInputs * geometry.kernelHeight * geometry.kernelWidth;
      const outputRows = geometry.batch * geometry.outHeight;
      const wantedParts = Math.max(1, Math.min(outputRows, Math.ceil(busyThreads / Math.max(1, weights))));
      const rows = Math.max(1, Math.ceil(outputRows / wantedParts));
      const parts = Math.max(1, Math.ceil(outputRows / rows));
      return sumPartials(device, device.run(weightGradient, parts * weights, { X, G, ...sizes, parts, rows }), parts);
    },
  };
};
