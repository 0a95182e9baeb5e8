/** The report on one structured map: its cost, the errors of its contraction and of its nearest map, and its singular values. */

import { Random } from "../core/random.ts";
import { frobenius, type Matrix, matrix, relativeDistance } from "../linalg/matrix.ts";
import { svd } from "../linalg/svd.ts";
import { normal } from "../ops/creation.ts";
import { createLinear } from "../structured/create-convolution.ts";
import type { FamilyOptions } from "../structured/family.ts";
import type { ConvolutionSpec } from "../structured/spec.ts";
import type { Path, StructuredLinear, Work } from "../structured/structured-linear.ts";
import { noGrad } from "../tape/tape.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { NamedValues } from "./matrix-picture.ts";

export interface LayerRequest extends FamilyOptions {
  readonly spec: ConvolutionSpec;
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly seed: number;
  readonly dtype: "float32" | "float64";
}

export interface LayerReport {
  readonly parameters: number;
  readonly denseParameters: number;
  readonly factors: readonly NamedValues[];
  /** W:[out,in]. */
  readonly dense: NamedValues;
  readonly cost: { readonly [P in Path]: Work | null };
  /** The path that `auto` takes for some numbers of columns per call. */
  readonly auto: readonly { readonly columns: number; readonly path: Path; readonly reason: string }[];
  /** max |apply(x) − x·Wᵀ| over rows of normal numbers. W and the product are in float64. Null for a path that the map does not have. */
  readonly contractionError: { readonly [P in Path]: number | null };
  /** ‖A − W‖/‖A‖ after `fromDense(A)`; null if no nearest map is known. */
  readonly reconstruction: { readonly itself: number; readonly random: number } | null;
  /** The singular values of W, from large to small. */
  readonly singularValues: readonly number[];
  /** The number of singular values that are larger than rounding errors. */
  readonly rank: number;
}

/** The columns of one pixel, of a small image, of a large image, and of 128 CIFAR images. */
const columnCounts = [1, 64, 1024, 131_072];

const rows = 8;

const read = async (compute: () => Tensor): Promise<Float64Array> => {
  const value = scope(() => noGrad(compute));
  return Float64Array.from(await value.data());
};

/** @throws ConfigError for sizes, hyper-parameters or an initialisation that the family cannot have. */
export async function inspectLayer(request: LayerRequest): Promise<LayerReport> {
  const { spec, inFeatures, outFeatures, seed, dtype, ...options } = request;
  const random = new Random(seed);
  const create = (key: number): StructuredLinear =>
    createLinear(spec, inFeatures, outFeatures, { random: random.fork(key), dtype }, options);
  const map = create(0);
  const w = matrix(outFeatures, inFeatures, await read(() => map.toDense()));
  const work = (path: Path): Work | null => {
    if (!map.paths().includes(path)) return null;
    const { multiplyAdds, perCall } = map.cost(path);
    return { multiplyAdds, perCall };
  };
  const factors: NamedValues[] = [];
  for (const [name, { shape, value }] of map.parameters()) factors.push({ name, shape, data: await value.data() });
  const { s } = svd(w);
  const rounding = dtype === "float64" ? Number.EPSILON : 2 ** -23;
  return {
    parameters: map.parameterCount(),
    denseParameters: inFeatures * outFeatures,
    factors,
    dense: { name: "W", shape: [outFeatures, inFeatures], data: w.data },
    cost: { factorized: work("factorized"), dense: work("dense") },
    auto: columnCounts.map((columns) => ({ columns, ...map.choose(columns) })),
    contractionError: await contractionErrors(map, w, random.fork(1), dtype),
    reconstruction: await reconstructionErrors(create, w, random.fork(2)),
    singularValues: [...s],
    rank: s.filter((value) => value > s[0]! * Math.max(inFeatures, outFeatures) * rounding).length,
  };
}

async function contractionErrors(
  map: StructuredLinear,
  w: Matrix,
  random: Random,
  dtype: LayerRequest["dtype"],
): Promise<LayerReport["contractionError"]> {
  const x = normal([rows, map.inFeatures], random, { dtype });
  const xs = await x.data();
  const mode = map.mode;
  const errorOf = async (path: Path): Promise<number | null> => {
    if (!map.paths().includes(path)) return null;
    map.mode = path;
    const y = await read(() => map.apply(x));
    let worst = 0;
    for (let n = 0; n < rows; n++)
      for (let o = 0; o < map.outFeatures; o++) {
        let expected = 0;
        for (let i = 0; i < map.inFeatures; i++) expected += xs[n * map.inFeatures + i]! * w.data[o * map.inFeatures + i]!;
        worst = Math.max(worst, Math.abs(y[n * map.outFeatures + o]! - expected));
      }
    return worst;
  };
  const errors = { factorized: await errorOf("factorized"), dense: await errorOf("dense") };
  map.mode = mode;
  return errors;
}

/** The errors of the nearest maps to the map's own matrix, and to a random matrix without structure. */
async function reconstructionErrors(
  create: (key: number) => StructuredLinear,
  own: Matrix,
  random: Random,
): Promise<LayerReport["reconstruction"]> {
  const deviation = frobenius(own.data) / Math.sqrt(own.data.length) || 1;
  const unstructured = matrix(
    own.rows,
    own.columns,
    own.data.map(() => deviation * random.normal()),
  );
  // The same chance as the map's own: hashed maps share by lot.
  const other = create(0);
  if (other.fromDense === undefined) return null;
  const errorFor = async (target: Matrix): Promise<number> => {
    await other.fromDense!(target);
    return relativeDistance(await read(() => other.toDense()), target.data);
  };
  return { itself: await errorFor(own), random: await errorFor(unstructured) };
}
