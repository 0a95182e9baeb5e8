/** Freezing: layers that training leaves as they are. */

import type { Module } from "./module.ts";

const setTrainable = (module: Module, trainable: boolean): void => {
  for (const parameter of module.parameters().values()) parameter.trainable = trainable;
};

/**
 * Freezes every parameter of the module. Optimisers then skip the parameters: no gradient is asked for, and neither the gradient nor weight
 * decay changes them. A frozen batch norm computes with its running statistics, and they stand still, even in training. Checkpoints keep
 * which parameters are frozen.
 */
export const freeze = (module: Module): void => setTrainable(module, false);

/** Undoes `freeze`. An optimiser goes on with the state (velocity, moments) that a parameter had when it was frozen. */
export const unfreeze = (module: Module): void => setTrainable(module, true);

/** The names of the frozen parameters. */
export const frozenNames = (module: Module): string[] =>
  [...module.parameters()].flatMap(([name, { trainable }]) => (trainable ? [] : [name]));

/** Freezes the parameters of the given names and unfreezes the others. */
export function setFrozen(module: Module, names: readonly string[]): void {
  const frozen = new Set(names);
  for (const [name, parameter] of module.parameters()) parameter.trainable = !frozen.has(name);
}
