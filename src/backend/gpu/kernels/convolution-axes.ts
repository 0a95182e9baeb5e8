/** The sizes of a convolution as the arguments of programs, and the axes of its three tensors. */

import type { ConvolutionGeometry } from "../../../core/convolution-geometry.ts";
import type { Axis } from "../program.ts";
import { windowIntegers } from "./windows.ts";

export const integers = ["batch", "inChannels", "outChannels", "groupInputs", "groupOutputs", ...windowIntegers] as const;

export type Sizes = Record<(typeof integers)[number], number>;

export const sizesOf = ({ groups, ...geometry }: ConvolutionGeometry): Sizes => ({
  ...geometry,
  groupInputs: geometry.inChannels / Math.max(1, groups),
  groupOutputs: geometry.outChannels / Math.max(1, groups),
});

export type Axes = readonly [Axis, ...Axis[]];

export const image: Axes = [
  ["n", "batch"],
  ["channel", "inChannels"],
  ["sy", "height"],
  ["sx", "width"],
];
export const output: Axes = [
  ["n", "batch"],
  ["o", "outChannels"],
  ["y", "outHeight"],
  ["x", "outWidth"],
];
export const window: Axes = [
  ["o", "outChannels"],
  ["c", "groupInputs"],
  ["ky", "kernelHeight"],
  ["kx", "kernelWidth"],
];

/** The same axes with other names for the coordinates. */
export function renamed([first, ...inner]: Axes, names: Readonly<Record<string, string>>): Axes {
  const rename = ([name, size]: Axis): Axis => [names[name] ?? name, size];
  return [rename(first), ...inner.map(rename)];
}

/** The elements of a thread that has four. */
export const lanes: readonly number[] = [0, 1, 2, 3];
