/** The in-place updates of SGD and Adam. */

import type { Kernels } from "../../kernels.ts";
import { allFloat32, type Machine, sharedElements } from "./machine.ts";

type Updates = "sgdUpdate" | "adamUpdate";

export function optimiserKernels({ kernels, memory, team }: Machine, reference: Pick<Kernels, Updates>): Pick<Kernels, Updates> {
  return {
    sgdUpdate(parameter, gradient, velocity, update) {
      if (!allFloat32(parameter, gradient)) return reference.sgdUpdate(parameter, gradient, velocity, update);
      team.check();
      const [p, g, v] = [memory.pointerOf(parameter), memory.pointerOf(gradient), velocity === undefined ? 0 : memory.pointerOf(velocity)];
      const { learningRate, momentum, nesterov, weightDecay, first } = update;
      kernels.sgdUpdate(p, g, v, parameter.length, learningRate, momentum, nesterov, weightDecay, first, parameter.length > sharedElements);
    },

    adamUpdate(parameter, gradient, mean, square, update) {
      if (!allFloat32(parameter, gradient)) return reference.adamUpdate(parameter, gradient, mean, square, update);
      team.check();
      const pointers = [parameter, gradient, mean, square].map((storage) => memory.pointerOf(storage)) as [number, number, number, number];
      const { learningRate, beta1, beta2, epsilon, weightDecay, decoupled, step } = update;
      const [correction1, correction2] = [1 / (1 - beta1 ** step), 1 / (1 - beta2 ** step)];
      const shared = parameter.length > sharedElements;
      kernels.adamUpdate(
        ...([...pointers, parameter.length, learningRate, beta1, beta2, 1 - beta1, 1 - beta2, epsilon] as const),
        ...([weightDecay, decoupled, correction1, correction2, shared] as const),
      );
    },
  };
}
