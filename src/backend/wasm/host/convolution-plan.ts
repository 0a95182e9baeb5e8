/**
 * How a convolution becomes a list of stride-1 passes over padded planes (assembly/conv-planes.ts, assembly/conv-correlate.ts).
 *
 * Each axis is planned on its own, and the two plans are then combined, because taps, phases and passes are products over the axes. A plan
 * depends on the geometry alone, never on the number of threads.
 */

import type { ConvolutionGeometry } from "../../../core/convolution-geometry.ts";
import { largest, smallest } from "../../../core/extent.ts";
import { Remembered } from "./remembered.ts";

/** One tap along one axis: its index in the kernel, the phase it reads, and how far into it. */
interface AxisTap {
  readonly index: number;
  readonly phase: number;
  readonly shift: number;
}

/** Output positions `first`, `first + step`, … (`count` of them) and the taps they take. */
interface AxisPass {
  readonly first: number;
  readonly count: number;
  readonly taps: readonly AxisTap[];
}

export interface AxisPlan {
  /** Size of the source, and the padding before it. */
  readonly size: number;
  readonly padding: number;
  readonly stride: number;
  /** Residues of the padded source that some tap reads. A tap's `phase` is a position in this list. */
  readonly phases: readonly number[];
  readonly passes: readonly AxisPass[];
  /** Distance of neighbouring outputs of a pass, in elements. */
  readonly step: number;
  /** The most positions of any pass, and how far beyond them the taps reach. */
  readonly count: number;
  readonly reach: number;
}

interface Axis {
  readonly size: number;
  readonly out: number;
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly dilation: number;
}

/** y_j reads padded x at stride·j + dilation·k = stride·(j + shift) + residue. */
function forwardAxis({ size, out, kernel, stride, padding, dilation }: Axis): AxisPlan {
  const positions = Array.from({ length: kernel }, (_, index) => ({ index, at: index * dilation }));
  const phases = [...new Set(positions.map(({ at }) => at % stride))];
  const taps = positions.map(({ index, at }) => ({ index, phase: phases.indexOf(at % stride), shift: Math.floor(at / stride) }));
  return {
    size,
    padding,
    stride,
    phases,
    step: 1,
    count: out,
    passes: [{ first: 0, count: out, taps }],
    reach: largest(taps.map(({ shift }) => shift)),
  };
}

/**
 * x at padded position t = stride·u + a (a < stride) received from y at j = u − d for each tap with dilation·k = stride·d + a. There is one
 * pass for each residue a. All passes read one padded copy of g, whose index 0 is position `least − deepest`.
 */
function gradientAxis({ size, out, kernel, stride, padding, dilation }: Axis): AxisPlan {
  const classes = Array.from({ length: stride }, (_, a) => {
    const least = Math.ceil((padding - a) / stride);
    const count = Math.max(0, Math.floor((size - 1 + padding - a) / stride) - least + 1);
    const taps = Array.from({ length: kernel }, (_, index) => index).filter((index) => (index * dilation) % stride === a);
    return { a, least, count, taps };
  }).filter(({ count }) => count > 0);
  const depth = (index: number): number => Math.floor((index * dilation) / stride);
  const least = smallest(classes.map((c) => c.least));
  const deepest = largest([0, ...classes.flatMap(({ taps }) => taps.map(depth))]);
  const passes = classes.map((c) => ({
    first: stride * c.least + c.a - padding,
    count: c.count,
    taps: c.taps.map((index) => ({ index, phase: 0, shift: c.least - least + deepest - depth(index) })),
  }));
  return {
    size: out,
    padding: deepest - least,
    stride: 1,
    phases: [0],
    passes,
    step: stride,
    count: largest(passes.map(({ count }) => count)),
    reach: largest([0, ...passes.flatMap(({ taps }) => taps.map(({ shift }) => shift))]),
  };
}

export interface ConvolutionPlan {
  readonly y: AxisPlan;
  readonly x: AxisPlan;
  /** Whether the planes can be read where they lie, without a copy. */
  readonly direct: boolean;
  readonly pitch: number;
}

const readsInside = ({ size, padding, stride, passes }: AxisPlan): boolean =>
  padding === 0 && stride === 1 && passes.every(({ count, taps }) => taps.every(({ shift }) => count + shift <= size));

function combine(y: AxisPlan, x: AxisPlan, run: number): ConvolutionPlan {
  const direct = readsInside(y) && readsInside(x);
  return { y, x, direct, pitch: direct ? x.size : Math.ceil(x.count / run) * run + x.reach };
}

const keyOf = ({ size, out, kernel, stride, padding, dilation }: Axis): string =>
  `${size} ${out} ${kernel} ${stride} ${padding} ${dilation}`;

const axes = (g: ConvolutionGeometry): [Axis, Axis] => [
  { size: g.height, out: g.outHeight, kernel: g.kernelHeight, stride: g.strideY, padding: g.paddingY, dilation: g.dilationY },
  { size: g.width, out: g.outWidth, kernel: g.kernelWidth, stride: g.strideX, padding: g.paddingX, dilation: g.dilationX },
];

const plans = new Remembered<ConvolutionPlan>();

function planOf(kind: "forward" | "gradient", geometry: ConvolutionGeometry, run: number): ConvolutionPlan {
  const [y, x] = axes(geometry);
  const axis = kind === "forward" ? forwardAxis : gradientAxis;
  return plans.get(`${kind} ${run} ${keyOf(y)} ${keyOf(x)}`, () => combine(axis(y), axis(x), run));
}

/** A plan for kernels that take `run` neighbouring pixels of a row together. The same geometry gives the same object. */
export const forwardPlan = (geometry: ConvolutionGeometry, run: number): ConvolutionPlan => planOf("forward", geometry, run);

/** The same for the input gradient. */
export const inputGradientPlan = (geometry: ConvolutionGeometry, run: number): ConvolutionPlan => planOf("gradient", geometry, run);

/** A 1×1 convolution sees no neighbours, so its planes can be treated as single rows. Then fewer rows end in the middle of a run. */
export function flattened(geometry: ConvolutionGeometry): ConvolutionGeometry {
  const { kernelHeight, kernelWidth, strideY, strideX, paddingY, paddingX, height, width, outHeight, outWidth } = geometry;
  const isPadded = paddingY + paddingX !== 0 || outHeight !== height || outWidth !== width;
  if (kernelHeight * kernelWidth * strideY * strideX !== 1 || isPadded) return geometry;
  return { ...geometry, height: 1, outHeight: 1, width: height * width, outWidth: height * width };
}
