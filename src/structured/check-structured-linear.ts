/**
 * The property that every structured map must have. The tests check all families by it, and you can check your own. It compares the
 * contraction with the matrix that the formula gives, forward and backward, and it compares the stated cost with the work that is done.
 */

import { kernels, useBackend } from "../backend/active.ts";
import { countingBackend } from "../backend/counting.ts";
import { createReferenceBackend } from "../backend/reference/reference-kernels.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { Random } from "../core/random.ts";
import { sizeOf } from "../core/shape.ts";
import { gradients } from "../grad/gradients.ts";
import { frobenius } from "../linalg/matrix.ts";
import type { Build } from "../nn/init.ts";
import { normal } from "../ops/creation.ts";
import { add, multiply } from "../ops/elementwise.ts";
import { transpose } from "../ops/layout.ts";
import { matmul } from "../ops/matmul.ts";
import { reshape } from "../ops/reshape.ts";
import { sum } from "../ops/sum-and-broadcast.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Path, StructuredLinear } from "./structured-linear.ts";

export interface StructuredCheckOptions {
  /** The seed of the map and of its input. Default: 0. */
  readonly seed?: number;
  /** The number of rows of the input. Default: 3. */
  readonly rows?: number;
  /** The precision of the parameters and of the input. Default: float64. */
  readonly dtype?: "float32" | "float64";
  /**
   * The largest error, relative to the norms of what is multiplied. It is not relative to the result, because a sum of products may cancel.
   * Default: 1e-10 in float64, and 1e-4 in float32.
   */
  readonly tolerance?: number;
}

/** The names of `StructuredCheckOptions`. */
export const structuredCheckOptions: OptionNames = optionNames<StructuredCheckOptions>({
  seed: true,
  rows: true,
  dtype: true,
  tolerance: true,
});

type Values = ArrayLike<number>;

/** max |a − b| / scale; NaN counts as infinite. */
function distance(a: Values, b: Values, scale: number): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let worst = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i]! - b[i]!);
    if (!(difference <= worst)) worst = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
  }
  return worst === 0 ? 0 : worst / scale;
}

/** x·Wᵀ by the definition, in float64. */
function productWithTranspose(x: Values, w: Values, rows: number, outputs: number, inputs: number): Float64Array {
  const y = new Float64Array(rows * outputs);
  for (let n = 0; n < rows; n++)
    for (let o = 0; o < outputs; o++) for (let i = 0; i < inputs; i++) y[n * outputs + o]! += x[n * inputs + i]! * w[o * inputs + i]!;
  return y;
}

/**
 * The faults of a structured map, in words. The list is empty if there are none.
 *
 * On the active backend and on every path of the map, it compares `apply(x)` and its gradients with those of x·toDense()ᵀ, checks
 * linearity, and compares `applyToColumns` with `apply`. It checks that a state that is saved and loaded into another instance gives the
 * same bits, and that `cost().parameters` is the sum of the sizes. On a counting reference backend it checks that `cost(path)` is what was
 * executed.
 */
export async function checkStructuredLinear(
  create: (build: Build) => StructuredLinear,
  options: StructuredCheckOptions = {},
): Promise<string[]> {
  checkOptions("checkStructuredLinear", options, structuredCheckOptions);
  const { seed = 0, rows = 3, dtype = "float64", tolerance = dtype === "float64" ? 1e-10 : 1e-4 } = options;
  const faults: string[] = [];
  const random = new Random(seed);
  const expectNear = (what: string, got: Values, expected: Values, scale: number): void => {
    const error = distance(got, expected, scale);
    if (!(error <= tolerance)) faults.push(`${what}: relative error ${error.toExponential(2)} is above ${tolerance}`);
  };
  const map = create({ random: random.fork(1), dtype });
  const { inFeatures, outFeatures } = map;
  const draw = (shape: readonly number[], key: number): Tensor => normal(shape, random.fork(key), { dtype });
  const x = draw([rows, inFeatures], 2);
  const g = draw([rows, outFeatures], 3);
  const parameters = [...map.parameters()].filter(([, parameter]) => parameter !== map.bias);
  const wrt = [x, ...parameters.map(([, { value }]) => value)];
  const dense = map.toDense();
  if (dense.rank !== 2 || dense.shape[0] !== outFeatures || dense.shape[1] !== inFeatures)
    return [`toDense: must be [${outFeatures},${inFeatures}], got [${dense.shape}]`];
  const [xs, ws, gs] = [await x.data(), await dense.data(), await g.data()];
  const norms = { x: frobenius(xs), w: frobenius(ws), g: frobenius(gs) };
  const expected = productWithTranspose(xs, ws, rows, outFeatures, inFeatures);
  const loss = (y: Tensor): Tensor => sum(multiply(y, g));
  const oracle = await Promise.all(
    gradients(loss(matmul(x, map.toDense(), { transposeB: true })), wrt, { unused: "zeros" }).map((t) => t.data()),
  );
  // W is multilinear in its parameters, so |∂W/∂θ| is about ‖W‖/‖θ‖.
  const scales = [
    norms.g * norms.w,
    ...(await Promise.all(
      parameters.map(async ([, parameter]) => (norms.g * norms.x * norms.w) / (frobenius(await parameter.read()) || 1) || 1),
    )),
  ];

  for (const path of map.paths()) {
    map.mode = path;
    const y = map.apply(x);
    const values = await y.data();
    expectNear(`${path}: apply(x) against x·toDense()ᵀ`, values, expected, norms.x * norms.w);
    const along = await Promise.all(gradients(loss(y), wrt, { unused: "zeros" }).map((t) => t.data()));
    for (const [k, gradient] of along.entries()) {
      const name = k === 0 ? "x" : parameters[k - 1]![0];
      expectNear(`${path}: gradient of ${name} against the dense path's`, gradient, oracle[k]!, scales[k]!);
    }
    const other = draw([rows, inFeatures], 4);
    const combined = await map.apply(add(multiply(x, 2), multiply(other, -3))).data();
    const apart = await add(multiply(y, 2), multiply(map.apply(other), -3)).data();
    expectNear(`${path}: linearity`, combined, apart, norms.w * (2 * norms.x + 3 * frobenius(await other.data())));
    // Two images of one column each and one image of all columns are the same columns.
    const columns = await map.applyToColumns(reshape(transpose(x), [1, inFeatures, rows])).data();
    expectNear(`${path}: applyToColumns against apply`, columns, await transpose(y).data(), norms.x * norms.w);
    const images = await map.applyToColumns(reshape(x, [rows, inFeatures, 1])).data();
    expectNear(`${path}: applyToColumns of many images against apply`, images, values, norms.x * norms.w);
  }
  const lengths = [...map.parameters().values()].map(({ shape }) => sizeOf(shape));
  const total = lengths.reduce((a, b) => a + b, 0);
  if (map.cost().parameters !== total) faults.push(`cost().parameters: must be Σ sizes = ${total}, got ${map.cost().parameters}`);
  faults.push(...(await restoreFaults(map, create, random, x)), ...countFaults(create, random, rows));
  map.dispose();
  return faults;
}

/** The fault of a map whose state, loaded into an instance of another seed, does not give the same bits. */
async function restoreFaults(
  map: StructuredLinear,
  create: (build: Build) => StructuredLinear,
  random: Random,
  x: Tensor,
): Promise<string[]> {
  const state = new Map<string, { shape: readonly number[]; data: ArrayLike<number> }>();
  for (const [name, entry] of map.state()) state.set(name, { shape: entry.shape, data: (await entry.read()).slice() });
  const other = create({ random: random.fork(5), dtype: x.dtype === "float64" ? "float64" : "float32" });
  other.mode = map.mode;
  other.loadState(state);
  const [before, after] = [await map.apply(x).data(), await other.apply(x).data()];
  other.dispose();
  return distance(after, before, 1) === 0 ? [] : ["loadState: the restored map must give the same bits"];
}

/** The faults of paths whose stated cost is not what a counting backend counts. */
function countFaults(create: (build: Build) => StructuredLinear, random: Random, rows: number): string[] {
  const active = kernels();
  try {
    useBackend(createReferenceBackend());
    const map = create({ random: random.fork(6), dtype: "float64" });
    return map.paths().flatMap((path: Path) => {
      map.mode = path;
      const counting = countingBackend(kernels());
      const x = normal([rows, map.inFeatures], random.fork(7), { dtype: "float64" });
      const outer = kernels();
      useBackend(counting.kernels);
      map.apply(x);
      useBackend(outer);
      const { multiplyAdds, perCall } = map.cost(path);
      const stated = rows * multiplyAdds + perCall;
      const counted = counting.multiplyAdds();
      return stated === counted
        ? []
        : [`cost("${path}"): says ${rows}·${multiplyAdds} + ${perCall} = ${stated} multiply-adds, executed ${counted}`];
    });
  } finally {
    useBackend(active);
  }
}
