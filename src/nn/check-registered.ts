/** The search for parameters that a network computes with, but that its state does not have. */

import { ConfigError } from "../core/errors.ts";
import { formatShape } from "../core/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Module } from "./module.ts";
import { parameterOf } from "./state.ts";

/**
 * Checks that every trainable parameter behind `output` is in the state of `model`. A parameter in a #private field, or in an instance of a
 * class that is no Module, is not: it would be neither trained nor saved. `output` must have been computed with recording on.
 * @throws ConfigError for a parameter that is not in the state.
 */
export function checkRegistered(model: Module, output: Tensor): void {
  const registered = new Set([...model.parameters().values()].map(({ value }) => value));
  const seen = new Set<Tensor>([output]);
  // A set is iterated in the order of insertion, and the iteration reaches what is added to it on the way.
  for (const tensor of seen) {
    for (const input of tensor.origin?.inputs ?? []) seen.add(input);
    if (registered.has(tensor) || parameterOf(tensor)?.trainable !== true) continue;
    throw new ConfigError(
      `checkRegistered: every parameter that a network computes with must be in its state, got one of shape ${formatShape(tensor.shape)} ` +
        "that is not; hold it, or the layer it belongs to, in a public field, array, map, set or plain object, or freeze it",
    );
  }
}
