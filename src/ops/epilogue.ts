/**
 * What may follow an op in the same pass over its result v: y = activation(v + addend). A kernel that takes an epilogue writes y once.
 * Separate ops would also write and read v and the sum (docs/derivations/batch-norm.md).
 */

import { type Activation, activations, type EpilogueStorages } from "../backend/kernels.ts";
import { ConfigError, ShapeError } from "../core/errors.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { formatShape, sameShape } from "../core/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { addInPlace } from "./add-in-place.ts";
import { add, greater, less, multiply, relu, relu6, reluGradient } from "./elementwise.ts";

export interface Epilogue {
  /** A tensor of the shape and dtype of v. Default: nothing is added. */
  readonly addend?: Tensor | undefined;
  /** Default: none. */
  readonly activation?: Activation | undefined;
}

/** The names of `Epilogue`. */
export const epilogueOptions: OptionNames = optionNames<Epilogue>({ addend: true, activation: true });

/** @throws ConfigError for an unknown name or activation, ShapeError for an addend of another shape or dtype than x. */
export function checkEpilogue(op: string, x: Pick<Tensor, "shape" | "dtype">, then: Epilogue): void {
  checkOptions(op, then, epilogueOptions);
  const { addend, activation } = then;
  if (activation !== undefined && !activations.includes(activation))
    throw new ConfigError(`${op}: activation must be ${activations.join(" or ")}, got ${String(activation)}`);
  if (addend !== undefined && (!sameShape(addend.shape, x.shape) || addend.dtype !== x.dtype))
    throw new ShapeError(
      `${op}: the addend must have the shape and dtype of the result, ` +
        `got ${addend.dtype} ${formatShape(addend.shape)} for ${x.dtype} ${formatShape(x.shape)}`,
    );
}

/** The epilogue as kernels take it. */
export const epilogueStorages = ({ addend, activation }: Epilogue): EpilogueStorages => ({ addend: addend?.storage, activation });

const ops: Readonly<Record<Activation, (v: Tensor) => Tensor>> = { relu, relu6 };

/** y = activation(v + addend), composed of ops. */
export function applyEpilogue(v: Tensor, { addend, activation }: Epilogue): Tensor {
  const sum = addend === undefined ? v : add(v, addend);
  return activation === undefined ? sum : ops[activation](sum);
}

/** `applyEpilogue` for a v that no gradient reads, such as the value of a convolution: the sum takes its place (`addInPlace`). */
export function applyInPlace(v: Tensor, { addend, activation }: Epilogue): Tensor {
  return applyEpilogue(addend === undefined ? v : addInPlace(v, addend), { activation });
}

/** The cotangent of v + addend, composed of ops: g where the activation has slope 1, else 0. The result y tells where that is. */
export function beforeActivation(activation: Activation | undefined, y: Tensor, g: Tensor): Tensor {
  if (activation === "relu") return reluGradient(y, g);
  return activation === "relu6" ? multiply(g, multiply(greater(y, 0), less(y, 6))) : g;
}
