/**
 * The common part of `fromDense(W, { tolerance })`, which builds the map with the smallest ranks whose relative error is at most the
 * tolerance.
 */

import { ConfigError } from "../core/errors.ts";
import { Random } from "../core/random.ts";
import type { Matrix } from "../linalg/matrix.ts";
import type { Build } from "../nn/init.ts";
import type { Mode, StructuredLinear, StructuredOptions } from "./structured-linear.ts";

export interface FromDenseOptions {
  /** The largest relative error ‖W − Ŵ‖/‖W‖, in the Frobenius norm. From 1e-5 (1e-11 in float64) up to 1, exclusive. */
  readonly tolerance: number;
  /** The bias b:[out]. Default: the map has no bias. */
  readonly bias?: ArrayLike<number>;
  /** The precision of the parameters. Default: float32. */
  readonly dtype?: "float32" | "float64";
  /** How the map is applied. Default: `auto`. */
  readonly mode?: Mode;
}

/** The smallest tolerance. A fifth of it is kept for the rounding of the parameters to their dtype. */
const smallest = { float32: 1e-5, float64: 1e-11 } as const;

/** How the maps of `fromDense` are built: no parameter keeps its initial value, so the cheapest initialisation is taken. */
interface Preparation {
  /** The tolerance for the ranks: the user's, less the part for rounding. */
  readonly tolerance: number;
  readonly build: Build;
  readonly options: StructuredOptions;
}

/** @throws ConfigError for a tolerance out of range, or a bias of another length than W has rows. */
export function prepareFromDense(
  name: string,
  target: Matrix,
  { tolerance, bias, dtype = "float32", mode }: FromDenseOptions,
): Preparation {
  if (!(tolerance >= smallest[dtype] && tolerance < 1))
    throw new ConfigError(`${name}: tolerance must be at least ${smallest[dtype]} in ${dtype} and below 1, got ${tolerance}`);
  if (bias !== undefined && bias.length !== target.rows)
    throw new ConfigError(`${name}: bias must have one value for each of the ${target.rows} rows of W, got ${bias.length}`);
  const options: StructuredOptions = { bias: bias !== undefined, init: "variance-preserving", ...(mode && { mode }) };
  return { tolerance: tolerance - smallest[dtype] / 5, build: { random: new Random(0), dtype }, options };
}

/** The map with the bias of the options. */
export function withBias<M extends StructuredLinear>(map: M, { bias }: FromDenseOptions): M {
  if (bias !== undefined) map.bias!.write(bias);
  return map;
}
