/**
 * Convolutions of four neighbours along x in one thread, forward and for the gradient of the input. A program is made for each width,
 * stride and padding of the window, because these decide which columns the taps of the four neighbours share.
 */

import { flatIndex, type Program, program, programOf, smallQuotient, threadCoordinates } from "../program.ts";
import { image, integers, lanes, output, renamed, window } from "./convolution-axes.ts";

/** What decides which columns the four lanes of a thread read: a program of its own for each. */
export interface RowGeometry {
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  /** Whether the threads form a plane: a row of threads for each channel of an image, so that a workgroup shares images and weights. */
  readonly plane: boolean;
}

type Direction = "forward" | "gradient";

/** That a lane multiplies the weight of tap `tap` with the column at the distance `column` from the thread's first one. */
interface Meeting {
  readonly lane: number;
  readonly tap: number;
  readonly column: number;
}

/** Every pair of a lane and a tap, with the column where they meet; undefined where they do not. */
const meetingsOf = (kernel: number, columnOf: (lane: number, tap: number) => number | undefined): Meeting[] =>
  lanes.flatMap((lane) =>
    Array.from({ length: kernel }, (_, tap) => {
      const column = columnOf(lane, tap);
      return column === undefined ? [] : [{ lane, tap, column }];
    }).flat(),
  );

/**
 * Four neighbours along x for each thread. Their taps overlap: with stride 1, a row of the window reads `kernel` + 3 elements of the image
 * and `kernel` weights for 4·`kernel` multiply-adds. The gradient of the input reads the gradient of the output in the same way.
 */
function makeRowProgram(name: string, geometry: RowGeometry, direction: Direction): Program {
  const { kernel, plane } = geometry;
  const { source, width, at, setup, channelLoop, row, meetings } = rowPieces[direction](geometry);
  const columns = [...new Set(meetings.map(({ column }) => column))].sort((a, b) => a - b);
  const named = (column: number): number => columns.indexOf(column);
  const sumOf = (lane: number): string =>
    [`t${lane}`, ...meetings.filter((each) => each.lane === lane).map(({ tap, column }) => `w${tap} * v${named(column)}`)].join(" + ");
  return program({
    name,
    tensors: [source, "W"],
    integers: [...integers, "quads", "rowThreads"],
    lanes: 4,
    rowLength: plane ? "rowThreads" : undefined,
    body: `
    ${setup}
    ${columns.map((column, j) => `const c${j} = first + ${column};\nconst in${j} = c${j} >= 0 && c${j} < ${width} ? 1.0 : 0.0;`).join("\n")}
    ${lanes.map((l) => `let t${l} = 0.0;`).join("\n")}
    ${channelLoop}
      for (let ky = 0; ky < kernelHeight; ky++) {
        ${row.declared}
        if (${row.condition}) {
          ${columns.map((_, j) => `const v${j} = in${j} > 0.5 ? ${source}[${at(`c${j}`)}] : 0.0;`).join("\n")}
          ${Array.from({ length: kernel }, (_, k) => `const w${k} = W[${flatIndex(renamed(window, { kx: String(k) }))}];`).join("\n")}
          ${lanes.map((l) => `t${l} = ${sumOf(l)};`).join("\n")}
        }
      }
    }
    return [t0, t1, t2, t3];`,
  });
}

/** The program for rows whose lengths are multiples of 4. */
export function rowProgram(geometry: RowGeometry, direction: Direction): Program {
  const { kernel, stride, padding, plane } = geometry;
  const what = direction === "gradient" ? "conv2d, gradient of the input" : "conv2d";
  const strided = stride === 1 ? "" : direction === "gradient" ? `, stride ${stride}, padding ${padding}` : `, stride ${stride}`;
  const name = `${what}, rows of ${kernel}${strided}${plane ? ", in a plane" : ""}`;
  return programOf(name, () => makeRowProgram(name, geometry, direction));
}

/** The parts of `rowProgram` that differ between the two directions. */
interface RowPieces {
  /** The tensor that the taps read, and its width. */
  readonly source: "X" | "G";
  readonly width: string;
  /** The index of the source's element in the current row and in `column`. */
  readonly at: (column: string) => string;
  /** Declares the thread's coordinates, its group, and the column from which distances count. */
  readonly setup: string;
  /** The head of the loop over the channels of the group. */
  readonly channelLoop: string;
  /** The row of the source for tap ky, and whether there is one. */
  readonly row: { readonly declared: string; readonly condition: string };
  readonly meetings: readonly Meeting[];
}

const rowPieces: Record<Direction, (geometry: RowGeometry) => RowPieces> = {
  forward: ({ kernel, stride, plane }) => ({
    source: "X",
    width: "width",
    at: (column) => flatIndex(renamed(image, { sy: "row", sx: column })),
    setup: `${threadCoordinates(plane, output.slice(0, 2), [output[2]!, ["x", "quads"]])}
    const group = idiv(o, groupOutputs);
    const first = x * ${4 * stride} - paddingX;`,
    channelLoop: "for (let c = 0; c < groupInputs; c++) {\n const channel = group * groupInputs + c;",
    row: { declared: "const row = y * strideY + ky * dilationY - paddingY;", condition: "row >= 0 && row < height" },
    meetings: meetingsOf(kernel, (lane, tap) => lane * stride + tap),
  }),
  // Lane l of thread x is column 4x + l of the image. Tap k leads there from column (4x + l + padding − k)/stride, if that is a whole number.
  gradient: ({ kernel, stride, padding, plane }) => ({
    source: "G",
    width: "outWidth",
    at: (column) => flatIndex(renamed(output, { y: "row", x: column })),
    setup: `${threadCoordinates(plane, image.slice(0, 2), [image[2]!, ["x", "quads"]])}
    const group = idiv(channel, groupInputs);
    const c = channel - group * groupInputs;
    const first = ${stride === 1 ? "x * 4 + paddingX" : `x * ${4 / stride}`};`,
    channelLoop: "for (let s = 0; s < groupOutputs; s++) {\n const o = group * groupOutputs + s;",
    row:
      stride === 1
        ? { declared: "const row = sy + paddingY - ky * dilationY;", condition: "row >= 0 && row < outHeight" }
        : {
            declared: `const ty = sy + paddingY - ky * dilationY;\nconst row = ${smallQuotient("ty", "strideY")};`,
            condition: "ty >= 0 && row < outHeight && row * strideY == ty",
          },
    meetings: meetingsOf(kernel, (lane, tap) => {
      if (stride === 1) return lane - tap;
      const column = (lane + padding - tap) / stride;
      return Number.isInteger(column) ? column : undefined;
    }),
  }),
};

/** The widest window, stride and padding for `rowProgram`. Each is a kernel of its own, so larger ones use the general program. */
export const maximumRow = { kernel: 5, stride: 2, padding: 2 } as const;
