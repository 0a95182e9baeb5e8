/** One matrix under one structure: the nearest structured matrix, its factors and cost, and the time of both ways to apply it here. */

import { Random } from "../../../core/random.ts";
import { type Matrix, matrix, relativeDistance } from "../../../linalg/matrix.ts";
import { svd } from "../../../linalg/svd.ts";
import { normal } from "../../../ops/creation.ts";
import { parseConvolution } from "../../../structured/convolution-text.ts";
import { createLinear } from "../../../structured/create-convolution.ts";
import { readValues } from "../../../structured/structured-convolution.ts";
import type { Path, PathChoice, StructuredLinear } from "../../../structured/structured-linear.ts";
import { noGrad } from "../../../tape/tape.ts";
import { scope } from "../../../tensor/scope.ts";
import type { Values } from "../../snapshot.ts";

export interface LensRequest {
  /** Names the request, since answers may come late. */
  readonly id: number;
  /** [side,side]. */
  readonly target: Float64Array;
  readonly side: number;
  /** A structure as `--conv` writes it. */
  readonly conv: string;
  /** The number of columns to which the matrix is applied. */
  readonly columns: number;
}

/** One way to apply the matrix. */
export interface WayFacts {
  readonly path: Path;
  /** For all columns, with forming the matrix where that is needed. */
  readonly multiplyAdds: number;
  /** The median of the measured times. */
  readonly milliseconds: number;
}

export interface LensReport {
  readonly id: number;
  readonly nearest: Values;
  readonly factors: readonly Values[];
  /** ‖W − W̃‖/‖W‖. */
  readonly error: number;
  readonly parameters: number;
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

/** @throws ConfigError for a structure that the matrix cannot have. */
export async function lookThrough({ id, target, side, conv, columns }: LensRequest): Promise<LensReport> {
  const w = matrix(side, side, target);
  const map = createLinear(parseConvolution(conv), side, side, { random: new Random(0) }, { init: "variance-preserving" });
  try {
    await map.fromDense?.(w);
    const numbers = await readValues(() => map.toDense());
    const factors: Values[] = [];
    for (const [name, parameter] of map.parameters())
      factors.push({ name, shape: parameter.shape, data: Float32Array.from(await parameter.read()) });
    const spectrum = (values: Matrix): Float64Array => svd(values).s;
    return {
      id,
      nearest: { name: "W̃", shape: [side, side], data: Float32Array.from(numbers) },
      factors,
      error: relativeDistance(numbers, target),
      parameters: map.parameterCount(),
      denseParameters: side * side,
      singularValues: [spectrum(w), spectrum(matrix(side, side, numbers))],
      ways: await timeWays(map, columns),
      choice: map.choose(columns),
      turn: turnOf(map),
    };
  } finally {
    map.dispose();
  }
}

async function timeWays(map: StructuredLinear, columns: number): Promise<WayFacts[]> {
  const x = normal([columns, map.inFeatures], new Random(1));
  const ways: WayFacts[] = [];
  for (const path of map.paths()) {
    const { multiplyAdds, perCall } = map.cost(path);
    map.mode = path;
    const times: number[] = [];
    for (let run = 0; run <= timedRuns; run++) {
      const start = performance.now();
      const y = scope(() => noGrad(() => map.apply(x)));
      // A device has finished when its numbers can be read.
      await y.data();
      times.push(performance.now() - start);
      y.dispose();
    }
    const sorted = times.slice(1).sort((a, b) => a - b);
    ways.push({ path, multiplyAdds: multiplyAdds * columns + perCall, milliseconds: sorted[timedRuns >> 1]! });
  }
  x.dispose();
  map.mode = "auto";
  return ways;
}

function turnOf(map: StructuredLinear): LensReport["turn"] {
  const first = map.choose(1).path;
  for (let doubling = 1; doubling <= mostDoublings; doubling++) {
    const { path } = map.choose(2 ** doubling);
    if (path !== first) return { columns: 2 ** doubling, path };
  }
  return undefined;
}
