/** Puts a function between a backend and its callers, which counting and timing need. */

import type { KernelName, Kernels } from "./kernels.ts";

/** Every kernel. The compiler demands that none is missing. */
const kernelNames = Object.keys({
  upload: true,
  full: true,
  write: true,
  cast: true,
  unary: true,
  binary: true,
  accumulate: true,
  select: true,
  clamp: true,
  reduce: true,
  argmax: true,
  gather: true,
  scatterAdd: true,
  argsort: true,
  takeAlongAxis: true,
  cosineTransform: true,
  readView: true,
  assemble: true,
  matmul: true,
  conv2d: true,
  conv2dInputGradient: true,
  conv2dWeightGradient: true,
  separableConv2d: true,
  separableConv2dGradient: true,
  maxPool2d: true,
  channelAffine: true,
  batchNorm: true,
  batchNormGradient: true,
  contractChannels: true,
  contractChannelsGradient: true,
  sgdUpdate: true,
  adamUpdate: true,
} satisfies Record<KernelName, true>) as readonly KernelName[];

/** A call of a kernel: its name and its operands. */
export type Call = { readonly [Name in KernelName]: readonly [name: Name, ...operands: Parameters<Required<Kernels>[Name]>] }[KernelName];

type AnyKernel = (...operands: unknown[]) => unknown;

/** The backend `inner` with `around` in place of every kernel. `compute` computes the call, and `around` returns the result of the call. */
export function interpose(inner: Kernels, around: (call: Call, compute: () => unknown) => unknown): Kernels {
  // A backend may lack the optional kernels.
  const present = kernelNames.filter((name) => inner[name] !== undefined);
  const wrapped = present.map((name) => {
    const kernel = inner[name] as AnyKernel;
    return [name, (...operands: unknown[]) => around([name, ...operands] as unknown as Call, () => kernel(...operands))];
  });
  return { ...inner, ...Object.fromEntries(wrapped) };
}
