/** Puts a function between a backend and its callers, which counting and timing need. */

import type { KernelName, Kernels } from "./kernels.ts";

/** Every kernel. The compiler demands that none is missing. */
const kernelNames = Object.keys({
  upload: true,
  full: true,
  constant: true,
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
  normSeparableConv2d: true,
  normSeparableConv2dGradient: true,
  maxPool2d: true,
  channelAffine: true,
  batchNorm: true,
  batchNormGradient: true,
  contractChannels: true,
  contractChannelsGradient: true,
  contractWindow: true,
  contractWindowGradient: true,
  normContractWindow: true,
  normContractWindowGradient: true,
  multiplyGradient: true,
  matmulGradient: true,
  butterflyMatrix: true,
  butterflyMatrixGradient: true,
  limitedNorm: true,
  limitedNormGradient: true,
  crossEntropy: true,
  crossEntropyGradient: true,
  sgdUpdate: true,
  adamUpdate: true,
} satisfies Record<KernelName, true>) as readonly KernelName[];

type Operands<Name extends KernelName> = Parameters<Required<Kernels>[Name]>;

/** A call of a kernel: its name and its operands. */
export type Call = { readonly [Name in KernelName]: readonly [name: Name, ...operands: Operands<Name>] }[KernelName];

function callOf<Name extends KernelName>(name: Name, operands: Operands<Name>): Call;
// The compiler cannot see for an unknown kernel that its name and its operands are one of the calls.
function callOf(name: KernelName, operands: readonly unknown[]): readonly [KernelName, ...unknown[]] {
  return [name, ...operands];
}

/** The backend `inner` with `around` in place of every kernel. `compute` computes the call, and `around` returns the result of the call. */
export function interpose(inner: Kernels, around: (call: Call, compute: () => unknown) => unknown): Kernels {
  const wrap = <Name extends KernelName>(name: Name) => {
    const kernel = inner[name] as (...operands: Operands<Name>) => unknown;
    return (...operands: Operands<Name>): unknown => around(callOf(name, operands), () => kernel(...operands));
  };
  // A backend may lack the optional kernels.
  const present = kernelNames.filter((name) => inner[name] !== undefined);
  return { ...inner, ...Object.fromEntries(present.map((name) => [name, wrap(name)])) };
}
