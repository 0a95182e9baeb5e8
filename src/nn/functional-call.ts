/**
 * `functionalCall`: a module as a function of its parameters. `gradients` differentiates by the tensors of a module where they are. `jvp`,
 * `jacobian` and `hessian` differentiate a function by its arguments, so they need a module that computes with the arguments.
 */

import { ConfigError, ShapeError } from "../core/errors.ts";
import { suggestion } from "../core/nearest-word.ts";
import { quote } from "../core/quote.ts";
import { formatShape, sameShape } from "../core/shape.ts";
import { checkSynchronous } from "../core/synchronous.ts";
import { checkFloating } from "../ops/output.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Module } from "./module.ts";
import type { Parameter } from "./state.ts";

/**
 * `module.forward(...args)`, computed with the given values in place of those parameters, as `torch.func.functional_call` does. The names
 * are those of `module.parameters()`. Values have the shape of their parameter and any floating dtype. A parameter that is not named keeps
 * its value, and all have their own values again when the call returns. Buffers change as in any call, such as the statistics of a batch
 * norm in training.
 * @throws ConfigError for a name that no parameter has or an asynchronous `forward`, ShapeError for a value of another shape or that is no
 * floating tensor.
 */
export function functionalCall<Arguments extends unknown[], Result>(
  module: Module & { forward(...args: Arguments): Result },
  values: Readonly<Record<string, Tensor>>,
  ...args: Arguments
): Result {
  const parameters = module.parameters();
  const before = Object.entries(values).map(([name, value]): [Parameter, Tensor] => {
    const parameter = parameters.get(name) ?? unknown(name, [...parameters.keys()]);
    checkFloating("functionalCall", value);
    if (!sameShape(parameter.shape, value.shape))
      throw new ShapeError(
        `functionalCall: the value of ${quote(name)} must have the shape ${formatShape(parameter.shape)}, got ${formatShape(value.shape)}`,
      );
    return [parameter, parameter.value];
  });
  try {
    for (const [i, value] of Object.values(values).entries()) substitute(before[i]![0], value);
    const result = module.forward(...args);
    checkSynchronous("functionalCall", result, "let forward compute with ops, and read data outside");
    return result;
  } finally {
    for (const [parameter, value] of before) substitute(parameter, value);
  }
}

/** Writes the value of a parameter. This is the one place that writes the read-only field after the parameter is made. */
function substitute(parameter: Parameter, value: Tensor): void {
  (parameter as { value: Tensor }).value = value;
}

function unknown(name: string, known: readonly string[]): never {
  throw new ConfigError(
    `functionalCall: names must be those of module.parameters(), such as ${known[0] ?? "none"}, ` +
      `got ${quote(name)}${suggestion(name, known)}`,
  );
}
