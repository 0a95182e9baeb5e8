/**
 * The convolution and its two gradients, each as one gather: a thread goes over the taps that reach its element. Groups only limit which channels
 * meet, so depthwise is the same program. The weight's gradient sums over every position of every image, few elements of long sums; it
 * is cut into pieces by rows of the output, and the pieces are added up.
 */

import type { ConvolutionGeometry } from "../../../core/convolution-geometry.ts";
import type { Kernels } from "../../kernels.ts";
import type { Device } from "../device.ts";
import { type Axis, coordinates, type Program, place, program, smallQuotient } from "../program.ts";
import { reduceOnDevice } from "./reductions.ts";

const integers = [
  ...(["batch", "inChannels", "height", "width", "outChannels", "outHeight", "outWidth", "kernelHeight", "kernelWidth"] as const),
  ...(["strideY", "strideX", "paddingY", "paddingX", "dilationY", "dilationX", "groupInputs", "groupOutputs"] as const),
] as const;

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

/** The same axes with other coordinates. */
function renamed([first, ...inner]: Axes, names: Readonly<Record<string, string>>): Axes {
  const rename = ([name, size]: Axis): Axis => [names[name] ?? name, size];
  return [rename(first), ...inner.map(rename)];
}

/** Every tap of the window over (y, x) of output channel o, with the row and column of the image it reads. */
const taps = (body: string): string => `
    const base = idiv(o, groupOutputs) * groupInputs;
    for (let c = 0; c < groupInputs; c++) {
      const channel = base + c;
      for (let ky = 0; ky < kernelHeight; ky++) {
        const sy = y * strideY + ky * dilationY - paddingY;
        if (sy >= 0 && sy < height) {
          for (let kx = 0; kx < kernelWidth; kx++) {
            ${body}
          }
        }
      }
    }`;

const forward = program({
  name: "conv2d",
  tensors: ["X", "W"],
  integers,
  body: `
    ${coordinates(output)}
    let total = 0.0;
    ${taps(`
            const sx = x * strideX + kx * dilationX - paddingX;
            if (sx >= 0 && sx < width) { total = total + X[${place(image)}] * W[${place(window)}]; }`)}
    return total;`,
});

/**
 * Four neighbours along x at once, for windows that move by single columns: their taps overlap, so a row of the window costs `kernel` + 3 elements of
 * the image and `kernel` weights for 4·`kernel` products. Turned round, with the roles of the channels exchanged, it is the input's gradient too.
 */
const rowProgram = (kernel: number, turned: boolean): Program => {
  const columns = Array.from({ length: kernel + 3 }, (_, j) => j);
  const weights = Array.from({ length: kernel }, (_, k) => k);
  const lanes = [0, 1, 2, 3];
  const [source, sourceHeight, sourceWidth] = turned ? (["G", "outHeight", "outWidth"] as const) : (["X", "height", "width"] as const);
  const at = (column: string): string =>
    turned ? place(renamed(output, { y: "row", x: column })) : place(renamed(image, { sy: "row", sx: column }));
  const tap = (k: number): string => place(renamed(window, { kx: String(turned ? kernel - 1 - k : k) }));
  const head = turned
    ? `${coordinates([...image.slice(0, 3), ["x", "quads"]])}
    const group = idiv(channel, groupInputs);
    const c = channel - group * groupInputs;
    const first = x * 4 + paddingX - ${kernel - 1};`
    : `${coordinates([...output.slice(0, 3), ["x", "quads"]])}
    const group = idiv(o, groupOutputs);
    const first = x * 4 - paddingX;`;
  const loop = turned
    ? "for (let s = 0; s < groupOutputs; s++) {\n const o = group * groupOutputs + s;"
    : "for (let c = 0; c < groupInputs; c++) {\n const channel = group * groupInputs + c;";
  const row = turned ? "sy + paddingY - ky * dilationY" : "y * strideY + ky * dilationY - paddingY";
  return program({
    name: `conv2d, ${turned ? "gradient of the input, " : ""}rows of ${kernel}`,
    tensors: [source, "W"],
    integers: [...integers, "quads"],
    lanes: 4,
    body: `
    ${head}
    ${columns.map((j) => `const c${j} = first + ${j};\nconst in${j} = c${j} >= 0 && c${j} < ${sourceWidth} ? 1.0 : 0.0;`).join("\n")}
    ${lanes.map((l) => `let t${l} = 0.0;`).join("\n")}
    ${loop}
      for (let ky = 0; ky < kernelHeight; ky++) {
        const row = ${row};
        if (row >= 0 && row < ${sourceHeight}) {
          ${columns.map((j) => `const v${j} = in${j} > 0.5 ? ${source}[${at(`c${j}`)}] : 0.0;`).join("\n")}
          ${weights.map((k) => `const w${k} = W[${tap(k)}];`).join("\n")}
          ${lanes.map((l) => `t${l} = t${l} + ${weights.map((k) => `w${k} * v${l + k}`).join(" + ")};`).join("\n")}
        }
      }
    }
    return [t0, t1, t2, t3];`,
  });
};

/** Rows of windows wider than this are left to the general program: every width is a kernel of its own. */
const widestRow = 5;

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
      for (let ky = 0; ky < kernelHeight; ky++) {
        const ty = sy + paddingY - ky * dilationY;
        const y = ${smallQuotient("ty", "strideY")};
        if (ty >= 0 && y < outHeight && y * strideY == ty) {
          for (let kx = 0; kx < kernelWidth; kx++) {
            const tx = sx + paddingX - kx * dilationX;
            const x = ${smallQuotient("tx", "strideX")};
            if (tx >= 0 && x < outWidth && x * strideX == tx) { total = total + G[${place(output)}] * W[${place(window)}]; }
          }
        }
      }
    }
    return total;`,
});

const weightGradient = program({
  name: "conv2d, gradient of the weight",
  tensors: ["X", "G"],
  integers: [...integers, "pieces", "rows"],
  body: `
    ${coordinates([["p", "pieces"], ...window])}
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
          if (sx >= 0 && sx < width) { total = total + X[${place(image)}] * G[${place(output)}]; }
        }
      }
    }
    return total;`,
});

/** Threads that keep a device busy. */
const busy = 16384;

export const convolutionKernels = (device: Device): Pick<Kernels, "conv2d" | "conv2dInputGradient" | "conv2dWeightGradient"> => {
  const byRows = ({ strideX, dilationX, kernelWidth }: ConvolutionGeometry, width: number): boolean =>
    device.mode.fourLanes && width % 4 === 0 && strideX === 1 && dilationX === 1 && kernelWidth <= widestRow;
  return {
    conv2d(X, W, geometry) {
      const { batch, outChannels, outHeight, outWidth } = geometry;
      const length = batch * outChannels * outHeight * outWidth;
      const sizes = sizesOf(geometry);
      return byRows(geometry, outWidth)
        ? device.run(rowProgram(geometry.kernelWidth, false), length, { X, W, ...sizes, quads: outWidth / 4 })
        : device.run(forward, length, { X, W, ...sizes });
    },

    conv2dInputGradient(G, W, geometry) {
      const { batch, inChannels, height, width } = geometry;
      const length = batch * inChannels * height * width;
      const sizes = sizesOf(geometry);
      return geometry.strideY === 1 && byRows(geometry, width)
        ? device.run(rowProgram(geometry.kernelWidth, true), length, { G, W, ...sizes, quads: width / 4 })
        : device.run(inputGradient, length, { G, W, ...sizes });
    },

    conv2dWeightGradient(X, G, geometry) {
      const sizes = sizesOf(geometry);
      const weights = geometry.outChannels * sizes.groupInputs * geometry.kernelHeight * geometry.kernelWidth;
      const lines = geometry.batch * geometry.outHeight;
      const wanted = Math.max(1, Math.min(lines, Math.ceil(busy / Math.max(1, weights))));
      const rows = Math.max(1, Math.ceil(lines / wanted));
      const pieces = Math.max(1, Math.ceil(lines / rows));
      const partial = device.run(weightGradient, pieces * weights, { X, G, ...sizes, pieces, rows });
      if (pieces === 1) return partial;
      const gradient = reduceOnDevice(device, "sum", partial, { outer: 1, axis: pieces, inner: weights });
      partial.release();
      return gradient;
    },
  };
};
