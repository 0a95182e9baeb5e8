/** What a separable convolution and its gradients have in common: their sizes, the window's input, and the packed map. */

import type { ConvolutionGeometry } from "../../../core/convolution-geometry.ts";
import { type SeparableGeometry, separableMultiplyAdds } from "../../../core/separable-geometry.ts";
import { jobAddress } from "../shared/sizes.ts";
import { type ConvolutionPlan, forwardPlan } from "./convolution-plan.ts";
import { type Machine, sharedWork } from "./machine.ts";
import { floatBytes, type PlanesPlace, takePlanes, writeIntegers, writePlanes } from "./planes.ts";
import { type PlacedNorm, windowNorm } from "./preceding-norm.ts";
import { cacheLine, type ScratchLayout, wholeLines } from "./scratch-layout.ts";
import { type Bands, takeBands, writeBands } from "./separable-bands.ts";
import { structBytes, writeStruct } from "./structs.ts";

/** Rows of the map that are packed together (assembly/separable.ts). */
const blockRows = 4;

/** The sizes that both kernels need. */
export function sizesOf(geometry: SeparableGeometry, run: number) {
  const { window, outChannels } = geometry;
  const { batch, inChannels: channels, height, width, outHeight, outWidth } = window;
  const runsOfARow = Math.ceil(outWidth / run);
  return {
    run,
    batch,
    channels,
    outChannels,
    outHeight,
    outWidth,
    kernel: window.kernelHeight * window.kernelWidth,
    /** x as a norm before the window sees it. */
    norm: { batch, channels, inner: height * width },
    imageBytes: floatBytes * channels * height * width,
    planeBytes: floatBytes * outHeight * outWidth,
    outputLength: batch * outChannels * outHeight * outWidth,
    runsOfARow,
    rowBytes: floatBytes * runsOfARow * run,
    shared: 2 * separableMultiplyAdds(geometry) > sharedWork,
  };
}

export type SeparableSizes = ReturnType<typeof sizesOf>;

/** What the plan of a call depends on besides the machine: the geometry, and whether a norm comes before the window. */
export const planKey = ({ window, outChannels }: SeparableGeometry, hasNorm: boolean): string =>
  `${outChannels} ${Number(hasNorm)} ${Object.values(window).join(" ")}`;

/** The kind of window of same-window.ts. */
export const sameWindow = 1;

/** Which file of assembly computes the window: 1 is same-window.ts, 2 is stride-two-window.ts, 0 is depthwise.ts. */
export function windowKind(g: ConvolutionGeometry, run: number): number {
  const whole = g.outWidth % run === 0;
  const three = [g.kernelHeight, g.kernelWidth].every((size) => size === 3);
  const ones = [g.paddingY, g.paddingX, g.dilationY, g.dilationX].every((value) => value === 1);
  if (!(whole && three && ones)) return 0;
  // The sizes of the result say that the padding behind the image is the one that the kernels have.
  const [halvesY, halvesX] = [g.height === 2 * g.outHeight, g.width === 2 * g.outWidth];
  if (g.strideY === 2 && g.strideX === 2) return halvesY && halvesX ? 2 : 0;
  const same = g.strideY === 1 && g.strideX === 1 && g.outHeight === g.height && g.outWidth === g.width;
  return same && g.height >= 2 ? sameWindow : 0;
}

/** The window's input, with the places of its tables in scratch memory. */
export interface SeparableInput {
  readonly geometry: SeparableGeometry;
  readonly plan: ConvolutionPlan;
  readonly bands: Bands;
  readonly planes: PlanesPlace;
  readonly place: number;
}

export function takeInput(layout: ScratchLayout, geometry: SeparableGeometry, bandRows: number, run: number): SeparableInput {
  const plan = forwardPlan(geometry.window, run);
  return {
    geometry,
    plan,
    bands: takeBands(layout, plan, geometry.window, bandRows, run),
    planes: takePlanes(layout, plan),
    place: layout.take(structBytes("WindowInput")),
  };
}

/** Writes the input into the scratch memory at `base`, and returns its address. */
export function writeInput(
  { memory }: Machine,
  base: number,
  input: SeparableInput,
  sizes: SeparableSizes,
  operands: { readonly x: number; readonly weights: number },
  norm: PlacedNorm | undefined,
  rowsBytes: number,
): number {
  writeStruct(memory, base + input.place, "WindowInput", {
    planes: writePlanes(memory, base, input.planes, input.plan),
    ...operands,
    ...windowNorm(base, norm),
    rowsBytes,
    xImage: sizes.imageBytes,
    kernel: sizes.kernel,
    kind: windowKind(input.geometry.window, sizes.run),
    channels: sizes.channels,
    bands: writeBands(memory, base, input.bands),
    bandCount: input.bands.list.length,
  });
  return base + input.place;
}

/** Room for so many normalised rows of a plane of x. Kernels read a little before and behind a row. */
export const normRowsBytes = (rows: number, { width }: ConvolutionGeometry): number =>
  wholeLines(floatBytes * rows * width) + 2 * cacheLine;

/** P or Pᵀ, packed in blocks of rows, with its place in scratch memory. */
export interface PackedMap {
  readonly rows: number;
  readonly columns: number;
  readonly strides: readonly [row: number, column: number];
  readonly place: number;
  readonly tap: number;
}

/** A place for P as [O/4][C][4], or for Pᵀ as [C/4][O][4]. */
export function takeMap(layout: ScratchLayout, { channels, outChannels }: SeparableSizes, transposed: boolean): PackedMap {
  const [rows, columns] = transposed ? [channels, outChannels] : [outChannels, channels];
  return {
    rows,
    columns,
    strides: transposed ? [1, channels] : [channels, 1],
    place: layout.take(floatBytes * blockRows * Math.ceil(rows / blockRows) * columns),
    tap: layout.take(floatBytes),
  };
}

/** Packs the map at the address `source` with the kernel that packs the weights of convolutions, and returns where it lies. */
export function packMap({ kernels, memory }: Machine, base: number, map: PackedMap, source: number, shared: boolean): number {
  writeIntegers(memory, base + map.tap, [0]);
  writeStruct(memory, jobAddress, "PackJob", {
    source,
    target: base + map.place,
    taps: base + map.tap,
    tapCount: 1,
    outChannels: map.rows,
    inChannels: map.columns,
    strideOut: map.strides[0],
    strideIn: map.strides[1],
    groupStride: 0,
    blocks: Math.ceil(map.rows / blockRows),
  });
  kernels.packWeights(1, shared);
  return base + map.place;
}
