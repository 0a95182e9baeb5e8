/** A target under one structure: the nearest structured matrix, its factors and cost, and the time of all ways to apply it here. */

import { sizeOf } from "../../../core/shape.ts";
import { type Matrix, matrix } from "../../../linalg/matrix.ts";
import { svd } from "../../../linalg/svd.ts";
import type { TensorArray } from "../../../linalg/tensor-array.ts";
import { readValues } from "../../../structured/structured-convolution.ts";
import type { Path, PathChoice } from "../../../structured/structured-linear.ts";
import { noGrad } from "../../../tape/tape.ts";
import { scope } from "../../../tensor/scope.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import type { Values } from "../../snapshot.ts";
import { type Fitted, fitStructure } from "./fit-structure.ts";

export interface LensQuestion {
  /** A matrix [out,in], or the kernel [O,I,k,k] of a convolution. */
  readonly target: TensorArray;
  /** A structure as `--conv` writes it. */
  readonly conv: string;
  /** The number of columns to which the matrix is applied: the pixels of a convolution's result. A square number for a kernel. */
  readonly columns: number;
}

/** One way to compute: on a path of the structured layer, or as the target itself. */
export interface WayFacts {
  readonly way: Path | "target";
  /** For all columns, with forming the matrix where that is needed. */
  readonly multiplyAdds: number;
  /** The median of the measured times. */
  readonly milliseconds: number;
}

export interface LensReport {
  /** The shape of the target. */
  readonly shape: readonly number[];
  /** W: the target, or for a kernel the matrix that stands behind the window. */
  readonly w: Values;
  readonly nearest: Values;
  /** The factors of W̃, and the window of a kernel. */
  readonly factors: readonly Values[];
  /** ‖target − structured‖/‖target‖. */
  readonly error: number;
  /** The part of the error that the window causes alone; undefined for a matrix. error² = windowError² + the rest². */
  readonly windowError: number | undefined;
  readonly parameters: number;
  /** The parameters of the target. */
  readonly denseParameters: number;
  /** Of W and of W̃, in descending order. */
  readonly singularValues: readonly [target: Float64Array, nearest: Float64Array];
  readonly ways: readonly WayFacts[];
  readonly choice: PathChoice;
  /** The first number of columns, of powers of two, from which `auto` takes the other path than for one column. */
  readonly turn: { readonly columns: number; readonly path: Path } | undefined;
}

/** Each way is timed this many times, after a first time that is not counted. */
const timedRuns = 7;
/** The largest number of columns, as a power of two, at which a turn of `auto` is looked for. */
const mostDoublings = 17;

/** @throws ConfigError for a structure that the target cannot have. */
export async function lookThrough({ target, conv, columns }: LensQuestion): Promise<LensReport> {
  const fitted = await fitStructure(target, conv);
  try {
    const { map, layer, w, error, windowError } = fitted;
    const nearest = matrix(w.rows, w.columns, await readValues(() => map.toDense()));
    const factors: Values[] = [];
    for (const [name, parameter] of layer.parameters())
      factors.push({ name, shape: parameter.shape, data: Float32Array.from(await parameter.read()) });
    return {
      shape: target.shape,
      w: picture("W", w),
      nearest: picture("W̃", nearest),
      factors,
      error,
      windowError,
      parameters: layer.parameterCount(),
      denseParameters: target.data.length,
      singularValues: [svd(w).s, svd(nearest).s],
      ways: await timeWays(fitted, sizeOf(target.shape), columns),
      choice: fitted.choose(columns),
      turn: turnOf(fitted),
    };
  } finally {
    fitted.dispose();
  }
}

const picture = (name: string, { rows, columns, data }: Matrix): Values => ({
  name,
  shape: [rows, columns],
  data: Float32Array.from(data),
});

/** @param targetCost The multiply-adds of the target for each column. */
async function timeWays({ map, windowCost, input, apply, applyTarget }: Fitted, targetCost: number, columns: number): Promise<WayFacts[]> {
  const x = input(columns);
  const ways: WayFacts[] = [{ way: "target", multiplyAdds: targetCost * columns, milliseconds: await medianTime(() => applyTarget(x)) }];
  for (const path of map.paths()) {
    const { multiplyAdds, perCall } = map.cost(path);
    map.mode = path;
    const milliseconds = await medianTime(() => apply(x));
    ways.push({ way: path, multiplyAdds: (windowCost + multiplyAdds) * columns + perCall, milliseconds });
  }
  x.dispose();
  map.mode = "auto";
  return ways;
}

async function medianTime(compute: () => Tensor): Promise<number> {
  const times: number[] = [];
  for (let run = 0; run <= timedRuns; run++) {
    const start = performance.now();
    const y = scope(() => noGrad(compute));
    // A device has finished when its numbers can be read.
    await y.data();
    times.push(performance.now() - start);
    y.dispose();
  }
  return times.slice(1).sort((a, b) => a - b)[timedRuns >> 1]!;
}

function turnOf({ choose }: Fitted): LensReport["turn"] {
  const first = choose(1).path;
  for (let doubling = 1; doubling <= mostDoublings; doubling++) {
    const { path } = choose(2 ** doubling);
    if (path !== first) return { columns: 2 ** doubling, path };
  }
  return undefined;
}
