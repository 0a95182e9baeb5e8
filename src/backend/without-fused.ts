/** A backend without the optional kernels that fuse contractions and norms, so that the ops compose what those compute of other kernels. */

import type { KernelName, Kernels } from "./kernels.ts";

const fused = [
  "contractChannels",
  "contractChannelsGradient",
  "contractWindow",
  "contractWindowGradient",
  "normContractWindow",
  "normContractWindowGradient",
  "normSeparableConv2d",
  "normSeparableConv2dGradient",
] as const satisfies readonly KernelName[];

export const withoutFused = (kernels: Kernels): Kernels => ({ ...kernels, ...Object.fromEntries(fused.map((name) => [name, undefined])) });
