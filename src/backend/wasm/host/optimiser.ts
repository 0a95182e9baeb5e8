/** The in-place updates of SGD and Adam. */

import type { Kernels } from "../../kernels.ts";
import type { Acceptances } from "../../overlay.ts";
import { jobAddress } from "../shared/sizes.ts";
import { isFloat32, type Machine, sharedElements } from "./machine.ts";
import { writeStruct } from "./structs.ts";

type Updates = "sgdUpdate" | "adamUpdate";

export const optimiserAcceptances: Acceptances<Updates> = {
  sgdUpdate: { dtypes: ["float32"], accepts: (parameter, gradient) => isFloat32(parameter) && isFloat32(gradient) },
  adamUpdate: { dtypes: ["float32"], accepts: (parameter, gradient) => isFloat32(parameter) && isFloat32(gradient) },
};

export const optimiserKernels = ({ kernels, memory, team }: Machine): Pick<Kernels, Updates> => ({
  sgdUpdate(parameter, gradient, velocity, { learningRate, momentum, nesterov, weightDecay, first }) {
    team.check();
    writeStruct(memory, jobAddress, "SgdJob", {
      parameter: memory.pointerOf(parameter),
      gradient: memory.pointerOf(gradient),
      velocity: velocity === undefined ? 0 : memory.pointerOf(velocity),
      length: parameter.length,
      learningRate,
      momentum,
      weightDecay,
      nesterov: Number(nesterov),
      first: Number(first),
    });
    kernels.sgdUpdate(parameter.length > sharedElements);
  },

  adamUpdate(parameter, gradient, mean, square, { learningRate, beta1, beta2, epsilon, weightDecay, decoupled, step }) {
    team.check();
    writeStruct(memory, jobAddress, "AdamJob", {
      parameter: memory.pointerOf(parameter),
      gradient: memory.pointerOf(gradient),
      mean: memory.pointerOf(mean),
      square: memory.pointerOf(square),
      length: parameter.length,
      learningRate,
      beta1,
      beta2,
      rest1: 1 - beta1,
      rest2: 1 - beta2,
      epsilon,
      weightDecay,
      decoupled: Number(decoupled),
      correction1: 1 / (1 - beta1 ** step),
      correction2: 1 / (1 - beta2 ** step),
    });
    kernels.adamUpdate(parameter.length > sharedElements);
  },
});
