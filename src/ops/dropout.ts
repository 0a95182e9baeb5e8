/**
 * Dropout of elements and of whole samples. The masks are drawn in JavaScript, not by a kernel, so every backend drops the same elements
 * (docs/derivations/elementwise.md).
 */

import type { Context } from "../core/context.ts";
import { ConfigError } from "../core/errors.ts";
import { sizeOf } from "../core/shape.ts";
import { typedArray } from "../tensor/storage.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { tensor } from "./creation.ts";
import { multiply } from "./elementwise.ts";
import { checkFloating } from "./output.ts";
import { reshape } from "./reshape.ts";

function drop(op: string, x: Tensor, maskShape: readonly number[], rate: number, { training, random }: Context): Tensor {
  checkFloating(op, x);
  if (!(rate >= 0 && rate < 1)) throw new ConfigError(`${op}: rate must be in [0, 1), got ${rate}`);
  if (!training || rate === 0) return reshape(x, x.shape);
  if (random === undefined)
    throw new ConfigError(`${op}: training with rate ${rate} needs a random stream, got none; pass { random: new Random(seed) }`);
  const scale = 1 / (1 - rate);
  const threshold = rate * 2 ** 32;
  const mask = typedArray(x.dtype, sizeOf(maskShape)).map(() => (random.bits() < threshold ? 0 : scale));
  return multiply(x, tensor(mask, { shape: maskShape }));
}

/**
 * y = x·m/(1 − rate). Each element of the mask m is 0 with probability `rate` and 1 otherwise (arXiv 1207.0580). In evaluation y = x.
 * @throws ConfigError for a rate outside [0, 1), or training without a random stream.
 */
export const dropout = (x: Tensor, rate: number, context: Context): Tensor => drop("dropout", x, x.shape, rate, context);

/**
 * y = x·m/(1 − rate) with one element of the mask m for each sample, so that a whole path of the network is dropped (stochastic depth,
 * arXiv 1603.09382). In evaluation y = x. x:[N,…] → y:[N,…].
 * @throws ConfigError for a rate outside [0, 1), or training without a random stream.
 */
export const dropPath = (x: Tensor, rate: number, context: Context): Tensor =>
  drop(
    "dropPath",
    x,
    x.shape.map((size, axis) => (axis === 0 ? size : 1)),
    rate,
    context,
  );
