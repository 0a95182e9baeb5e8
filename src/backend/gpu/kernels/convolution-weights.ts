/**
 * The gradient of a convolution's weight. It has few elements, each a sum over every position of every image. The sum is split by rows of
 * the output, and the partial sums are added up.
 */

import { type Axis, coordinates, flatIndex, type Program, program, programOf, smallQuotient, threadCoordinates } from "../program.ts";
import { image, integers, lanes, output, renamed, window } from "./convolution-axes.ts";

/** Declares row sy of the image and row y of the output of image n for step r, and runs `body` where there are such rows. */
const forEachRowOf = (body: string): string => `
    for (let r = 0; r < rows; r++) {
      const line = p * rows + r;
      const n = ${smallQuotient("line", "outHeight")};
      const y = line - n * outHeight;
      const sy = y * strideY + ky * dilationY - paddingY;
      if (n < batch && sy >= 0 && sy < height) { ${body} }
    }`;

/** One element of the weight for each thread, for any window. */
export const weightGradient = program({
  name: "conv2d, gradient of the weight",
  tensors: ["X", "G"],
  integers: [...integers, "parts", "rows"],
  body: `
    ${coordinates([["p", "parts"], ...window])}
    const channel = idiv(o, groupOutputs) * groupInputs + c;
    let total = 0.0;
    ${forEachRowOf(`
        for (let x = 0; x < outWidth; x++) {
          const sx = x * strideX + kx * dilationX - paddingX;
          if (sx >= 0 && sx < width) { total = total + X[${flatIndex(image)}] * G[${flatIndex(output)}]; }
        }`)}
    return total;`,
});

/** The rows of a plane of threads: a part of the sum, and an output channel. */
const partAndOutput: Axis[] = [
  ["p", "parts"],
  ["o", "outChannels"],
];

export interface WeightRows {
  readonly kernel: number;
  readonly stride: number;
  /** Whether the threads form a plane: a row of threads for each output channel, so that a workgroup shares images and gradients. */
  readonly plane: boolean;
}

/**
 * The taps of one row of the window for each thread. The columns of the image that they read move along with the output, so a thread loads
 * `stride` elements of the image and one of the gradient for `kernel` multiply-adds. A row takes four elements of the result, of which the
 * first `kernel` count.
 */
function makeWeightRows(name: string, { kernel, stride, plane }: WeightRows): Program {
  const taps = lanes.slice(0, kernel);
  /** Loads the column of the image that a tap reads at the output whose window begins at `begin`. */
  const load = (tap: number, begin: string, column: string): string => `
        const ${column} = ${begin} + ${tap} - paddingX;
        v${tap} = ${column} >= 0 && ${column} < width ? X[${flatIndex(renamed(image, { sx: column }))}] : 0.0;`;
  const kept = taps.slice(0, Math.max(0, kernel - stride));
  return program({
    name,
    tensors: ["X", "G"],
    integers: [...integers, "parts", "rows", "rowThreads"],
    lanes: 4,
    rowLength: plane ? "rowThreads" : undefined,
    body: `
    ${threadCoordinates(plane, partAndOutput, window.slice(1, 3))}
    const channel = idiv(o, groupOutputs) * groupInputs + c;
    ${lanes.map((l) => `let t${l} = 0.0;`).join("\n")}
    ${taps.map((k) => `let v${k} = 0.0;`).join("\n")}
    ${forEachRowOf(`
      ${kept.map((k) => load(k, "0", `first${k}`)).join("")}
      for (let x = 0; x < outWidth; x++) {
        ${taps
          .slice(kept.length)
          .map((k) => load(k, `x * ${stride}`, `sx${k}`))
          .join("")}
        const g = G[${flatIndex(output)}];
        ${taps.map((k) => `t${k} = t${k} + v${k} * g;`).join("\n")}
        ${kept.map((k) => `v${k} = v${k + stride};`).join("\n")}
      }`)}
    return [t0, t1, t2, t3];`,
  });
}

/** The program for windows of up to four columns without dilation. */
export function weightRows(geometry: WeightRows): Program {
  const { kernel, stride, plane } = geometry;
  const name = `conv2d, gradient of the weight, rows of ${kernel}${stride === 1 ? "" : `, stride ${stride}`}${plane ? ", in a plane" : ""}`;
  return programOf(name, () => makeWeightRows(name, geometry));
}

/** [parts, rows of four] → the sums of the parts, of which each row keeps its first `kernelWidth` elements. */
export const sumOfRows = program({
  name: "conv2d, gradient of the weight: sums of rows",
  tensors: ["partials"],
  integers: ["parts", "padded", "kernelWidth"],
  body: `
    const row = idiv(this.thread.x, kernelWidth);
    const kx = imod(this.thread.x, kernelWidth);
    let total = 0.0;
    for (let p = 0; p < parts; p++) { total = total + partials[mad(p, padded, mad(row, 4, kx))]; }
    return total;`,
});

/** Four neighbouring channels of a 1×1 window for each thread: five loads for four multiply-adds. */
const quadsProgram = (plane: boolean) =>
  program({
    name: `conv2d, gradient of the weight, four channels${plane ? ", in a plane" : ""}`,
    tensors: ["X", "G"],
    integers: [...integers, "parts", "rows", "quads"],
    lanes: 4,
    rowLength: plane ? "quads" : undefined,
    body: `
    ${threadCoordinates(plane, partAndOutput, [["quad", "quads"]])}
    const ky = 0;
    const first = idiv(o, groupOutputs) * groupInputs + quad * 4;
    ${lanes.map((l) => `const channel${l} = first + ${l};\nlet t${l} = 0.0;`).join("\n")}
    ${forEachRowOf(`
      for (let x = 0; x < outWidth; x++) {
        const sx = x * strideX - paddingX;
        if (sx >= 0 && sx < width) {
          const g = G[${flatIndex(output)}];
          ${lanes.map((l) => `t${l} = t${l} + X[${flatIndex(renamed(image, { channel: `channel${l}` }))}] * g;`).join("\n")}
        }
      }`)}
    return [t0, t1, t2, t3];`,
  });

/** The program for 1×1 windows whose channels come in fours, for threads in a line and in a plane. */
export const weightQuads = { line: quadsProgram(false), plane: quadsProgram(true) } as const;
