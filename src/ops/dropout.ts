/** Noise that regularises. The random stream is an argument; masks are drawn on the host, so every backend drops the same elements. */

import { ConfigError } from "../core/errors.ts";
import type { Random } from "../core/random.ts";
import { sizeOf } from "../core/shape.ts";
import { typedArray } from "../tensor/storage.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { multiply } from "./arithmetic.ts";
import { reshape } from "./broadcast.ts";
import { tensor } from "./creation.ts";
import { checkFloating } from "./output.ts";

/** What a layer that behaves differently in training needs to know. */
export interface Forward {
  readonly training: boolean;
  /** Where dropout's chance comes from; needed only in training by networks that drop. */
  readonly random?: Random;
  /** Rate at which networks with parallel paths drop one, raised as training goes on; 0 unless given. */
  readonly dropPath?: number;
}

function drop(op: string, x: Tensor, maskShape: readonly number[], rate: number, { training, random }: Forward): Tensor {
  checkFloating(op, x);
  if (!(rate >= 0 && rate < 1)) throw new ConfigError(`${op}: rate must be in [0, 1), got ${rate}`);
  if (!training || rate === 0) return reshape(x, x.shape);
  if (random === undefined)
    throw new ConfigError(`${op}: training with rate ${rate} needs a random stream, got none; pass { random: new Random(seed) }`);
  const scale = 1 / (1 - rate);
  const dropped = rate * 2 ** 32;
  const mask = typedArray(x.dtype, sizeOf(maskShape)).map(() => (random.bits() < dropped ? 0 : scale));
  return multiply(x, tensor(mask, { shape: maskShape }));
}

/** y = x·m/(1 − rate), each m independently 0 with probability `rate` (1207.0580); x unchanged when not training. @throws ConfigError */
export const dropout = (x: Tensor, rate: number, forward: Forward): Tensor => drop("dropout", x, x.shape, rate, forward);

/** The same with one m per sample: a whole path falls away (stochastic depth, 1603.09382). x:[N,…]. @throws ConfigError */
export const dropPath = (x: Tensor, rate: number, forward: Forward): Tensor =>
  drop(
    "dropPath",
    x,
    x.shape.map((size, axis) => (axis === 0 ? size : 1)),
    rate,
    forward,
  );
