/** Profiles one step of a training run after its first steps, and leaves the other steps as they are. */

import { type Profile, profile } from "../../nn/profile.ts";
import type { Trainer } from "../../train/trainer.ts";

/** The number of steps before the profiled one. In these steps the engine compiles the code, and the memory of the optimiser is made. */
export const warmUpSteps = 3;

export interface TrainingProfiler {
  /** The profile, once, after the step that was profiled; undefined before it and later. */
  take(): Profile | undefined;
}

/** Arms the trainer: the step after `warmUpSteps` steps from now on is profiled. Its numbers do not change. */
export function profileTraining(trainer: Trainer): TrainingProfiler {
  const before = trainer.around;
  let steps = 0;
  let taken: Profile | undefined;
  trainer.around = (compute) => {
    if (steps++ < warmUpSteps) return before(compute);
    trainer.around = before;
    const { result, profile: step } = profile(() => before(compute), { model: trainer.model });
    taken = step;
    return result;
  };
  return {
    take: () => {
      const result = taken;
      taken = undefined;
      return result;
    },
  };
}
