/**
 * The norm and the activation before a separable convolution. Its window normalises the rows of x as it reads them, so the result of the norm
 * is never stored (assembly/separable.ts). What remains of the norm are its statistics before the convolution, and the last pass of its
 * gradient behind that of the convolution (assembly/batch-norm.ts).
 */

import type { BatchStatistics, ChannelGeometry, PrecedingNormStorages } from "../../kernels.ts";
import { activationCodes, type NormPlaces, slopeEnds, writeNorm } from "./batch-norm.ts";
import type { Machine } from "./machine.ts";

/** A norm with its places in scratch memory. */
export interface PlacedNorm {
  readonly norm: PrecedingNormStorages & BatchStatistics;
  readonly geometry: ChannelGeometry;
  readonly places: NormPlaces;
}

/** What the window needs to know of the norm before it; zeros without one. */
export const windowNorm = (base: number, placed: PlacedNorm | undefined) =>
  placed === undefined
    ? { coefficients: 0, activation: 0 }
    : { coefficients: base + placed.places.coefficients, activation: activationCodes[placed.norm.activation] };

/** What the gradient of the window needs to know of the norm; zeros without one. */
export const gradientNorm = (base: number, placed: PlacedNorm | undefined) =>
  placed === undefined ? { sums: 0, slopeEnd: 0 } : { sums: base + placed.places.sums, slopeEnd: slopeEnds[placed.norm.activation] };

function writePlaced(
  machine: Machine,
  base: number,
  { norm, geometry, places }: PlacedNorm,
  fields: Parameters<typeof writeNorm>[4],
): boolean {
  const { memory } = machine;
  return writeNorm(machine, base, places, geometry, {
    gamma: memory.pointerOf(norm.gamma),
    beta: memory.pointerOf(norm.beta),
    mean: memory.pointerOf(norm.mean),
    variance: memory.pointerOf(norm.variance),
    epsilon: norm.epsilon,
    ...fields,
  });
}

/** Takes the statistics of the x at the address `x`. */
export function takeStatistics(machine: Machine, base: number, placed: PlacedNorm, x: number): void {
  machine.kernels.normalise(writePlaced(machine, base, placed, { x }));
}

/** Writes the coefficients that the window reads. */
export function writeCoefficients(machine: Machine, base: number, placed: PlacedNorm): void {
  writePlaced(machine, base, placed, {});
  machine.kernels.givenCoefficients();
}

/** Turns the cotangent of the norm's result, which the window has left at `xGradient` with its sums, into the gradients of the norm. */
export function finishGradient(
  machine: Machine,
  base: number,
  placed: PlacedNorm,
  addresses: { readonly x: number; readonly xGradient: number; readonly gammaGradient: number; readonly betaGradient: number },
): void {
  const { x, xGradient, gammaGradient, betaGradient } = addresses;
  const masked = { out: xGradient, masked: xGradient, activated: xGradient, summed: 1 };
  machine.kernels.normaliseGradient(writePlaced(machine, base, placed, { x, gammaGradient, betaGradient, ...masked }));
}
