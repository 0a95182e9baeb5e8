/** Analyses one layer: its cost, whether its ways to compute agree, how near it comes to a given matrix, and its spectrum. */

import { Random } from "../core/random.ts";
import { sizeOf } from "../core/shape.ts";
import { frobenius, type Matrix, matrix, relativeDistance } from "../linalg/matrix.ts";
import { svd } from "../linalg/svd.ts";
import { Conv2d } from "../nn/conv2d.ts";
import { Linear } from "../nn/linear.ts";
import type { Module } from "../nn/module.ts";
import { normal } from "../ops/creation.ts";
import { createLinear } from "../structured/create-convolution.ts";
import type { FamilyOptions } from "../structured/family.ts";
import { SeparableConvolution } from "../structured/separable.ts";
import type { ConvolutionSpec } from "../structured/spec.ts";
import { readValues, StructuredConvolution } from "../structured/structured-convolution.ts";
import { type Path, StructuredLinear, type Work } from "../structured/structured-linear.ts";
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
  /** W:[out,in]. The kernel of a convolution K:[O,I,k,k] is the matrix [O,I·k²]. */
  readonly dense: NamedValues;
  readonly cost: { readonly [P in Path]: Work | null };
  /** The path that `auto` takes for each number of columns in a call. Empty for a layer that has only one way to compute. */
  readonly auto: readonly { readonly columns: number; readonly path: Path; readonly reason: string }[];
  /** max |apply(x) − x·Wᵀ| over rows of normal numbers, with W and the product in float64. */
  readonly contractionError: { readonly [P in Path]: number | null };
  /** ‖A − W‖/‖A‖ after `fromDense(A)`; null where no best approximation is known. */
  readonly reconstruction: { readonly itself: number; readonly random: number } | null;
  /** From the largest to the smallest. */
  readonly singularValues: readonly number[];
  /** The number of singular values that are larger than rounding explains. */
  readonly rank: number;
}

/** One column; a small image; a large one; a batch of 128 CIFAR images. */
const columnCounts = [1, 64, 1024, 131_072];

const rows = 8;

/** Analyses a new map. @throws ConfigError for sizes, hyper-parameters or an initialisation that the family cannot have. */
export function inspectLayer({ spec, inFeatures, outFeatures, seed, dtype, ...options }: LayerRequest): Promise<LayerReport> {
  const random = new Random(seed);
  const map = createLinear(spec, inFeatures, outFeatures, { random: random.fork(0), dtype }, options);
  return inspectMap(map, random);
}

/** Whether `inspectTrained` can analyse a layer: the layer holds a matrix or a kernel. */
export const isInspectable = (layer: Module): boolean =>
  layer instanceof StructuredLinear || layer instanceof StructuredConvolution || layer instanceof Conv2d || layer instanceof Linear;

/** Analyses a layer of a trained network. Of a separable convolution it analyses the map. @param seed Decides the random test matrices. */
export function inspectTrained(layer: Module, seed: number): Promise<LayerReport> {
  const map = layer instanceof SeparableConvolution ? layer.map : layer;
  if (map instanceof StructuredLinear) return inspectMap(map, new Random(seed));
  return inspectKernel(map, () => {
    if (map instanceof StructuredConvolution) return map.toDenseKernel();
    return (map as Conv2d | Linear).weight.value;
  });
}

/** Analyses a layer that has no map: its kernel or matrix, and its parameters. */
async function inspectKernel(layer: Module, kernel: () => Tensor): Promise<LayerReport> {
  let shape: readonly number[] = [];
  const data = await readValues(() => {
    const value = kernel();
    shape = value.shape;
    return value;
  });
  const columns = sizeOf(shape.slice(1));
  return {
    parameters: layer.parameterCount(),
    denseParameters: data.length,
    factors: await factorsOf(layer),
    dense: { name: "W", shape: [shape[0]!, columns], data },
    cost: { factorized: null, dense: { multiplyAdds: data.length, perCall: 0 } },
    auto: [],
    contractionError: { factorized: null, dense: null },
    reconstruction: null,
    ...spectrum(matrix(shape[0]!, columns, data), 2 ** -23),
  };
}

async function inspectMap(map: StructuredLinear, random: Random): Promise<LayerReport> {
  const { inFeatures, outFeatures } = map;
  const dtype = [...map.parameters().values()][0]!.dtype as LayerRequest["dtype"];
  const w = matrix(outFeatures, inFeatures, await readValues(() => map.toDense()));
  const work = (path: Path): Work | null => {
    if (!map.paths().includes(path)) return null;
    const { multiplyAdds, perCall } = map.cost(path);
    return { multiplyAdds, perCall };
  };
  return {
    parameters: map.parameterCount(),
    denseParameters: inFeatures * outFeatures,
    factors: await factorsOf(map),
    dense: { name: "W", shape: [outFeatures, inFeatures], data: w.data },
    cost: { factorized: work("factorized"), dense: work("dense") },
    auto: columnCounts.map((columns) => ({ columns, ...map.choose(columns) })),
    contractionError: await contractionErrors(map, w, random.fork(1), dtype),
    reconstruction: await reconstructionErrors(map, w, random.fork(2)),
    ...spectrum(w, dtype === "float64" ? Number.EPSILON : 2 ** -23),
  };
}

async function factorsOf(layer: Module): Promise<NamedValues[]> {
  const factors: NamedValues[] = [];
  for (const [name, parameter] of layer.parameters()) factors.push({ name, shape: parameter.shape, data: await parameter.read() });
  return factors;
}

/** @param rounding The distance from 1 to the next number of the layer's dtype. */
function spectrum(w: Matrix, rounding: number): Pick<LayerReport, "singularValues" | "rank"> {
  const { s } = svd(w);
  const threshold = s[0]! * Math.max(w.rows, w.columns) * rounding;
  return { singularValues: [...s], rank: s.filter((value) => value > threshold).length };
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
    const y = await readValues(() => map.apply(x));
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

/**
 * How near the family comes to the map's own matrix, decomposed again, and to a random matrix without structure. The map is fitted to both,
 * and then its parameters are restored: another map would have other random indices, if it is hashed.
 */
async function reconstructionErrors(map: StructuredLinear, own: Matrix, random: Random): Promise<LayerReport["reconstruction"]> {
  if (map.fromDense === undefined) return null;
  const std = frobenius(own.data) / Math.sqrt(own.data.length) || 1;
  const unstructured = matrix(
    own.rows,
    own.columns,
    own.data.map(() => std * random.normal()),
  );
  const saved = new Map<string, ArrayLike<number>>();
  for (const [name, parameter] of map.parameters()) saved.set(name, await parameter.read());
  const errorFor = async (target: Matrix): Promise<number> => {
    await map.fromDense!(target);
    return relativeDistance(await readValues(() => map.toDense()), target.data);
  };
  const errors = { itself: await errorFor(own), random: await errorFor(unstructured) };
  for (const [name, parameter] of map.parameters()) parameter.write(saved.get(name)!);
  return errors;
}
