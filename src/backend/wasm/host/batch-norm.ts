/** Batch normalisation with its addend and its activation: divides the rows, and plans the memory for their sums. */

import type { Storage } from "../../../tensor/storage.ts";
import type { Activation, ChannelGeometry, Kernels } from "../../kernels.ts";
import type { Acceptances } from "../../overlay.ts";
import { jobAddress } from "../shared/sizes.ts";
import { isFloat32, type Machine, sharedElements } from "./machine.ts";
import { ScratchLayout } from "./scratch-layout.ts";
import { type StructValues, writeStruct } from "./structs.ts";

type Norm = "channelAffine" | "batchNorm" | "batchNormGradient";

const hasElements = ({ length }: Storage): boolean => length > 0;
const areFloat32 = (...operands: readonly Storage[]): boolean => operands.every(isFloat32);

export const batchNormAcceptances: Acceptances<Norm> = {
  channelAffine: {
    dtypes: ["float32"],
    nonEmpty: true,
    accepts: (x, scale, shift) => areFloat32(x, scale, shift) && hasElements(x),
  },
  batchNorm: {
    dtypes: ["float32"],
    nonEmpty: true,
    accepts: (x, gamma, beta) => areFloat32(x, gamma, beta) && hasElements(x),
  },
  batchNormGradient: {
    dtypes: ["float32"],
    nonEmpty: true,
    accepts: (x, gamma, _mean, _variance, g) => areFloat32(x, gamma, g) && hasElements(x),
  },
};

/** The numbers by which the kernels know the activations; 0 is none. */
export const activationCodes: Readonly<Record<Activation, number>> = { relu: 1, relu6: 2 };
/** The last float32 for which the activation has slope 1: 6 − 2⁻²¹ is the one before 6. */
export const slopeEnds: Readonly<Record<Activation, number>> = { relu: Number.POSITIVE_INFINITY, relu6: 6 - 2 ** -21 };

/** Two float64 for each row, and four float32 for each channel. */
const sumBytes = 16;
const coefficientBytes = 16;
/** A thread takes rows of so many elements at a time: less than an image of a usual layer, so that threads finish together. */
const elementsOfAChunk = 8192;

/** The fields of a call that has none of the optional operands. */
const nothing: StructValues<"NormJob"> = {
  ...{ x: 0, gamma: 0, beta: 0, mean: 0, variance: 0, addend: 0, out: 0, g: 0, activated: 0, masked: 0 },
  ...{ gammaGradient: 0, betaGradient: 0, sums: 0, coefficients: 0, batch: 0, channels: 0, inner: 0, rowsPerChunk: 0 },
  ...{ summed: 0, activation: 0, epsilon: 0, slopeEnd: 0 },
};

/** The places of the sums of the rows and of the coefficients of the channels. */
export interface NormPlaces {
  readonly sums: number;
  readonly coefficients: number;
}

export const takeNorm = (layout: ScratchLayout, { batch, channels }: ChannelGeometry): NormPlaces => ({
  sums: layout.take(sumBytes * batch * channels),
  coefficients: layout.take(coefficientBytes * channels),
});

/**
 * Writes the job of a norm whose places are in the scratch memory at `base`. Returns whether the team should share it. Both orders of the
 * rows give the same bits, so the order may depend on the number of threads.
 */
export function writeNorm(
  { memory, team }: Machine,
  base: number,
  places: NormPlaces,
  { batch, channels, inner }: ChannelGeometry,
  fields: Partial<StructValues<"NormJob">>,
): boolean {
  const shared = batch * channels * inner > sharedElements;
  const rowsPerChunk = shared && team.threads > 1 ? Math.max(1, Math.floor(elementsOfAChunk / inner)) : 0;
  const division = { batch, channels, inner, rowsPerChunk, sums: base + places.sums, coefficients: base + places.coefficients };
  writeStruct(memory, jobAddress, "NormJob", { ...nothing, ...fields, ...division });
  return shared;
}

export const batchNormKernels = (machine: Machine): Pick<Kernels, Norm> => {
  const { kernels, memory, team } = machine;
  const addressOf = (storage: Storage | undefined): number => (storage === undefined ? 0 : memory.pointerOf(storage));
  const run = (kernel: (shared: boolean) => void, geometry: ChannelGeometry, fields: Partial<StructValues<"NormJob">>): void => {
    const layout = new ScratchLayout();
    const places = takeNorm(layout, geometry);
    memory.withScratch(layout.bytes, (base) => kernel(writeNorm(machine, base, places, geometry, fields)));
  };
  const codeOf = (activation: Activation | undefined): number => (activation === undefined ? 0 : activationCodes[activation]);

  // The addresses of the operands are taken first: an operand that is not of this arena is refused before anything is allocated.
  return {
    channelAffine(x, scale, shift, geometry, { addend, activation } = {}) {
      team.check();
      const operands = { x: addressOf(x), gamma: addressOf(scale), beta: addressOf(shift), addend: addressOf(addend) };
      const y = memory.allocate("float32", x.length);
      run(kernels.normalise, geometry, { ...operands, activation: codeOf(activation), out: y.pointer });
      return y;
    },

    batchNorm(x, gamma, beta, geometry, { addend, activation } = {}) {
      team.check();
      const operands = { x: addressOf(x), gamma: addressOf(gamma), beta: addressOf(beta), addend: addressOf(addend) };
      const y = memory.allocate("float32", x.length);
      const mean = memory.allocate("float32", geometry.channels);
      const variance = memory.allocate("float32", geometry.channels);
      const { epsilon } = geometry;
      const results = { out: y.pointer, mean: mean.pointer, variance: variance.pointer };
      run(kernels.normalise, geometry, { ...operands, ...results, activation: codeOf(activation), epsilon });
      return { y, mean, variance };
    },

    batchNormGradient(x, gamma, mean, variance, g, geometry, through) {
      team.check();
      const operands = {
        ...{ x: addressOf(x), gamma: addressOf(gamma), mean: addressOf(mean), variance: addressOf(variance), g: addressOf(g) },
        activated: addressOf(through?.y),
      };
      const gradient = {
        x: memory.allocate("float32", x.length),
        gamma: memory.allocate("float32", geometry.channels),
        beta: memory.allocate("float32", geometry.channels),
        ...(through?.addend ? { addend: memory.allocate("float32", x.length) } : {}),
      };
      run(kernels.normaliseGradient, geometry, {
        ...operands,
        epsilon: geometry.epsilon,
        out: gradient.x.pointer,
        masked: (gradient.addend ?? gradient.x).pointer,
        gammaGradient: gradient.gamma.pointer,
        betaGradient: gradient.beta.pointer,
        slopeEnd: through === undefined ? 0 : slopeEnds[through.activation],
      });
      return gradient;
    },
  };
};
